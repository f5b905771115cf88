import ImitationKit

/// What a demonstration says of its first moment.
struct ReplayStart {
  /// Of its scene; nil where none is recorded.
  private let seed: UInt64?
  private let state: [Double]?
  private let hasModel: Bool

  init(_ demo: String, of source: DemonstrationFile) throws {
    let (file, group) = (source.file(of: demo), source.group(demo))
    seed = (try? file.integer(of: group, "seed")).flatMap { UInt64(exactly: $0) }
    state = try source.states(demo, rows: 0..<1).first
    hasModel = (try? file.textIfPresent(of: group, "model_file"))?.isEmpty == false
  }

  /// Puts an environment there: into the state where it restores any, in the scene of the seed. In another scene than its own
  /// a state would fail as if the actions did. Other people's files have models in place of seeds; environments that read
  /// models have such a world for the task, whatever the seed.
  func begin(in environment: any Environment, _ task: String) throws -> ReplayedDemo.Start {
    let episode = EpisodeSpec(task: task, seed: seed ?? 0, pool: .training)
    if let state, let restoring = environment as? any StateRestoring, restoring.canRestore {
      guard seed != nil || restoring.readsModels && hasModel else {
        let model = restoring.readsModels ? "'model_file' or " : ""
        throw CommandFailure("no \(model)'seed' is recorded, so nothing says what scene its states are of")
      }
      _ = try restoring.restore(state, of: episode)
      return .state
    }
    guard seed != nil else {
      throw CommandFailure("no seed is recorded, nor a state that \(environment.spec.name) can restore")
    }
    _ = try environment.reset(episode)
    return .seed
  }
}
