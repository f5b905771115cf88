import Imitation
import Layers
import Tensors

/// What one camera's frames go through: `[frames, height, width, channels]` to a row each, or, for tokens, to a smaller map.
protocol CameraTrunk: Module {
  /// - Parameter condition: the instructions' embeddings, `[frames, condition]`.
  func callAsFunction(_ frames: Tensor, condition: Tensor?) -> Tensor
}

/// What the image encoders share: crop, one trunk a camera, and the order of their features.
///
/// A pooled row is the cameras' numbers, by name, then the vectors by name, depths and calibrations left out. Where tokens are asked for, the places of the
/// trunks' maps are tokens, and the instruction is one; a pooled row is then the instruction and the vectors.
struct CameraFeatures: Module {
  /// The instruction as a token.
  let instructionToken: Linear?
  let layout: FeatureLayout
  private let schema: ObservationSchema
  private let crop: Int?

  /// - Parameter width: numbers of a camera, or of a token.
  /// - Throws: `EncoderError` when a camera is smaller than the crop.
  init(_ context: EncoderContext, crop: Int?, width: Int, condition: Int?, random: inout Random) throws {
    try CroppedFrames.check(crop, schema: context.schema)
    (schema, self.crop) = (context.schema, crop)
    guard context.wantsTokens, !schema.images.isEmpty else {
      instructionToken = nil
      layout = FeatureLayout(schema.imageKeys.map { (.image, $0, width) } + schema.lowDimensional)
      return
    }
    instructionToken = condition.map { Linear(inputs: $0, outputs: width, random: &random) }
    layout = FeatureLayout(
      (condition.map { [(.instruction, "instruction", $0)] } ?? []) + schema.lowDimensional,
      tokens: .init(width: width, dimensions: 2))
  }

  /// - Parameters:
  ///   - condition: the instructions' embeddings, `[batch, condition]`.
  ///   - trunk: a camera's `batch * time` frames and their conditions to `[batch * time, width]`, or, for tokens, to
  ///     `[batch * time, height, width, width]`.
  func callAsFunction(
    _ observations: ObservationBatch, condition: Tensor?,
    trunk: (_ camera: String, _ frames: CroppedFrames, _ condition: Tensor?) -> Tensor
  ) -> Features {
    let (batch, time) = (observations.count, observations.time)
    let conditions = condition.map { $0.unsqueezed(1).broadcast(to: [batch, time, $0.shape[1]]) }
    let repeated = conditions?.reshaped([batch * time, -1])
    let seen = schema.imageKeys.map { camera in
      trunk(camera, CroppedFrames(observations.images[camera]!, crop: crop), repeated)
    }
    let lowDimensional = schema.lowDimensional.map { observations.vectors[$0.key]! }
    guard let width = layout.tokens?.width else {
      return Features(pooled: .concatenated(seen.map { $0.reshaped([batch, time, -1]) } + lowDimensional, axis: 2))
    }
    var tokens = seen.map { $0.reshaped([batch, time, -1, width]) }
    var positions = seen.map { SpatialSoftmax.grid(height: $0.shape[1], width: $0.shape[2]) }
    if let instructionToken, let conditions {
      tokens.append(instructionToken(conditions).unsqueezed(2))
      positions.append(.zeros([1, 2]))
    }
    let places = Tensor.concatenated(positions, axis: 0)
    let pooled = (conditions.map { [$0] } ?? []) + lowDimensional
    return Features(
      pooled: pooled.isEmpty ? .zeros([batch, time, 0]) : .concatenated(pooled, axis: 2),
      tokens: .concatenated(tokens, axis: 2), positions: places.broadcast(to: [batch, time] + places.shape))
  }
}
