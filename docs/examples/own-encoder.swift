import Commands
import ImitationKit

/// The mean colour of each camera: three numbers an image, then a linear layer. Hardly sees, but shows every part.
struct MeanColour: ObservationEncoder {
  struct Options: Codable, Sendable {
    /// The width of the feature row.
    var width: Int = 16

    enum CodingKeys: String, CodingKey { case width }

    init(from decoder: any Decoder) throws {
      let keys = try decoder.container(keyedBy: CodingKeys.self)
      width = try keys.decodeIfPresent(Int.self, forKey: .width) ?? 16
      guard width > 0 else {
        throw DecodingError.dataCorruptedError(forKey: .width, in: keys, debugDescription: "must be 1 or more")
      }
    }
  }

  static let name = "mean-colour"

  let schema: ObservationSchema
  let projection: Linear
  let featureCount: Int

  init(options: Options, context: EncoderContext, random: inout Random) throws {
    schema = context.schema
    featureCount = options.width
    projection = Linear(
      inputs: 3 * schema.images.count + schema.vectorWidth, outputs: options.width, random: &random)
  }

  func callAsFunction(_ observations: ObservationBatch) -> Tensor {
    var parts: [Tensor] = []
    for key in schema.imageKeys {
      let camera = observations.images[key]!
      let size = (height: camera.size.height, width: camera.size.width)
      let frames = camera.batch * camera.time
      let pixels = Tensor.images(
        camera.pixels, count: frames, height: size.height, width: size.width, crop: size,
        offsets: Array(repeating: (y: 0, x: 0), count: frames))
      parts.append(pixels.mean(axes: [1, 2]).reshaped([camera.batch, camera.time, 3]))
    }
    for key in schema.vectorKeys { parts.append(observations.vectors[key]!) }
    return projection(Tensor.concatenated(parts, axis: -1))
  }
}

// `imitate` with one more encoder: every verb takes recipes with `encoder: {kind: mean-colour}`.
ImitateCommand.main(catalog: .standard.adding(MeanColour.self))
