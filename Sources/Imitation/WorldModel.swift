import Layers
import Tensors

/// A model of what happens next: it observes frames, imagines what an action leads to, draws what it imagines, and gives
/// features for policies.
public protocol WorldModel: Module, Plugin {
  /// - Throws: `SettingError`, or when the options and the cameras do not fit each other.
  init(options: Options, blueprint: WorldBlueprint, parts: any PartFactory, random: inout Random) throws
  /// What it looks at.
  ///
  /// - Throws: `SettingError` when options name a plug-in that is unknown.
  static func inputs(_ options: Options, parts: any PartFactory) throws -> WorldInputs
  /// The parts that are trained one after the other, in a recipe's words.
  static func stages(_ options: Options) -> [String]
  /// What it was made with.
  var options: Options { get }
  /// The cameras and actions it was made for.
  var blueprint: WorldBlueprint { get }
  /// How many frames a state is made of, the present one among them.
  var context: Int { get }
  /// Whether policies need depths.
  var needsDepth: Bool { get }
  /// Whether policies need calibrations.
  var needsCalibrations: Bool { get }
  /// The key of the gripper's position in the base's frame where policies need it; nil where they do not.
  var neededGripper: String? { get }

  /// The state after `context` frames.
  ///
  /// - Parameter views: `[batch * context]` frames, an item's one after the other, the present one last.
  func observe(_ views: CameraViews) -> WorldState
  /// The states after windows of frames, which may overlap.
  ///
  /// - Parameters:
  ///   - windows: rows of the views, `context` each, the present one last.
  ///   - references: for each window the row in which its tokens find what they stand for.
  func observe(_ views: CameraViews, windows: [[Int]], references: [Int]) -> WorldState
  /// Which frame of a window is its reference where nobody says: the oldest, 0, or a later one.
  var referenceFrame: Int { get }
  /// What follows.
  ///
  /// - Parameter actions: `[batch, actionWidth]` in recorded units; nil for actions not known.
  func imagine(_ state: WorldState, actions: Tensor?, random: inout Random) -> WorldTransition
  /// What a camera would see: `[batch, height, width, 3]` in 0...1.
  ///
  /// - Parameter views: where it stands, an item each; nil for the first camera's own place.
  func decode(_ state: WorldState, from views: [SplattingView]?) -> Tensor
  /// The Gaussians of a state; nil for models without.
  func gaussians(_ state: WorldState) -> Gaussians?

  /// The tokens inside of the model while it takes its first look at what comes next, the action unknown: before its first
  /// layer and after each, `[batch, tokens, hiddenWidth]`. Policies learn from them.
  func hidden(_ state: WorldState) -> [Tensor]
  /// The width of hidden tokens.
  var hiddenWidth: Int { get }
  /// How many layers there are.
  var hiddenLayers: Int { get }
  /// How many tokens a state has.
  var tokenCount: Int { get }
  /// How many numbers a token has.
  var tokenWidth: Int { get }

  /// The part that a stage trains and saves; nil when a model has no such part.
  func module(of stage: String) -> (any Module)?
  /// What a stage minimizes, after what it needs of its data is computed; nil when it has nothing to learn.
  ///
  /// - Throws: what the reader threw, or `precomputation` to stop.
  func objective(
    of stage: String, _ data: WorldFrames, batch: Int, seed: UInt64, _ precomputation: Precomputation
  ) throws -> (any Objective)?
  /// Whether a stage has something to learn.
  /// - Throws: what the reader threw.
  func isTrained(_ stage: String, _ data: WorldFrames) throws -> Bool
}

extension WorldModel {
  public static var pluginKind: PluginKind { .world }
  public var neededGripper: String? { nil }
  public var referenceFrame: Int { 0 }
  public func gaussians(_ state: WorldState) -> Gaussians? { nil }

  /// The states after windows of frames with references of their own, which may overlap.
  ///
  /// - Parameter windows: rows of the views, `context` each, the present one last.
  public func observe(_ views: CameraViews, windows: [[Int]]) -> WorldState {
    observe(views, windows: windows, references: windows.map { $0[referenceFrame] })
  }

  /// What follows by its own predictions: a state and its reward for each of the `actions`.
  ///
  /// - Parameter actions: `[batch, steps, actionWidth]` in recorded units.
  public func imagine(_ state: WorldState, steps actions: Tensor, random: inout Random) -> [WorldTransition] {
    var state = state
    return (0..<actions.shape[1]).map { step in
      let action = actions.sliced(axis: 1, step..<step + 1).squeezed(1)
      let next = imagine(state, actions: action, random: &random)
      state = next.state
      return next
    }
  }
}

