import Imitation
import Layers
import Tensors

/// An image encoder for laptops: a patch stem, three convolutions modulated by the instruction, and spatial softmax.
///
/// 84-pixel frames cropped to 76 cost 23 million operations each: stem 361·192·32·2 = 4.4, then at 10x10 100·288·64·2 =
/// 3.7 and two times 100·576·64·2 = 7.4 million. A ResNet-18 takes 25 times as many.
public struct SmallEncoder: InstructedEncoder {
  public struct Options: PluginOptions {
    @Key("Side of the square cut out of each frame, in pixels; the whole frame when left out.", 1...8192)
    public var crop: Int?
    @Key("Channels after the stem; twice as many later.", .multiple(of: 16, upTo: 512)) public var channels = 32
    @Key("Pixels from one place of the map to the next; 4 takes 3.4 times the operations.", .multiple(of: 4, upTo: 8))
    public var downsample = 8
    @Key("Keypoints of the spatial softmax.", 1...8192) public var keypoints = 32
    @Key("Features of a camera.", 1...8192) public var features = 64
    @Key("How instructions, which modulate the trunk, are encoded.", PluginKind.textEncoder)
    public var instruction = Choice(kind: WordEncoder.name)

    public init() {}
  }

  public static let name = "small"
  public static let help =
    "For laptops: a patch stem, three convolutions modulated by the instruction, spatial softmax."

  /// A 3x3 convolution, normalized, modulated and rectified.
  struct Stage: Module {
    let convolution: Conv2d
    let norm: GroupNorm
    let film: FiLM?  // terms: ok, FiLM

    init(inputs: Int, outputs: Int, stride: Int, condition: Int?, random: inout Random) {
      convolution = Conv2d(
        inputs: inputs, outputs: outputs, kernel: 3, stride: stride, padding: 1, bias: false,
        initialization: .kaimingFanOut, random: &random)
      norm = GroupNorm(groups: outputs / 16, channels: outputs)
      film = condition.map { FiLM(condition: $0, channels: outputs, random: &random) }  // terms: ok, FiLM
    }

    func callAsFunction(_ input: Tensor, condition: Tensor?) -> Tensor {
      guard let film, let condition else { return norm(convolution(input), finish: .relu) }  // terms: ok, FiLM
      return film(norm(convolution(input)), condition: condition)  // terms: ok, FiLM
    }
  }

  /// What one camera goes through.
  struct Camera: CameraTrunk {
    let stem: Conv2d
    let stemNorm: GroupNorm
    let stages: [Stage]
    /// Nil where each place of the map is a token.
    let keypoints: SpatialSoftmax?
    let projection: Linear

    /// - Parameter inputs: channels of the frames.
    init(_ options: Options, inputs: Int = 3, condition: Int?, tokens: Bool, random: inout Random) {
      let (narrow, wide) = (options.channels, 2 * options.channels)
      stem = Conv2d(
        inputs: inputs, outputs: narrow, kernel: 8, stride: 4, padding: 2, bias: false, initialization: .kaimingFanOut,
        random: &random)
      stemNorm = GroupNorm(groups: narrow / 16, channels: narrow)
      stages = [
        Stage(inputs: narrow, outputs: wide, stride: options.downsample / 4, condition: condition, random: &random),
        Stage(inputs: wide, outputs: wide, stride: 1, condition: condition, random: &random),
        Stage(inputs: wide, outputs: wide, stride: 1, condition: condition, random: &random),
      ]
      keypoints = tokens ? nil : SpatialSoftmax(channels: wide, keypoints: options.keypoints, random: &random)
      projection = Linear(
        inputs: tokens ? wide : 2 * options.keypoints + wide, outputs: options.features, random: &random)
    }

    func callAsFunction(_ frames: Tensor, condition: Tensor?) -> Tensor {
      var x = stages[0](stemNorm(stem(frames), finish: .relu), condition: condition)
      for stage in stages.dropFirst() { x = x + stage(x, condition: condition) }
      guard let keypoints else { return projection(x) }
      // Where things are, and what there is at all.
      return projection(Tensor.concatenated([keypoints(x), x.mean(axes: [1, 2])], axis: 1))
    }
  }

  let instruction: any TextEncoder
  let cameras: [String: Camera]
  let row: CameraFeatures

  public init(options: Options, context: EncoderContext, random: inout Random) throws {
    instruction = try context.parts.makeTextEncoder(
      options.instruction, context: context, path: context.path + ".instruction", random: &random)
    row = try CameraFeatures(
      context, crop: options.crop, width: options.features, condition: instruction.width, random: &random)
    let givesTokens = row.layout.tokens != nil
    var cameras: [String: Camera] = [:]
    for key in context.schema.imageKeys {
      cameras[key] = Camera(
        options, condition: instruction.width, tokens: givesTokens, random: &random)
    }
    self.cameras = cameras
  }

  public var layout: FeatureLayout { row.layout }

  public func callAsFunction(_ observations: ObservationBatch) -> Features {
    row(observations, condition: instruction(observations.instructions)) { key, frames, condition in
      cameras[key]!(frames.colors - 0.5, condition: condition)
    }
  }
}
