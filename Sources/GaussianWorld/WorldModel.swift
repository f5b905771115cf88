import Foundation
import Imitation
import Layers
import Tensors

/// A Gaussian World Model: images to Gaussians (lift), Gaussians to latent tokens (VAE), and what comes next (dynamics).
///
/// `state` says what dynamics works on: latent tokens (the whole pipeline), Gaussians without the VAE, or pixels without
/// either; the last two are GWM's ablations (its table 4).
public struct WorldModel: Module {
  /// What dynamics works on.
  public enum State: String, CaseIterable, SettingValue {
    /// Latent tokens, all Gaussians, or pixels.
    case vae, gaussians, image
  }

  /// What a recipe may set.
  public struct Options: PluginOptions {
    @Key("The cameras' names; the first one's frame is the world, and its images are predicted.", name: "cameras")
    private var names: [String]
    @Key(
      "Vertical view angles where recordings do not say, degrees; one for all cameras or one for each.",
      name: "field_of_view")
    private var angles = ViewAngles.all(45)
    @Key("Whether the demonstrations hold depths and calibrations to learn from.") public var geometry = false
    @Key("What dynamics works on: latent tokens, Gaussians without the VAE, or pixels.") public var state = State.vae
    @Key("How images become Gaussians.", PluginKind.lift) public var lift = Choice(kind: Splatter.name)
    @Key("Gaussians to latent tokens and back.") public var vae = GaussianVAE.Options()
    @Key("What comes next.") public var dynamics = LatentDynamics.Options()
    @Key("Side of the squares of pixels that are tokens without a VAE.", 1...256) public var patch = 8

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

  /// What a world model is built for, saved with its weights.
  public struct Blueprint: Codable, Sendable, Equatable {
    /// The cameras.
    public var context: LiftContext
    /// Numbers of an action.
    public var actionWidth: Int

    /// - Parameter actionWidth: numbers of an action.
    public init(context: LiftContext, actionWidth: Int) {
      self.context = context
      self.actionWidth = actionWidth
    }
  }

  /// What it was made with.
  public let options: Options
  /// The cameras and actions it was made for.
  public let blueprint: Blueprint
  /// Nil where dynamics works on pixels.
  public let lift: (any GaussianLift)?
  /// Nil without latents.
  public let vae: GaussianVAE?
  /// What comes next.
  public let dynamics: LatentDynamics
  /// The side of the squares of pixels whose means are the VAE's points; nil where they are chosen otherwise.
  private let gridSide: Int?
  /// What makes the states' numbers, their changes and the actions even; found after a stage.
  let stateOffset, stateScale, changeScale, actionOffset, actionScale: Buffer

  /// - Throws: `SettingError` or `GaussianWorldError` when the parts do not fit each other.
  public init(options: Options, blueprint: Blueprint, parts: any PartFactory, random: inout Random) throws {
    self.options = options
    self.blueprint = blueprint
    let size = blueprint.context.size
    lift =
      options.state == .image
      ? nil : try parts.makeLift(options.lift, context: blueprint.context, path: "world.lift", random: &random)
    vae = options.state == .vae ? GaussianVAE(options: options.vae, random: &random) : nil
    let numbers: Int
    var gridSide: Int?
    switch options.state {
    case .vae:
      numbers = options.vae.latent
      if options.vae.sampling == .grid {
        let pixels = size.height * size.width * blueprint.context.cameras.count
        let sides = (1...min(size.height, size.width)).filter { size.height % $0 == 0 && size.width % $0 == 0 }
        gridSide = sides.first { pixels == options.vae.points * $0 * $0 }
        guard gridSide != nil else {
          throw GaussianWorldError.gridOfPoints(
            options.vae.points, possible: sides.map { pixels / ($0 * $0) }.filter { $0 >= options.vae.tokens })
        }
      }
    case .gaussians, .image:
      guard size.height % options.patch == 0, size.width % options.patch == 0 else {
        throw GaussianWorldError.imageSize(size, multipleOf: options.patch)
      }
      numbers = options.patch * options.patch * (options.state == .image ? 3 : Gaussians.width)
    }
    dynamics = LatentDynamics(
      options: options.dynamics, numbers: numbers, actionWidth: blueprint.actionWidth, random: &random)
    self.gridSide = gridSide
    func fixed(_ value: Float, _ count: Int) -> Buffer { Buffer(.filled([count], with: value)) }
    stateOffset = fixed(0, numbers)
    stateScale = fixed(1, numbers)
    changeScale = fixed(1, numbers)
    actionOffset = fixed(0, blueprint.actionWidth)
    actionScale = fixed(1, blueprint.actionWidth)
  }

  /// Whether views must have depths and calibrations.
  public var needsDepth: Bool { lift.map { type(of: $0).needsDepth } ?? false }

  // MARK: From images to states

  /// What is kept of frames between stages: `[batch, rows, width]`; the VAE's points, all Gaussians, or pixels.
  public func encoding(_ views: CameraViews) -> Tensor {
    guard let lift else { return views.images[0].reshaped([views.batch, -1, 3]) }
    let set = lift(views)
    guard let vae else { return set.values }
    // A lift that does not give one Gaussian for each pixel has no squares.
    let pixels = views.images.count * views.size.height * views.size.width
    guard let gridSide, set.count == pixels else { return vae.points(of: set).values }
    return set.meansOfSquares(side: gridSide, width: views.size.width)
  }

