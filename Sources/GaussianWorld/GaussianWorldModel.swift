import Imitation
import Layers
import Tensors

/// A Gaussian World Model (Lu et al. 2025): images to Gaussians (lift), Gaussians to tokens (codec), and what comes next
/// (dynamics).
///
/// The codec says what dynamics works on: latent tokens (`vae`, the whole pipeline), Gaussians without the VAE, or pixels
/// without either; the last two are the paper's ablations (Table 4).
public struct GaussianWorldModel: WorldModel {
  public static let name = "gaussian-world"
  public static let help =
    "GWM: images to Gaussians, Gaussians to latent tokens, and a diffusion transformer over them."

  /// What a recipe may set.
  public struct Options: PluginOptions {
    @Key("The cameras' names; the first one's images are predicted.", name: "cameras")
    private var names: [String]
    @Key(
      "Vertical view angles where recordings do not say, degrees; one for all cameras or one for each.",
      name: "field_of_view")
    private var angles = ViewAngles.all(45)
    @Key("Whether the demonstrations hold depths and calibrations to learn from.") public var geometry = false
    @Key("The frame of the Gaussians: the first camera's, or the robot's base's, which needs calibrations.")
    public var frame = GaussianFrame.camera
    @Key("The key of the gripper's position in the base's frame: says where the scenes are and what matters in them.")
    public var gripper: String?
    @Key("How many times as much a pixel counts where the image changes, or near the gripper.", 1...1000)
    public var focus: Float = 1
    @Key("Whether what does not change is drawn as it was last seen: predictions add only what changed to it.")
    public var residual = false
    @Key("How images become Gaussians.", PluginKind.lift) public var lift = Choice(kind: Splatter.name)
    @Key("What dynamics works on.", PluginKind.codec) public var codec = Choice(kind: GaussianVAE.name)
    @Key("What comes next.") public var dynamics = LatentDynamics.Options()

    public init() {}

    /// The cameras' names, without `_image`.
    public var cameras: [String] {
      get { names.map { CameraKeys($0).name } }
      set { names = newValue }
    }

    /// The vertical view angle of each camera, degrees.
    public var fieldsOfView: [Float] {
      get { angles.each(of: names.count) }
      set { angles = .each(newValue) }
    }

    public func validate() throws {
      try $names.refuse(
        unless: !cameras.isEmpty && Set(cameras).count == cameras.count, "names no camera, or one twice")
      try $angles.refuse(
        unless: fieldsOfView.allSatisfy { $0 > 1 && $0 < 179 }, "must be between 1 and 179 degrees")
      try $angles.refuse(
        unless: fieldsOfView.count == cameras.count, "must be one number, or one for each camera")
      try $gripper.refuse(unless: gripper == nil || frame == .base, "needs frame: base")
    }
  }

  /// One angle for all cameras, or one for each.
  private enum ViewAngles: SettingValue {
    case all(Float)
    case each([Float])

    static var settingType: String { "a number, or a list of them" }

    init(_ setting: Setting, path: String) throws {
      if case .list = setting.value {
        self = .each(try [Float](setting, path: path))
      } else {
        self = .all(try Float(setting, path: path))
      }
    }

    var setting: Setting {
      switch self {
      case .all(let angle): angle.setting
      case .each(let angles): angles.setting
      }
    }

    func each(of count: Int) -> [Float] {
      switch self {
      case .all(let angle): Array(repeating: angle, count: count)
      case .each(let angles): angles
      }
    }
  }

  public let options: Options
  public let blueprint: WorldBlueprint
  /// Nil where the codec does without.
  public let lift: (any GaussianLift)?
  /// Gaussians or images to tokens, and back.
  public let codec: any StateCodec
  /// What comes next.
  public let dynamics: LatentDynamics
  /// What standardizes the states' numbers, their changes and the actions; found after a stage.
  let stateOffset, stateScale, changeScale, actionOffset, actionScale: Buffer
  /// The first camera's calibration as the demonstrations have it, where Gaussians are in the base's frame.
  let camera: Buffer?

