import Commands
import ImitationKit

/// The vectors, then the mean color of each camera through a linear layer. Hardly sees, but shows every part.
struct MeanColor: ObservationEncoder {
  struct Options: PluginOptions {
    @Key("Width of a camera's features.", 1...) var width = 16
  }

  static let name = "mean-color"
  static let help = "The mean color of each camera, and a linear layer."

  let schema: ObservationSchema
  let projection: Linear
  let layout: FeatureLayout

  init(options: Options, context: EncoderContext, random: inout Random) throws {
    schema = context.schema
    let width = options.width
    projection = Linear(inputs: 3, outputs: width, random: &random)
    layout = FeatureLayout(schema.lowDimensional + schema.imageKeys.map { (.image, $0, width) })
  }

  func callAsFunction(_ observations: ObservationBatch) -> Features {
    // In the order that the layout tells.
    var parts = schema.lowDimensional.map { observations.vectors[$0.key]! }
    for key in schema.imageKeys {
      let camera = observations.images[key]!
      parts.append(
        projection(Tensor.images(camera.frames).mean(axes: [1, 2])).reshaped([camera.batch, camera.time, -1]))
    }
    return Features(pooled: .concatenated(parts, axis: -1))
  }
}

// `imitate` with one more encoder: every verb takes recipes with `encoder: {kind: mean-color}`.
ImitateCommand.main(catalog: .standard.adding(MeanColor.self))
