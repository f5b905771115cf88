/// Which of several processes this is that train together.
package struct RankPlace: Equatable, Sendable {
  /// Counted from 0.
  package let rank: Int
  package let count: Int
  /// The same on this machine: the number of its GPU.
  package let local: Int
  /// Whether all are on this machine.
  package let isOneMachine: Bool

  package init(rank: Int, count: Int, local: Int, isOneMachine: Bool) {
    (self.rank, self.count, self.local, self.isOneMachine) = (rank, count, local, isOneMachine)
  }

  /// As the launcher's variables have it: `RANK`, `WORLD_SIZE`, `LOCAL_RANK` and `LOCAL_WORLD_SIZE` (torchrun's), else those of a
  /// Slurm step. Nil of a process that is alone. A shell within a Slurm allocation is no step.
  ///
  /// - Throws: `RankError.place`.
  package init?(environment: [String: String]) throws {
    let isTorch = environment["WORLD_SIZE"] != nil
    func number(_ name: String) throws -> Int? {
      guard let text = environment[name] else { return nil }
      guard let number = Int(text), number >= 0 else { throw RankError.place("\(name)=\(text) is no number") }
      return number
    }
    func required(_ name: String) throws -> Int {
      guard let number = try number(name) else { throw RankError.place("\(name) is not set") }
      return number
    }
    guard isTorch || environment["SLURM_STEP_NUM_TASKS"] != nil else { return nil }
    count = try required(isTorch ? "WORLD_SIZE" : "SLURM_STEP_NUM_TASKS")
    guard count > 1 else { return nil }
    rank = try required(isTorch ? "RANK" : "SLURM_PROCID")
    local = try number(isTorch ? "LOCAL_RANK" : "SLURM_LOCALID") ?? rank
    isOneMachine =
      isTorch
      ? try number("LOCAL_WORLD_SIZE") == count : try number("SLURM_STEP_NUM_NODES") == 1
    guard rank < count else { throw RankError.place("rank \(rank) of \(count)") }
  }

  /// How many share this machine, as far as is known.
  package var beside: Int { isOneMachine ? count : 1 }

  /// The rows of a batch that are this one's.
  package func rows(of batch: Int) -> Range<Int> { rank * batch / count..<(rank + 1) * batch / count }

  /// The variables that say the same to a child.
  package var environment: [String: String] {
    [
      "RANK": "\(rank)", "WORLD_SIZE": "\(count)", "LOCAL_RANK": "\(local)",
      "LOCAL_WORLD_SIZE": "\(isOneMachine ? count : 1)",
    ]
  }
}
