import Foundation
import ImitationKit

/// Demonstrations that a person leads a robot through, each kept or discarded by a key.
struct OperatorRecording {
  let acting: OperatedRobot
  let store: EpisodeStore
  let count: Int
  let seed: UInt64
  private let interruption: Interruption
  /// Says which episode is there but was neither kept nor discarded when the program ended.
  private var undecided: String { store.folder + "/undecided.partial" }

  init(
    _ robot: any RealTimeEnvironment, task: SimulatedTask, horizon: Int, store: EpisodeStore, count: Int, seed: UInt64,
    _ interruption: Interruption
  ) {
    acting = OperatedRobot(robot, task: task, horizon: horizon, OperatorConsole(interruption))
    (self.store, self.count, self.seed, self.interruption) = (store, count, seed, interruption)
  }

  /// Of the episode that becomes demonstration `number` when it is kept.
  static func seed(_ seed: UInt64, task: String, number: Int, attempt: Int) -> UInt64 {
    EpisodeResult.seed(seed, task: "record/\(task)/\(number)", episode: attempt)
  }

  /// Records until there are enough.
  /// - Returns: whether there are.
  /// - Throws: what the robot throws when it fails; what was kept stays.
  func run() throws -> Bool {
    tell(acting.console.warning)
    if let left = FileManager.default.contents(atPath: undecided).flatMap({ Int(String(decoding: $0, as: UTF8.self)) })
    {
      if !store.missing(of: left + 1).contains(left) {
        tell("\(acting.task.name): an episode was recorded last time and not judged")
        guard try decided(left) else { return false }
      } else {
        unlink(undecided)
      }
    }
    var attempt = 0
    while let number = store.missing(of: count).first {
      tell("\n\(acting.task.name), episode \(number + 1) of \(count)")
      guard acting.console.ask("Enter to begin, q to stop:", keys: ["enter", "q"]) == "enter" else { return false }
      let episode = try acting.led(
        seed: OperatorRecording.seed(seed, task: acting.task.name, number: number, attempt: attempt))
      attempt += 1
      if interruption.isAsked { return false }
      tell(acting.robot.pace.line)
      guard episode.length > 0 else {
        tell("no steps: nothing to keep")
        continue
      }
      // On the disk before anybody is asked: a kill now costs nothing.
      try AtomicFile.write(Data("\(number)".utf8), to: undecided)
      try store.write(episode.solvedAtItsEnd, at: number)
      guard try decided(number) else { return false }
    }
    return true
  }

  /// - Returns: whether to go on; without an answer the episode stays undecided.
  private func decided(_ number: Int) throws -> Bool {
    let answer = acting.console.ask("k keep, d discard, q keep and stop:", keys: ["k", "d", "q"])
    guard let answer else { return false }
    if answer == "d" { unlink(store.path(number)) }
    unlink(undecided)
    return answer != "q"
  }
}

extension RecordedEpisode {
  /// With its last row as the one that solves the task: whoever keeps it says that it does.
  fileprivate var solvedAtItsEnd: RecordedEpisode {
    var episode = self
    episode.rewards[length - 1] = 1
    episode.dones[length - 1] = 1
    return episode
  }
}