  public init(
    options: Options, blueprint: WorldBlueprint, parts: any PartFactory, random: inout Random
  ) throws {
    self.options = options
    self.blueprint = blueprint
    lift =
      try parts.traits(ofCodec: options.codec, path: "world.codec").usesLift
      ? parts.makeLift(options.lift, context: blueprint.context, path: "world.lift", random: &random) : nil
    codec = try parts.makeCodec(
      options.codec, context: blueprint.context, path: "world.codec", random: &random)
    guard !codec.followsGripper || blueprint.gripper != nil else {
      throw SettingError.invalid(
        path: "world.codec.around_gripper", line: 0,
        reason: "needs world.gripper, the key of the gripper's position in the base's frame")
    }
    guard !options.dynamics.tokenEmbedding || !codec.usesReference || codec.followsGripper else {
      throw SettingError.invalid(
        path: "world.dynamics.token_embedding", line: 0,
        reason:
          "needs tokens that always stand for the same place; with the codec '\(options.codec.kind)' that is anchors: fixed"
      )
    }
    dynamics = LatentDynamics(
      options: options.dynamics, tokens: codec.tokenCount, numbers: codec.tokenWidth,
      actionWidth: blueprint.actionWidth, random: &random)
    func fixed(_ value: Float, _ count: Int) -> Buffer { Buffer(.filled([count], with: value)) }
    stateOffset = fixed(0, codec.tokenWidth)
    stateScale = fixed(1, codec.tokenWidth)
    changeScale = fixed(1, codec.tokenWidth)
    actionOffset = fixed(0, blueprint.actionWidth)
    actionScale = fixed(1, blueprint.actionWidth)
    camera =
      options.frame == .base
      ? Buffer(Tensor(blueprint.context.calibration(of: 0).numbers, shape: [CameraCalibration.width])) : nil
  }

  public static func inputs(_ options: Options, parts: any PartFactory) throws -> WorldInputs {
    let usesLift = try parts.traits(ofCodec: options.codec, path: "world.codec").usesLift
    let needsDepth = try usesLift && parts.needsDepth(options.lift, path: "world.lift")
    let depths = options.geometry || needsDepth
    return WorldInputs(
      cameras: options.cameras, fieldsOfView: options.fieldsOfView, depths: depths,
      calibrations: depths || options.frame == .base, frame: options.frame, gripper: options.gripper)
  }

  public var context: Int { LatentDynamics.context }
  public var needsDepth: Bool { lift.map { type(of: $0).needsDepth } ?? false }
  public var needsCalibrations: Bool { needsDepth || (lift != nil && options.frame == .base) }
  public var neededGripper: String? { codec.followsGripper ? blueprint.gripper : nil }

  // MARK: From images to states

  /// What the lift makes of views, in the model's frame; nil without a lift.
  public func lifted(_ views: CameraViews) -> Gaussians? {
    guard let lift else { return nil }
    guard options.frame == .base else {
      // Where policies do without calibrations, so does training.
      return lift(
        needsDepth ? views : CameraViews(size: views.size, images: views.images, depths: views.depths))
    }
    let first = views.calibrations![0]
    return RigidMotion(first, to: first.map { _ in .base })(lift(views))
  }

  /// What is kept of frames between stages, see `StateCodec.encoding`.
  public func encoding(_ views: CameraViews) -> Tensor { codec.encoding(views, lifted: lifted(views)) }

  /// Tokens as dynamics sees them, `[batch, tokens, numbers]`, of standard deviation EDM's.
  ///
  /// - Parameter reference: the encodings of the frames whose anchors count.
  public func state(_ encoding: Tensor, reference: Tensor) -> Tensor {
    even(state: codec.encode(encoding, reference: reference))
  }

  /// Makes tokens of the codec even, as dynamics sees them.
  public func even(state raw: Tensor) -> Tensor { (raw - stateOffset.value) / stateScale.value }

  func raw(_ state: Tensor) -> Tensor { state * stateScale.value + stateOffset.value }

  public func observe(_ views: CameraViews) -> WorldState {
    observe(views, windows: (0..<views.batch / context).map { Array($0 * context..<($0 + 1) * context) })
  }

  /// The oldest frame gives the anchors; those that go with the gripper are where it is now.
  public var referenceFrame: Int { codec.followsGripper ? context - 1 : 0 }

  public func observe(_ views: CameraViews, windows: [[Int]], references: [Int]) -> WorldState {
    let lifted = lifted(views)
    let encodings = codec.encoding(views, lifted: lifted)
    let reference = encodings.gathered(references)
    let states: [Tensor]
    if codec.usesReference {
      states = (0..<context).map { past in
        state(encodings.gathered(windows.map { $0[past] }), reference: reference)
      }
    } else {
      // Frames of several windows are encoded once.
      let all = state(encodings, reference: encodings)
      states = (0..<context).map { past in all.gathered(windows.map { $0[past] }) }
    }
    var seen: WorldState.Seen?
    if options.residual, let lifted {
      let present = windows.map { $0[context - 1] }
      let own = views.views(from: 0, in: blueprint.context.frame)
      seen = .init(
        lifted: Gaussians(lifted.values.gathered(present)), image: views.images[0].gathered(present),
        views: present.map { own?[$0] ?? ownView }, tokens: states[context - 1])
    }
    return WorldState(
      history: .stacked(states, axis: 1), positions: codec.positions(reference: reference), seen: seen)
  }

