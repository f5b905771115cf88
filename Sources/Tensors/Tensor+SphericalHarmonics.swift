extension Tensor {
  /// `[count, 3]` colors of Gaussians seen from `camera`: 0.5 plus real spherical harmonics of the direction from
  /// there to the mean, with the order and the signs that files of Gaussians have (Kerbl et al. 2023). What falls
  /// below 0 is 0 and gets no gradient.
  ///
  /// The means' gradient is that of the direction: there is none of degree 0, and a mean at the camera itself has no
  /// direction, hence its own color alone and a gradient of 0. The camera gets none.
  ///
  /// - Parameters:
  ///   - means: `[count, 3]`, in the world.
  ///   - coefficients: `[count, (degree + 1)², 3]`, whose shape says the degree, 0 to 3.
  ///   - camera: where it stands in the world; see `SplattingView.position`.
  public static func sphericalHarmonicColors(
    means: Tensor, coefficients: Tensor, from camera: SIMD3<Float>
  ) -> Tensor {
    precondition(
      coefficients.rank == 3 && [1, 4, 9, 16].contains(coefficients.shape[1]) && coefficients.shape[2] == 3,
      "sphericalHarmonicColors: coefficients have shape \(coefficients.shape), not [count, 1, 4, 9 or 16, 3]")
    let (count, terms) = (coefficients.shape[0], coefficients.shape[1])
    precondition(
      means.shape == [count, 3], "sphericalHarmonicColors: means have shape \(means.shape), not [\(count), 3]")
    let colors = Device.backend.sphericalHarmonicColors(means, coefficients, from: camera)
    return colors.recorded("sphericalHarmonicColors", from: [means, coefficients]) {
      [
        means = means.detached, coefficients = coefficients.detached,
        wantsMeans = means.isRecorded && terms > 1, wantsCoefficients = coefficients.isRecorded
      ] outputGradient in
      [
        wantsMeans
          ? Device.backend.sphericalHarmonicMeanGradient(
            means, coefficients, colors: colors, from: camera, outputGradient)
          : nil,
        wantsCoefficients
          ? Device.backend.sphericalHarmonicCoefficientGradient(
            means, terms: terms, colors: colors, from: camera, outputGradient)
          : nil,
      ]
    }
  }
}

extension SplattingView {
  /// Where the camera stands in the world.
  public var position: SIMD3<Float> { -(matrix.transposed * translation) }
}
