import Tensors

/// Where the pixels of one camera look, item by item.
package struct PixelRays {
  /// `[batch, pixels, 3]`, of depth 1.
  package let rays: Tensor
  /// `[batch, 1, 1]`: how wide a pixel is at depth 1.
  package let width: Tensor

  /// The rotation that turns nothing, `[1, 1, 4]`.
  package static let upright = Tensor([1, 0, 0, 0], shape: [1, 1, 4])

  package init(_ size: ObservationSchema.ImageSize, _ calibrations: [CameraCalibration]) {
    rays = GraphTrace.operation("pixel rays", of: calibrations, ["size": .ints([size.height, size.width])]) {
      Tensor(shape: [calibrations.count, size.height * size.width, 3]) { buffer in
        var place = 0
        for camera in calibrations {
          for v in 0..<size.height {
            for u in 0..<size.width {
              buffer[place] = (Float(u) + 0.5 - camera.center.x) / camera.focal.x
              buffer[place + 1] = (Float(v) + 0.5 - camera.center.y) / camera.focal.y
              buffer[place + 2] = 1
              place += 3
            }
          }
        }
      }
    }
    width = GraphTrace.operation("pixel width", of: calibrations) {
      Tensor(calibrations.map { 2 / ($0.focal.x + $0.focal.y) }, shape: [calibrations.count, 1, 1])
    }
  }

  package func shape(_ last: Int) -> [Int] { rays.shape.dropLast() + [last] }
}

extension Tensor {
  /// Colors in 0...1 as coefficients of the spherical harmonic of degree 0.
  package var colorCoefficients: Tensor { (self - 0.5) / Gaussians.harmonic }
}
