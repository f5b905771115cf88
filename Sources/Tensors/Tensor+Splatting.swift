extension Tensor {
  /// Gaussians as an image (Zwicker et al. 2001, EWA splatting; Kerbl et al. 2023): `[height, width, 5]` of red, green,
  /// blue over `background`, the depth summed like a color, and alpha. Divide the depth by alpha for what lies there.
  ///
  /// - Parameters:
  ///   - means: `[count, 3]`, in the world.
  ///   - scales: `[count, 3]`, standard deviations along the Gaussian's own axes.
  ///   - rotations: `[count, 4]`, quaternions w, x, y, z of any length.
  ///   - colors: `[count, 3]`.
  ///   - opacities: `[count]`, 0...1.
  ///   - background: red, green and blue; it gets no gradient.
  public static func splatted(
    means: Tensor, scales: Tensor, rotations: Tensor, colors: Tensor, opacities: Tensor, view: SplattingView,
    background: SIMD3<Float> = .zero
  ) -> Tensor {
    let count = opacities.count
    for (name, tensor, width) in [
      ("means", means, 3), ("scales", scales, 3), ("rotations", rotations, 4), ("colors", colors, 3),
    ] {
      precondition(
        tensor.shape == [count, width], "splatted: \(name) have shape \(tensor.shape), not [\(count), \(width)]")
    }
    precondition(opacities.rank == 1, "splatted: opacities have shape \(opacities.shape)")
    let inputs = [means, scales, rotations, colors, opacities]
    let (image, state) = Device.backend.splat(inputs, view: view, background: background)
    return image.recorded("splatted", from: inputs) { [inputs = inputs.map(\.detached)] outputGradient in
      Device.backend.splatGradient(inputs, state, view: view, background: background, outputGradient)
    }
  }
}
