import Imitation
import Layers
import Tensors

/// RoboCasa's image encoder: one ResNet-18 a camera from scratch, modulated by the instruction after each of its eight
/// blocks, spatial softmax over 32 keypoints, 64 numbers (robomimic, `VisualCore`).
public struct ResNet18Encoder: InstructedEncoder {
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
  struct Camera: CameraTrunk {
    let trunk: ResNet18
    /// Nil where each place of the map is a token.
    let keypoints: SpatialSoftmax?
    let projection: Linear
    private let relu: Bool

    /// - Parameter inputs: channels of the frames.
    init(_ options: Options, inputs: Int = 3, condition: Int?, tokens: Bool, random: inout Random) {
      trunk = ResNet18(inputs: inputs, norm: options.norm, condition: condition, random: &random)
      keypoints =
        tokens ? nil : SpatialSoftmax(channels: ResNet18.channels, keypoints: options.keypoints, random: &random)
      projection = Linear(
        inputs: tokens ? ResNet18.channels : 2 * options.keypoints, outputs: options.features, random: &random)
      relu = options.relu
    }

    func callAsFunction(_ frames: Tensor, condition: Tensor?) -> Tensor {
      let map = trunk(frames, condition: condition)
      let features = projection(keypoints?(map) ?? map)
      return relu ? features.relu() : features
    }
  }

  let instruction: any TextEncoder
  let cameras: [String: Camera]
  let row: CameraFeatures
  private let pixels: PixelRange

  public init(options: Options, context: EncoderContext, random: inout Random) throws {
    instruction = try context.parts.makeTextEncoder(
      options.instruction, context: context, path: context.path + ".instruction", random: &random)
    row = try CameraFeatures(
      context, crop: options.crop, width: options.features, condition: instruction.width, random: &random)
    let givesTokens = row.layout.tokens != nil
    var cameras: [String: Camera] = [:]
    for key in context.schema.imageKeys {
      cameras[key] = Camera(options, condition: instruction.width, tokens: givesTokens, random: &random)
    }
    self.cameras = cameras
    pixels = options.pixels
  }

  public var layout: FeatureLayout { row.layout }

  public func callAsFunction(_ observations: ObservationBatch) -> Features {
    row(observations, condition: instruction(observations.instructions)) { key, frames, condition in
      cameras[key]!(pixels(frames.colors), condition: condition)
    }
  }
}

extension TrunkNorm: SettingValue {}
