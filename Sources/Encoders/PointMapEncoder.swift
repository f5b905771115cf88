import Imitation
import Layers
import Tensors

/// Where each pixel of a camera is, in the robot's base frame, through an image encoder's trunk: PointMapPolicy's encoder
/// (arXiv 2510.20406), with colors left out, joined early or joined late.
///
/// A map has four channels: a place in the workspace box, and 1; four zeros where the depth is unknown or the place outside.
public struct PointMapEncoder: InstructedEncoder {
  /// Whose layers the maps go through.
  public enum Trunk: String, CaseIterable, SettingValue {
    /// Those of an image encoder.
    case small, resnet18
  }

  /// How colors come in.
  public enum Color: String, CaseIterable, SettingValue {
    /// Not at all.
    case none
    /// As three more channels of the map.
    case early
    /// Through a trunk of their own, whose features stand behind the map's.
    case late
  }

  public struct Options: PluginOptions {
    @Key("Side of the square cut out of each map and its colors, in pixels; the whole frame when left out.", 1...8192)
    public var crop: Int?
    @Key(
      "The box that counts, meters in the robot's base frame: x, y and z of one corner, then of the other; everything when left out.",
      KeyRule<[Float]>.box)
    public var workspace: [Float]?
    @Key(
      "The key of the gripper's position in the base's frame: places are then seen from it, and the box is around it.")
    public var gripper: String?
    @Key("The layers that maps go through: those of the encoder of that name.") public var trunk = Trunk.small
    @Key("Colors: none, early (more channels of the map) or late (a trunk of their own, which doubles the features).")
    public var color = Color.none
    @Key("Channels after the stem of small; twice as many later.", .multiple(of: 16, upTo: 512)) public var channels =
      32
    @Key("Normalization of resnet18: batch as RoboCasa, group when weights are averaged.") public var norm = TrunkNorm
      .batch
    @Key("Keypoints of the spatial softmax.", 1...8192) public var keypoints = 32
    @Key("Features of a camera's trunk.", 1...8192) public var features = 64
    @Key("How instructions, which modulate the trunks, are encoded.", PluginKind.textEncoder)
    public var instruction = Choice(kind: WordEncoder.name)

    public init() {}

    fileprivate func makeTrunk(
      inputs: Int, condition: Int?, tokens: Bool, random: inout Random
    ) -> any CameraTrunk {
      switch trunk {
      case .small:
        let options = SmallEncoder.Options {
          ($0.channels, $0.keypoints, $0.features) = (channels, keypoints, features)
        }
        return SmallEncoder.Camera(options, inputs: inputs, condition: condition, tokens: tokens, random: &random)
      case .resnet18:
        let options = ResNet18Encoder.Options {
          ($0.norm, $0.keypoints, $0.features) = (norm, keypoints, features)
        }
        return ResNet18Encoder.Camera(options, inputs: inputs, condition: condition, tokens: tokens, random: &random)
      }
    }
  }

  public static let name = "point-map"
  public static let help =
    "The position of each pixel in the robot's base frame through an image encoder's trunk, with or without colors."

  /// What one camera goes through.
  struct Camera: Module {
    let map: any CameraTrunk
    /// Of the colors; nil unless they are joined late.
    let colors: (any CameraTrunk)?
  }

  let instruction: any TextEncoder
  let cameras: [String: Camera]
  let row: CameraFeatures
  private let color: Color
  private let workspace: Workspace

  public init(options: Options, context: EncoderContext, random: inout Random) throws {
    let keys = try context.schema.camerasWithGeometry(for: PointMapEncoder.name, gripper: options.gripper)
    instruction = try context.parts.makeTextEncoder(
      options.instruction, context: context, path: context.path + ".instruction", random: &random)
    let (condition, color) = (instruction.width, options.color)
    row = try CameraFeatures(
      context, crop: options.crop, width: (color == .late ? 2 : 1) * options.features, condition: condition,
      random: &random)
    let tokens = row.layout.tokens != nil
    var cameras: [String: Camera] = [:]
    for key in keys {
      func trunk(_ inputs: Int) -> any CameraTrunk {
        options.makeTrunk(inputs: inputs, condition: condition, tokens: tokens, random: &random)
      }
      cameras[key.image] = Camera(map: trunk(color == .early ? 7 : 4), colors: color == .late ? trunk(3) : nil)
    }
    self.cameras = cameras
    self.color = color
    workspace = Workspace(options.workspace, gripper: options.gripper)
  }

  public var layout: FeatureLayout { row.layout }

  public func check(_ observations: ObservationBatch) throws {
    try workspace.check(observations, encoder: PointMapEncoder.name)
  }

  public func callAsFunction(_ observations: ObservationBatch) -> Features {
    row(observations, condition: instruction(observations.instructions)) { key, frames, condition in
      let camera = cameras[key]!
      var map = frames.squares(of: workspace.places(CameraKeys(key), observations))
      if color == .early { map = .concatenated([map, frames.colors - 0.5], axis: 3) }
      let features = camera.map(map, condition: condition)
      guard let colors = camera.colors else { return features }
      return .concatenated([features, colors(frames.colors - 0.5, condition: condition)], axis: features.rank - 1)
    }
  }
}