  /// How large an encoding of one moment is.
  public var encodingShape: [Int] {
    let pixels = blueprint.context.size.height * blueprint.context.size.width
    switch options.state {
    case .vae: return [min(options.vae.points, pixels * blueprint.context.cameras.count), Gaussians.width]
    case .gaussians: return [pixels * blueprint.context.cameras.count, Gaussians.width]
    case .image: return [pixels, 3]
    }
  }

  /// How many tokens a state has.
  public var tokenCount: Int {
    if let vae { return vae.options.tokens }
    return encodingShape[0] / (options.patch * options.patch)
  }

  /// Tokens as dynamics sees them, `[batch, tokens, numbers]`, of standard deviation EDM's.
  ///
  /// - Parameters:
  ///   - encoding: see `encoding(_:)`.
  ///   - reference: the encoding of the moment whose anchors count.
  public func state(_ encoding: Tensor, reference: Tensor) -> Tensor {
    even(state: rawState(encoding, reference: reference))
  }

  /// Makes a state of `rawState` even, as dynamics sees it.
  public func even(state raw: Tensor) -> Tensor { (raw - stateOffset.value) / stateScale.value }

  /// The same before it is standardized.
  public func rawState(_ encoding: Tensor, reference: Tensor) -> Tensor {
    if let vae { return vae.encode(Gaussians(encoding), anchors: vae.anchors(of: Gaussians(reference))).mean }
    let size = blueprint.context.size
    let rows = options.state == .image ? encoding : Gaussians(encoding).unbounded
    // Cameras below one another are one tall image.
    let map = rows.reshaped([rows.shape[0], -1, size.width, rows.shape[2]]).blocks(of: options.patch)
    return map.reshaped([map.shape[0], -1, map.shape[3]])
  }

  /// Where the tokens of a state are: `[batch, tokens, 3]`, meters; pixels are on a plane from -1 to 1.
  public func positions(reference: Tensor) -> Tensor {
    if let vae { return vae.anchors(of: Gaussians(reference)).means }
    let size = blueprint.context.size
    guard options.state == .gaussians else {
      let grid = SpatialSoftmax.grid(height: size.height / options.patch, width: size.width / options.patch)
      let places = Tensor.concatenated([grid, .zeros([grid.shape[0], 1])], axis: 1)
      return places.broadcast(to: [reference.shape[0]] + places.shape)
    }
    let map = Gaussians(reference).means.reshaped([reference.shape[0], -1, size.width, 3]).blocks(of: options.patch)
    return map.reshaped([map.shape[0], -1, options.patch * options.patch, 3]).mean(axes: [2])
  }

  /// The Gaussians of a state; nil where there are none.
  public func gaussians(_ state: Tensor) -> Gaussians? {
    let raw = state * stateScale.value + stateOffset.value
    if let vae { return vae.decode(raw) }
    guard options.state == .gaussians else { return nil }
    return Gaussians(unbounded: pixels(raw, channels: Gaussians.width))
  }

  private func pixels(_ raw: Tensor, channels: Int) -> Tensor {
    let size = blueprint.context.size
    let across = size.width / options.patch
    return raw.reshaped([raw.shape[0], -1, across, raw.shape[2]]).pixels(of: options.patch)
      .reshaped([raw.shape[0], -1, channels])
  }

  /// What the first camera would see: `[batch, height, width, 3]` in 0...1.
  ///
  /// - Parameter views: where it stands; nil for its own place.
  public func image(_ state: Tensor, from views: [SplattingView]? = nil) -> Tensor {
    let size = blueprint.context.size
    guard let set = gaussians(state) else {
      let raw = state * stateScale.value + stateOffset.value
      return pixels(raw, channels: 3).reshaped([raw.shape[0], size.height, size.width, 3]).clamped(to: 0...1)
    }
    return set.rendered(from: views ?? Array(repeating: blueprint.context.view, count: set.batch)).sliced(
      axis: 3, 0..<3
    )
    .clamped(to: 0...1)
  }

  // MARK: Dynamics

  private func standardized(actions: Tensor) -> Tensor { (actions - actionOffset.value) / actionScale.value }

  /// See `LatentDynamics.loss`; actions in recorded units.
  public func dynamicsLoss(states: Tensor, actions: Tensor, rewards: Tensor, random: inout Random) -> PolicyLoss {
    dynamics.loss(
      states: states, actions: standardized(actions: actions), rewards: rewards, scale: changeScale.value,
      random: &random)
  }

  /// What `actions` lead to, `[batch, actionWidth]` in recorded units; nil for an action not known.
  public func next(history: Tensor, actions: Tensor?, random: inout Random) -> LatentDynamics.Outcome {
    dynamics.next(
      history: history, actions: actions.map { standardized(actions: $0) }, scale: changeScale.value, random: &random)
  }

  /// What follows from a history by its own predictions: a state and its reward for each of the `actions`.
  ///
  /// - Parameters:
  ///   - history: `[batch, context, tokens, numbers]`.
  ///   - actions: `[batch, steps, actionWidth]` in recorded units.
  public func imagine(history: Tensor, actions: Tensor, random: inout Random) -> [LatentDynamics.Outcome] {
    var history = history
    return (0..<actions.shape[1]).map { step in
      let action = actions.sliced(axis: 1, step..<step + 1).squeezed(1)
      let next = next(history: history, actions: action, random: &random)
      history = Tensor.concatenated(
        [history.sliced(axis: 1, 1..<LatentDynamics.context), next.state.unsqueezed(1)], axis: 1)
      return next
    }
  }
}
