import Imitation
import Layers
import Tensors

/// The point encoder of 3D Diffusion Policy (Ze et al. 2024): points of all cameras in the robot's base frame, cut to the
/// workspace, the farthest from each other, each through one MLP, max-pooled.
///
/// No batch normalization and no T-Net, as there. The instruction modulates the layers, which is our
/// addition; `instruction: {kind: none}` is the original.
public struct PointsEncoder: InstructedEncoder {
  public struct Options: PluginOptions {
    @Key(
      "The box that counts, meters in the robot's base frame: x, y and z of one corner, then of the other; everything when left out.",
      KeyRule<[Float]>.box)
    public var workspace: [Float]?
    @Key(
      "The key of the gripper's position in the base's frame: places are then seen from it, and the box is around it.")
    public var gripper: String?
    @Key("Points, the farthest from each other.", 1...65_536) public var count = 512
    @Key("Whether points have colors.") public var color = false
    @Key("Width of the feature.", 1...8192) public var features = 64
    @Key("How instructions, which modulate the layers, are encoded.", PluginKind.textEncoder)
    public var instruction = Choice(kind: WordEncoder.name)

    public init() {}
  }

  public static let name = "points"
  public static let help =
    "3D Diffusion Policy's: the farthest points in the robot's base frame through an MLP each, max-pooled."

  /// A layer, normalized, modulated and rectified.
  struct Level: Module {
    let linear: Linear
    let norm: LayerNorm
    let film: FiLM?  // terms: ok, FiLM

    init(inputs: Int, outputs: Int, condition: Int?, random: inout Random) {
      linear = Linear(inputs: inputs, outputs: outputs, random: &random)
      norm = LayerNorm(outputs)
      film = condition.map { FiLM(condition: $0, channels: outputs, random: &random) }  // terms: ok, FiLM
    }

    func callAsFunction(_ points: Tensor, condition: Tensor?) -> Tensor {
      let x = norm(linear(points))
      guard let film, let condition else { return x.relu() }  // terms: ok, FiLM
      return film(x.unsqueezed(1), condition: condition).squeezed(1)  // terms: ok, FiLM
    }
  }

  let instruction: any TextEncoder
  let levels: [Level]
  let projection: Linear
  let norm: LayerNorm
  public let layout: FeatureLayout
  private let schema: ObservationSchema
  private let cameras: [CameraKeys]
  private let workspace: Workspace
  private let options: Options

  public init(options: Options, context: EncoderContext, random: inout Random) throws {
    (self.options, schema) = (options, context.schema)
    cameras = try schema.camerasWithGeometry(for: PointsEncoder.name, gripper: options.gripper)
    workspace = Workspace(options.workspace, gripper: options.gripper)
    instruction = try context.parts.makeTextEncoder(
      options.instruction, context: context, path: context.path + ".instruction", random: &random)
    var levels: [Level] = []
    var inputs = options.color ? 6 : 3
    for outputs in [64, 128, 256] {
      levels.append(Level(inputs: inputs, outputs: outputs, condition: instruction.width, random: &random))
      inputs = outputs
    }
    self.levels = levels
    projection = Linear(inputs: inputs, outputs: options.features, random: &random)
    norm = LayerNorm(options.features)
    layout = FeatureLayout([(.image, "points", options.features)] + schema.lowDimensional)
  }

  public func check(_ observations: ObservationBatch) throws {
    try workspace.check(observations, encoder: PointsEncoder.name)
  }

  public func callAsFunction(_ observations: ObservationBatch) -> Features {
    let (batch, time) = (observations.count, observations.time)
    let condition = instruction(observations.instructions)
      .map { $0.unsqueezed(1).broadcast(to: [batch, time, $0.shape[1]]).reshaped([batch * time, -1]) }
    let features = levels.reduce(points(observations)) { $1($0, condition: condition) }.maximum(axis: 1)
    return Features(
      pooled: .concatenated(
        [norm(projection(features)).reshaped([batch, time, -1])]
          + schema.lowDimensional.map { observations.vectors[$0.key]! }, axis: 2))
  }

  /// The points of each frame: `[frames, points, 3]`, or 6 with colors; `count` of them, or as many as there are pixels. Where
  /// fewer lie in the workspace they repeat, and where none does there is one in its middle: the maximum is of what is there.
  package func points(_ observations: ObservationBatch) -> Tensor {
    let all = Tensor.concatenated(
      cameras.map { camera in
        let places = workspace.places(camera, observations)
        guard options.color else { return places }
        let colors = CroppedFrames(observations.images[camera.image]!, crop: nil).colors.reshaped(
          places.shape.dropLast() + [3])
        return .concatenated([places, (colors - 0.5) * places.sliced(axis: 2, 3..<4)], axis: 2)
      }, axis: 1)
    // What lies outside moves to the first point inside: it is as near as can be to what is chosen first, and so never farthest.
    let inside = all.sliced(axis: 2, 3..<4)
    let first = all.rows(atLargest: inside.squeezed(2))
    let points = all + (1 - inside) * first.unsqueezed(1)
    let places = points.sliced(axis: 2, 0..<3)
    let seen = options.color ? points.gathered([0, 1, 2, 4, 5, 6], axis: 2) : places
    let chosen = places.farthestPoints(min(options.count, places.shape[1]))
    return seen.gathered(perItem: chosen)
  }
}
