/// An episode that is to be tried: who acts in which scene.
public struct Trial: Codable, Sendable, Hashable {
  /// The task's name.
  public var task: String
  /// Which split the policy was trained on.
  public var split: String
  /// Who acts: the policy's name, `expert` or `random`.
  public var policy: String
  /// The number of the episode among those of its task.
  public var episode: Int
  /// What the scene and the policy's random numbers follow from.
  public var seed: UInt64

  /// - Parameter policy: the policy's name, `expert` or `random`.
  public init(task: String, split: String = "", policy: String, episode: Int, seed: UInt64) {
    (self.task, self.split, self.policy, self.episode, self.seed) = (task, split, policy, episode, seed)
  }

  /// Whether a scripted or a random behavior acts, which looks at no images.
  package var isBlind: Bool { policy == "expert" || policy == "random" }
}

extension EpisodeResult {
  /// An episode that has not begun.
  public init(_ trial: Trial) {
    self.init(
      task: trial.task, split: trial.split, policy: trial.policy, episode: trial.episode, seed: trial.seed)
  }

  /// What was tried.
  public var trial: Trial {
    Trial(task: task, split: split, policy: policy, episode: episode, seed: seed)
  }
}
