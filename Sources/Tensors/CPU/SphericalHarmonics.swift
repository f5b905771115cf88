/// The real spherical harmonics up to degree 3: constants times polynomials of a unit vector, with the order and the
/// signs that files of Gaussians have (Kerbl et al. 2023).
private enum Harmonics {
  /// Of degree 0: the same in all directions.
  static let flat: Float = 0.28209479177387814

  static var constants: SIMD16<Float> {
    SIMD16(
      flat,
      -0.4886025119029199, 0.4886025119029199, -0.4886025119029199,
      1.0925484305920792, -1.0925484305920792, 0.31539156525252005, -1.0925484305920792, 0.5462742152960396,
      -0.5900435899266435, 2.890611442640554, -0.4570457994644658, 0.3731763325901154, -0.4570457994644658,
      1.445305721320277, -0.5900435899266435)
  }

  /// Those of degree 0 and up, `terms` of them; the rest is 0.
  static func polynomials(_ direction: SIMD3<Float>, terms: Int) -> SIMD16<Float> {
    let (x, y, z) = (direction.x, direction.y, direction.z)
    var p = SIMD16<Float>.zero
    p[0] = 1
    guard terms > 1 else { return p }
    p[1] = y
    p[2] = z
    p[3] = x
    guard terms > 4 else { return p }
    let (xx, yy, zz) = (x * x, y * y, z * z)
    p[4] = x * y
    p[5] = y * z
    p[6] = 2 * zz - xx - yy
    p[7] = x * z
    p[8] = xx - yy
    guard terms > 9 else { return p }
    p[9] = y * (3 * xx - yy)
    p[10] = x * y * z
    p[11] = y * (4 * zz - xx - yy)
    p[12] = z * (2 * zz - 3 * xx - 3 * yy)
    p[13] = x * (4 * zz - xx - yy)
    p[14] = z * (xx - yy)
    p[15] = x * (xx - 3 * yy)
    return p
  }

  /// The gradient of the sum of the polynomials, each with its weight `w`.
  static func slope(_ direction: SIMD3<Float>, _ w: SIMD16<Float>, terms: Int) -> SIMD3<Float> {
    let (x, y, z) = (direction.x, direction.y, direction.z)
    var sum = SIMD3(w[3], w[1], w[2])
    guard terms > 4 else { return sum }
    sum += w[4] * SIMD3(y, x, 0)
    sum += w[5] * SIMD3(0, z, y)
    sum += 2 * w[6] * SIMD3(-x, -y, 2 * z)
    sum += w[7] * SIMD3(z, 0, x)
    sum += 2 * w[8] * SIMD3(x, -y, 0)
    guard terms > 9 else { return sum }
    let (xx, yy, zz) = (x * x, y * y, z * z)
    let (xy, yz, xz) = (x * y, y * z, x * z)
    sum += 3 * w[9] * SIMD3(2 * xy, xx - yy, 0)
    sum += w[10] * SIMD3(yz, xz, xy)
    sum += w[11] * SIMD3(-2 * xy, 4 * zz - xx - 3 * yy, 8 * yz)
    sum += 3 * w[12] * SIMD3(-2 * xz, -2 * yz, 2 * zz - xx - yy)
    sum += w[13] * SIMD3(4 * zz - 3 * xx - yy, -2 * xy, 8 * xz)
    sum += w[14] * SIMD3(2 * xz, -2 * yz, xx - yy)
    sum += 3 * w[15] * SIMD3(xx - yy, -2 * xy, 0)
    return sum
  }
}

// Colors of Gaussians that change with the direction they are seen from.
extension Kernel {
  private static func row(_ pointer: UnsafePointer<Float>, _ i: Int) -> SIMD3<Float> {
    SIMD3(pointer[3 * i], pointer[3 * i + 1], pointer[3 * i + 2])
  }

  private static func set(_ pointer: UnsafeMutablePointer<Float>, _ i: Int, _ value: SIMD3<Float>) {
    for axis in 0..<3 { pointer[3 * i + axis] = value[axis] }
  }

  /// The direction from the camera, and 1 by the distance; both 0 where there is none.
  private static func viewingDirection(
    _ mean: SIMD3<Float>, from camera: SIMD3<Float>
  ) -> (direction: SIMD3<Float>, closeness: Float) {
    let way = mean - camera
    let squared = (way * way).sum()
    if squared < .leastNormalMagnitude { return (.zero, 0) }
    let closeness = 1 / squared.squareRoot()
    return (way * closeness, closeness)
  }