  public func gaussians(_ state: WorldState) -> Gaussians? {
    codec.gaussians(raw(state.tokens), positions: state.positions)
  }

  public func decode(_ state: WorldState, from views: [SplattingView]?) -> Tensor {
    guard let set = gaussians(state) else { return codec.image(raw(state.tokens))!.clamped(to: 0...1) }
    let views = views ?? Array(repeating: ownView, count: set.batch)
    func drawn(_ set: Gaussians) -> Tensor { set.rendered(from: views).sliced(axis: 3, 0..<3) }
    guard let seen = state.seen, let before = codec.gaussians(raw(seen.tokens), positions: state.positions)
    else {
      return drawn(set).clamped(to: 0...1)
    }
    // A camera that still stands there has its own image of what does not change, no need to draw it.
    let still = zip(views, seen.views).map { $0.isNear($1) }
    var base = seen.image
    if still.contains(false) {
      let keep = Tensor(still.map { $0 ? 1 : 0 }, shape: [still.count, 1, 1, 1])
      base = still.contains(true) ? base * keep + drawn(seen.lifted) * (1 - keep) : drawn(seen.lifted)
    }
    return (base + drawn(set) - drawn(before)).clamped(to: 0...1)
  }

  /// The first camera's own view.
  private var ownView: SplattingView {
    let context = blueprint.context
    return camera.map { CameraCalibration($0.value.scalars).view(context.size, from: .base) } ?? context.view
  }

  // MARK: Dynamics

  private func standardized(actions: Tensor) -> Tensor { (actions - actionOffset.value) / actionScale.value }

  /// See `LatentDynamics.loss`; actions in recorded units.
  public func dynamicsLoss(states: Tensor, actions: Tensor, rewards: Tensor, random: inout Random) -> PolicyLoss {
    dynamics.loss(
      states: states, actions: standardized(actions: actions), rewards: rewards, scale: changeScale.value,
      random: &random)
  }

  public func imagine(_ state: WorldState, actions: Tensor?, random: inout Random) -> WorldTransition {
    let outcome = dynamics.next(
      history: state.history, actions: actions.map { standardized(actions: $0) }, scale: changeScale.value,
      random: &random)
    return WorldTransition(state: state.followed(by: outcome.state), reward: outcome.reward)
  }

  public var tokenCount: Int { codec.tokenCount }
  public var tokenWidth: Int { codec.tokenWidth }
  public var hiddenLayers: Int { options.dynamics.layers }
  public var hiddenWidth: Int { options.dynamics.width }

  public func hidden(_ state: WorldState) -> [Tensor] { dynamics.firstStepLayers(history: state.history) }

  // MARK: Training

  /// The stages of its training.
  enum Stage: String, CaseIterable { case lift, codec, dynamics }

  public static func stages(_ options: Options) -> [String] { Stage.allCases.map(\.rawValue) }

  public func module(of stage: String) -> (any Module)? {
    switch Stage(rawValue: stage) {
    case .lift: lift
    case .codec: type(of: codec).isTrained ? codec : nil
    case .dynamics: DynamicsObjective.saved(of: self)
    case nil: nil
    }
  }

  public func isTrained(_ stage: String, _ data: WorldFrames) throws -> Bool {
    switch Stage(rawValue: stage) {
    case .lift: try lift.map { try LiftObjective($0, data, batch: 1).isTrained } ?? false
    case .codec: type(of: codec).isTrained
    default: true
    }
  }

  public func objective(
    of stage: String, _ data: WorldFrames, batch: Int, seed: UInt64, _ precomputation: Precomputation
  ) throws -> (any Objective)? {
    switch Stage(rawValue: stage) {
    case .lift: return lift.map { LiftObjective($0, data, batch: batch) }
    case .codec:
      guard type(of: codec).isTrained else { return nil }
      return try CodecObjective(self, data, LiftedFrames(data, self, precomputation), batch: batch)
    default:
      return try DynamicsObjective(
        self, data, LiftedFrames(data, self, precomputation), batch: batch, seed: seed, precomputation)
    }
  }
}

extension SplattingView {
  /// Whether two cameras stand at one place and look the same way.
  fileprivate func isNear(_ other: SplattingView) -> Bool {
    func distance(_ a: SIMD3<Float>, _ b: SIMD3<Float>) -> Float { ((a - b) * (a - b)).sum().squareRoot() }
    return width == other.width && height == other.height && focal == other.focal && center == other.center
      && distance(translation, other.translation) < 1e-4
      && zip(rotation, other.rotation).allSatisfy { distance($0, $1) < 1e-4 }
  }
}
