import Foundation
import Imitation
import Layers
import Synchronization
import Tensors
import Testing
import Training

/// Brings one number near those of the batch, and with the first of its rows another one near 1: the loss is the mean of squares.
private struct NearRows: Objective {
  struct One: Module {
    let a = Parameter(Tensor([0.5], shape: [1]))
    let b = Parameter(Tensor([0.5], shape: [1]))
  }

  let one = One()
  /// Which rows of each batch it gets.
  var rows = 0..<3

  var module: any Module { one }

  func batch(_ step: Int, random: Random) throws -> Tensor {
    let all = (0..<3).map { Float(($0 * 7 + step * 3) % 5) }
    return Tensor(Array(all[rows]), shape: [rows.count])
  }

  func loss(on batch: Tensor) -> PolicyLoss {
    let distance = (one.a.value - batch).square().mean()
    guard rows.contains(0) else { return PolicyLoss(distance) }
    return PolicyLoss(distance + (one.b.value - 1).square().mean() / Float(rows.count))
  }

  func validate() -> ValidationLoss? { nil }
}

@Suite struct RankTests {
  private func place(_ environment: [String: String]) throws -> RankPlace? { try RankPlace(environment: environment) }

  @Test func placesOfLaunchers() throws {
    #expect(try place([:]) == nil)
    #expect(try place(["WORLD_SIZE": "1", "RANK": "0"]) == nil)
    // A shell of an allocation is no step of it.
    #expect(try place(["SLURM_NTASKS": "4", "SLURM_PROCID": "0"]) == nil)
    #expect(
      try place(["WORLD_SIZE": "8", "RANK": "5", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"])
        == RankPlace(rank: 5, count: 8, local: 1, isOneMachine: false))
    #expect(
      try place([
        "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1", "SLURM_LOCALID": "1", "SLURM_STEP_NUM_NODES": "1",
      ]) == RankPlace(rank: 1, count: 2, local: 1, isOneMachine: true))
    let same = RankPlace(rank: 1, count: 2, local: 1, isOneMachine: true)
    #expect(try place(same.environment) == same)
    for wrong in [["WORLD_SIZE": "2"], ["WORLD_SIZE": "two", "RANK": "0"], ["WORLD_SIZE": "2", "RANK": "2"]] {
      #expect(throws: RankError.self) { try place(wrong) }
    }
    #expect(
      (0..<3).map { RankPlace(rank: $0, count: 3, local: 0, isOneMachine: true).rows(of: 5) } == [0..<1, 1..<3, 3..<5])
  }

  /// Runs `body` as so many ranks, each on a thread of its own.
  private func ranks<Result: Sendable>(
    _ count: Int, _ body: @escaping @Sendable (RankGroup, String) throws -> Result
  ) throws -> [Swift.Result<Result, any Error>] {
    let folder = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    // What an earlier run has left behind.
    try "localhost 9 abcdefghijklmnopqrstuvwxyzabcdef\n".write(
      toFile: folder + "/.ranks", atomically: true, encoding: .utf8)
    let results = Mutex<[Int: Swift.Result<Result, any Error>]>([:])
    let done = DispatchGroup()
    for rank in 0..<count {
      done.enter()
      Thread {
        let result = Swift.Result {
          let place = RankPlace(rank: rank, count: count, local: rank, isOneMachine: true)
          return try body(RankGroup(place, folder: folder, patience: 60), folder)
        }
        results.withLock { $0[rank] = result }
        done.leave()
      }.start()
    }
    done.wait()
    #expect(!FileManager.default.fileExists(atPath: folder + "/.ranks"))
    return results.withLock { found in (0..<count).map { found[$0]! } }
  }

  @Test func whatRanksTellEachOther() throws {
    let results = try ranks(3) { group, folder in
      // Large numbers that cancel: only one order of adding gives this sum.
      let parts: [[Float]] = [[1e8, 1], [1, 2], [-1e8, 3]]
      let sum = try group.sum(Tensor(parts[group.rank], shape: [2])).scalars
      let pair = try group.sum([Tensor([Float(group.rank)], shape: [1]), Tensor.ones([2, 2])])
      let file = folder + "/first"
      try group.firstHere {
        if group.rank == 0 {
          Thread.sleep(forTimeInterval: 0.2)
          try "x".write(toFile: file, atomically: true, encoding: .utf8)
        }
        #expect(FileManager.default.fileExists(atPath: file))
      }
      let shared = try group.shared(group.rank == 0 ? [7, 8] : [])
      let stops = try [
        group.agree(stop: false), group.agree(stop: group.rank == 2), group.agree(stop: group.rank == 0),
      ]
      return (sum, pair.map(\.scalars), pair.map(\.shape), shared, stops)
    }
    for result in results {
      let found = try result.get()
      #expect(found.0 == [(1e8 + 1) - 1e8, 6])
      #expect(found.1 == [[3], [3, 3, 3, 3]] && found.2 == [[1], [2, 2]])
      #expect(found.3 == [7, 8])
      #expect(found.4 == [false, true, true])
    }
  }

  @Test func otherWeightsAreRefused() throws {
    func found(_ odd: Int?, recipe other: Int? = nil) throws -> [RankError?] {
      try ranks(3) { group, _ in
        let header = TensorArchive(format: "t", metadata: ["recipe": group.rank == other ? "b" : "a"])
        try group.check(header, weights: ["a": Tensor([group.rank == odd ? 2 : 1], shape: [1])])
      }.map { if case .failure(let error) = $0 { error as? RankError } else { nil } }
    }
    #expect(try found(nil) == [nil, nil, nil])
    #expect(try found(2) == [.differs(rank: 2), .differs(rank: 2), .differs(rank: 2)])
    #expect(try found(nil, recipe: 1) == [.differs(rank: 1), .differs(rank: 1), .differs(rank: 1)])
  }

  /// Whoever waits for a rank that leaves hears of it.
  @Test func aRankThatLeavesEndsTheOthers() throws {
    let results = try ranks(3) { group, _ in
      if group.rank == 1 { return }
      _ = try group.agree(stop: false)
    }
    for (rank, result) in results.enumerated() where rank != 1 {
      #expect { try result.get() } throws: { if case RankError.lost = $0 { true } else { false } }
    }
  }

  @Test func nobodyComes() throws {
    let folder = FileManager.default.temporaryDirectory.path
    let place = RankPlace(rank: 1, count: 2, local: 1, isOneMachine: true)
    #expect(throws: RankError.alone(folder: folder + "/none", missing: 0, seconds: 1)) {
      try RankGroup(place, folder: folder + "/none", patience: 1)
    }
  }

  /// Parts of one and two rows: as one process that has all three.
  @Test func trainingOfPartsIsThatOfTheWhole() throws {
    @Sendable func trained(_ group: RankGroup?, _ folder: String, _ rank: Int) throws -> [Float] {
      var objective = NearRows()
      if let group { objective.rows = group.rows(of: 3) }
      var trainer = Trainer(
        objective, settings: try TrainerTests.settings(20, "average_power: 0.75"), random: Random(seed: 1),
        header: TensorArchive(format: "near-rows"))
      trainer.ranks = group
      let run = RunFolder(folder + "/run")
      try FileManager.default.createDirectory(atPath: run.path + "/checkpoints", withIntermediateDirectories: true)
      #expect(try trainer.run(in: run) == 20)
      // Only the first writes, and the loss is that of all rows.
      if rank == 0 {
        let log = try String(contentsOfFile: run.path + "/metrics.jsonl", encoding: .utf8)
        #expect(log.split(separator: "\n").count == 10)
      }
      return objective.one.a.value.scalars + objective.one.b.value.scalars
    }
    let results = try ranks(2) { group, folder in try trained(group, folder, group.rank) }.map { try $0.get() }
    #expect(results[0] == results[1])
    let alone = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: alone) }
    let whole = try trained(nil, alone, 0)
    for number in 0..<2 {
      #expect(
        abs(whole[number] - results[0][number]) < 1e-5 && abs(whole[number] - 0.5) > 0.05, "\(whole) \(results)")
    }
  }
}