  /// What arrives at a color passes unless it was clamped.
  private static func passed(
    _ outputGradient: UnsafePointer<Float>, _ colors: UnsafePointer<Float>, _ i: Int
  ) -> SIMD3<Float> {
    row(outputGradient, i).replacing(with: 0, where: row(colors, i) .<= 0)
  }

  /// `[count, 3]`, none below 0.
  static func sphericalHarmonicColors(
    _ means: Tensor, _ coefficients: Tensor, from camera: SIMD3<Float>
  ) -> Tensor {
    let (count, terms) = (coefficients.shape[0], coefficients.shape[1])
    return Tensor(shape: [count, 3]) { buffer in
      nonisolated(unsafe) let (means, from) = (means.storage.pointer, coefficients.storage.pointer)
      nonisolated(unsafe) let to = buffer.baseAddress!
      if terms == 1 {
        return parallel(count: 3 * count, grain: grain) { range in
          for i in range {
            let color = Harmonics.flat * from[i] + 0.5
            to[i] = color < 0 ? 0 : color
          }
        }
      }
      parallel(count: count, grain: max(1, grain / (3 * terms))) { range in
        for i in range {
          let direction = viewingDirection(row(means, i), from: camera).direction
          let harmonics = Harmonics.constants * Harmonics.polynomials(direction, terms: terms)
          var color = SIMD3<Float>(repeating: 0.5)
          for term in 0..<terms { color += harmonics[term] * row(from, i * terms + term) }
          set(to, i, color.replacing(with: 0, where: color .< 0))
        }
      }
    }
  }

  /// The gradient of the coefficients, `[count, terms, 3]`.
  static func sphericalHarmonicCoefficientGradient(
    _ means: Tensor, terms: Int, colors: Tensor, from camera: SIMD3<Float>, _ outputGradient: Tensor
  ) -> Tensor {
    let count = colors.shape[0]
    return Tensor(shape: [count, terms, 3]) { buffer in
      nonisolated(unsafe) let (means, above) = (means.storage.pointer, outputGradient.storage.pointer)
      nonisolated(unsafe) let (colors, to) = (colors.storage.pointer, buffer.baseAddress!)
      if terms == 1 {
        return parallel(count: 3 * count, grain: grain) { range in
          for i in range { to[i] = colors[i] <= 0 ? 0 : Harmonics.flat * above[i] }
        }
      }
      parallel(count: count, grain: max(1, grain / (3 * terms))) { range in
        for i in range {
          let direction = viewingDirection(row(means, i), from: camera).direction
          let harmonics = Harmonics.constants * Harmonics.polynomials(direction, terms: terms)
          let arriving = passed(above, colors, i)
          for term in 0..<terms { set(to, i * terms + term, harmonics[term] * arriving) }
        }
      }
    }
  }

  /// The gradient of the means, `[count, 3]`: of the direction, so nothing along it.
  static func sphericalHarmonicMeanGradient(
    _ means: Tensor, _ coefficients: Tensor, colors: Tensor, from camera: SIMD3<Float>, _ outputGradient: Tensor
  ) -> Tensor {
    let (count, terms) = (coefficients.shape[0], coefficients.shape[1])
    return Tensor(shape: [count, 3]) { buffer in
      nonisolated(unsafe) let (means, from) = (means.storage.pointer, coefficients.storage.pointer)
      nonisolated(unsafe) let (colors, above) = (colors.storage.pointer, outputGradient.storage.pointer)
      nonisolated(unsafe) let to = buffer.baseAddress!
      parallel(count: count, grain: max(1, grain / (3 * terms))) { range in
        for i in range {
          let (direction, closeness) = viewingDirection(row(means, i), from: camera)
          let arriving = passed(above, colors, i)
          var weights = Harmonics.constants
          for term in 0..<terms {
            weights[term] *= (arriving * row(from, i * terms + term)).sum()
          }
          let slope = Harmonics.slope(direction, weights, terms: terms)
          set(to, i, closeness * (slope - (slope * direction).sum() * direction))
        }
      }
    }
  }
}
