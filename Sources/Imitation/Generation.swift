/// A stretch of a demonstration that is about one thing, and that can be carried over to another scene by moving it along
/// with that thing (Mandlekar et al. 2023, "MimicGen", section 4).
public struct Subtask: Sendable, Equatable {
  /// The frame that the stretch moves with: a name in `GenerationInfo.frames`.
  public var frame: String
  /// The signal whose first rise ends it; nil for the last one, which lasts to the end.
  public var signal: String?

  /// - Parameter signal: what ends it; the episode's end when nil.
  public init(frame: String, until signal: String? = nil) {
    self.frame = frame
    self.signal = signal
  }
}

/// What generating demonstrations needs to know of a moment: MimicGen's `datagen_info`.
public struct GenerationInfo: Sendable, Equatable {
  /// In the world.
  public var gripper: Pose
  /// The things that subtasks are about, in the world.
  public var frames: [String: Pose]
  /// Which subtasks are over.
  public var signals: [String: Bool]

  /// - Parameter signals: whether a subtask is done, by name.
  public init(gripper: Pose, frames: [String: Pose], signals: [String: Bool]) {
    self.gripper = gripper
    self.frames = frames
    self.signals = signals
  }
}

/// An environment that demonstrations can be generated in.
public protocol GenerativeEnvironment: StateRestoring {
  /// The subtasks of `task`, in order.
  /// - Throws: when the task is unknown.
  func subtasks(of task: String) throws -> [Subtask]
  /// This moment; nil before the first `reset`.
  var generationInfo: GenerationInfo? { get }
  /// Where an action takes the gripper, in the world.
  func target(of action: [Float]) -> Pose
  /// The action that takes the gripper towards a pose in the world, as far as one step goes.
  ///
  /// - Parameters:
  ///   - action: has the rest: the gripper's opening, the base.
  ///   - disturbance: added to the robot's step, of its full scale; along x, y, z and about them.
  func action(towards target: Pose, like action: [Float], disturbance: [Float]) -> [Float]
}
