import Imitation
import Layers
import Tensors

/// RoboCasa's image encoder: one ResNet-18 a camera from scratch, modulated by the instruction after each of its eight
/// blocks, spatial softmax over 32 keypoints, 64 numbers (robomimic, `VisualCore`).
public struct ResNet18Encoder: ObservationEncoder {
  public struct Options: Codable, Sendable {
    /// The square cut out of each frame, in pixels; the whole frame when left out.
    public var crop: Int?
    /// `batch` as RoboCasa, `group` when weights are averaged.
    public var norm: TrunkNorm
    public var keypoints: Int
    /// Numbers a camera.
    public var features: Int
    /// Rectify each camera's numbers, as Diffusion Policy's encoder does.
    public var relu: Bool
    public var pixels: PixelRange
    public var instruction: InstructionOptions

    enum CodingKeys: String, CodingKey, CaseIterable { case crop, norm, keypoints, features, relu, pixels, instruction }

    public init(from decoder: any Decoder) throws {
      let keys = try decoder.container(keyedBy: CodingKeys.self)
      crop = try keys.decodeIfPresent(Int.self, forKey: .crop)
      norm = try keys.decodeIfPresent(TrunkNorm.self, forKey: .norm) ?? .batch
      keypoints = try keys.decodeIfPresent(Int.self, forKey: .keypoints) ?? 32
      features = try keys.decodeIfPresent(Int.self, forKey: .features) ?? 64
      relu = try keys.decodeIfPresent(Bool.self, forKey: .relu) ?? false
      pixels = try keys.decodeIfPresent(PixelRange.self, forKey: .pixels) ?? .unit
      instruction = try keys.decodeIfPresent(InstructionOptions.self, forKey: .instruction) ?? .words(width: 64)
      for (key, value) in [(CodingKeys.crop, crop ?? 1), (.keypoints, keypoints), (.features, features)]
      where !(1...8192).contains(value) {
        throw DecodingError.dataCorruptedError(forKey: key, in: keys, debugDescription: "must be from 1 to 8192")
      }
    }
  }

  public static let name = "resnet18"

  /// What one camera goes through.
  struct Camera: Module {
    let trunk: ResNet18
    /// Nil where each place of the map is a token.
    let keypoints: SpatialSoftmax?
    let projection: Linear
  }

  let instruction: InstructionEmbedding
  let cameras: [String: Camera]
  let row: CameraFeatures
  private let options: Options

  public init(options: Options, context: EncoderContext, random: inout Random) throws {
    instruction = try InstructionEmbedding(options.instruction, context: context, random: &random)
    row = try CameraFeatures(
      context, crop: options.crop, width: options.features, condition: instruction.width, random: &random)
    let givesTokens = row.layout.tokens != nil
    var cameras: [String: Camera] = [:]
    for key in context.schema.imageKeys {
      cameras[key] = Camera(
        trunk: ResNet18(norm: options.norm, condition: instruction.width, random: &random),
        keypoints: givesTokens
          ? nil : SpatialSoftmax(channels: ResNet18.channels, keypoints: options.keypoints, random: &random),
        projection: Linear(
          inputs: givesTokens ? ResNet18.channels : 2 * options.keypoints, outputs: options.features,
          random: &random))
    }
    self.cameras = cameras
    self.options = options
  }

  public var layout: FeatureLayout { row.layout }

  public var attachments: [String: String] { instruction.attachments }
  public var attachedTensors: [String: Tensor] { instruction.attachedTensors }

  public func check(instruction text: String) throws { try instruction.check(text) }

  public func callAsFunction(_ observations: ObservationBatch) -> Features {
    row(observations, condition: instruction(observations.instructions)) { key, frames, condition in
      let camera = cameras[key]!
      let map = camera.trunk(options.pixels(frames), condition: condition)
      let features = camera.projection(camera.keypoints?(map) ?? map)
      return options.relu ? features.relu() : features
    }
  }
}
