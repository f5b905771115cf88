import Imitation
import Layers
import Tensors

/// What the image encoders share: crop, one trunk a camera, and the order of a feature row: cameras by name, then vectors
/// by name.
enum CameraFeatures {
  /// `[batch, time, features]`.
  ///
  /// - Parameter trunk: frames `[batch * time, crop, crop, 3]` and their conditions to `[batch * time, features]`.
  static func row(
    _ observations: ObservationBatch, schema: ObservationSchema, crop: Int?, condition: Tensor?,
    trunk: (_ camera: String, _ frames: Tensor, _ condition: Tensor?) -> Tensor
  ) -> Tensor {
    let (batch, time) = (observations.count, observations.time)
    let repeated = condition.map {
      $0.unsqueezed(1).broadcast(to: [batch, time, $0.shape[1]]).reshaped([batch * time, $0.shape[1]])
    }
    var parts = schema.imageKeys.map { camera in
      trunk(camera, Cropping.frames(observations.images[camera]!, crop: crop), repeated).reshaped([batch, time, -1])
    }
    parts += schema.vectorKeys.map { observations.vectors[$0]! }
    return Tensor.concatenated(parts, axis: 2)
  }
}