/// What a world model is built for, saved with its weights.
public struct WorldBlueprint: Codable, Sendable, Equatable {
  /// The cameras.
  public var context: LiftContext
  /// Numbers of an action.
  public var actionWidth: Int
  /// The key of the gripper's position that it was trained with, if any.
  public var gripper: String?

  /// - Parameter actionWidth: numbers of an action.
  public init(context: LiftContext, actionWidth: Int, gripper: String? = nil) {
    (self.context, self.actionWidth, self.gripper) = (context, actionWidth, gripper)
  }
}

/// What a world model looks at while it is trained.
public struct WorldInputs: Sendable, Equatable {
  /// The cameras' names, without `_image`.
  public var cameras: [String]
  /// The vertical view angle of each where recordings do not say, degrees.
  public var fieldsOfView: [Float]
  /// Whether depths and calibrations are among what it learns from.
  public var depths, calibrations: Bool
  /// The frame of its Gaussians.
  public var frame: GaussianFrame
  /// The key of the gripper's position in the base's frame; nil where nothing depends on it.
  public var gripper: String?

  /// What a world model looks at while it is trained.
  public init(
    cameras: [String], fieldsOfView: [Float], depths: Bool = false, calibrations: Bool = false,
    frame: GaussianFrame = .camera, gripper: String? = nil
  ) {
    (self.cameras, self.fieldsOfView, self.depths, self.calibrations) = (cameras, fieldsOfView, depths, calibrations)
    (self.frame, self.gripper) = (frame, gripper)
  }

  /// The keys of its cameras' images, and of the vectors it needs.
  public var keys: (images: [String], vectors: [String]) {
    let cameras = cameras.map { CameraKeys($0) }
    let geometry = cameras.flatMap { (depths ? [$0.depth] : []) + (calibrations ? [$0.calibration] : []) }
    return (cameras.map(\.image), geometry + (gripper.map { [$0] } ?? []))
  }
}

/// What a world model knows at one moment.
public struct WorldState: Sendable {
  /// The states of the last frames, the present one last: `[batch, context, tokens, numbers]`, standardized.
  public var history: Tensor
  /// Where the tokens are, `[batch, tokens, 3]`: meters, or from -1 to 1.
  public var positions: Tensor
  /// The last frame that was observed and the state it had, for what does not change to be drawn as it was seen.
  public var seen: Seen?

  /// The last frame that was observed.
  public struct Seen: Sendable {
    /// As the lift gave it.
    public var lifted: Gaussians
    /// What the first camera saw: `[batch, height, width, 3]` in 0...1.
    public var image: Tensor
    /// Where that camera stood, by item.
    public var views: [SplattingView]
    /// `[batch, tokens, numbers]`.
    public var tokens: Tensor

    /// A frame's Gaussians, its image, and its state.
    public init(lifted: Gaussians, image: Tensor, views: [SplattingView], tokens: Tensor) {
      (self.lifted, self.image, self.views, self.tokens) = (lifted, image, views, tokens)
    }

    /// Some of the items, which may repeat.
    package func gathered(_ rows: [Int]) -> Seen {
      Seen(
        lifted: Gaussians(lifted.values.gathered(rows)), image: image.gathered(rows), views: rows.map { views[$0] },
        tokens: tokens.gathered(rows))
    }
  }

  /// A state of its last frames.
  public init(history: Tensor, positions: Tensor, seen: Seen? = nil) {
    (self.history, self.positions, self.seen) = (history, positions, seen)
  }

  /// The present state, `[batch, tokens, numbers]`.
  public var tokens: Tensor { history.sliced(axis: 1, history.shape[1] - 1..<history.shape[1]).squeezed(1) }

  /// The state after `tokens` have followed.
  public func followed(by tokens: Tensor) -> WorldState {
    let past = history.sliced(axis: 1, 1..<history.shape[1])
    return WorldState(
      history: .concatenated([past, tokens.unsqueezed(1)], axis: 1), positions: positions, seen: seen)
  }
}

/// What an action leads to.
public struct WorldTransition: Sendable {
  /// The state after it.
  public var state: WorldState
  /// `[batch]`, in recorded units; nil when the model predicts none.
  public var reward: Tensor?

  /// A state and what it is worth.
  public init(state: WorldState, reward: Tensor? = nil) { (self.state, self.reward) = (state, reward) }
}
