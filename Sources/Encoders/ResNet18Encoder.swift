import Imitation
import Layers
import Tensors

/// RoboCasa's image encoder: one ResNet-18 a camera from scratch, modulated by the instruction after each of its eight
/// blocks, spatial softmax over 32 keypoints, 64 numbers (robomimic, `VisualCore`).
public struct ResNet18Encoder: ObservationEncoder {
  public struct Options: PluginOptions {
    @Key("Side of the square cut out of each frame, in pixels; the whole frame when left out.", 1...8192)
    public var crop: Int?
    @Key("Normalization of the trunk: batch as RoboCasa, group when weights are averaged.") public var norm = TrunkNorm
      .batch
    @Key("Keypoints of the spatial softmax.", 1...8192) public var keypoints = 32
    @Key("Features of a camera.", 1...8192) public var features = 64
    @Key("Rectify each camera's features, as Diffusion Policy's encoder does.") public var relu = false
    @Key("The range that the trunk sees pixels in: unit is 0...1, signed -1...1.") public var pixels = PixelRange.unit
    @Key("How instructions, which modulate the trunk, are encoded.", PluginKind.textEncoder)
    public var instruction = Choice(kind: WordEncoder.name)

    public init() {}
  }

  public static let name = "resnet18"
  public static let help = "RoboCasa's: a ResNet-18 for each camera, modulated by the instruction, spatial softmax."

  /// What one camera goes through.
  struct Camera: Module {
    let trunk: ResNet18
    /// Nil where each place of the map is a token.
    let keypoints: SpatialSoftmax?
    let projection: Linear
  }

  let instruction: any TextEncoder
  let cameras: [String: Camera]
  let row: CameraFeatures
  private let options: Options

  public init(options: Options, context: EncoderContext, random: inout Random) throws {
    instruction = try context.parts.makeTextEncoder(
      options.instruction, context: context, path: context.path + ".instruction", random: &random)
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

extension TrunkNorm: SettingValue {}
