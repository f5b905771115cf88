import CUDA
import Files
import Foundation
import ImitationKit

/// The processes that train together, as seen by one of them: those of a launcher, or this one and its children.
final class TrainingRanks {
  /// Nil alone.
  let place: RankPlace?
  private(set) var group: RankGroup?
  private let isLauncher: Bool
  /// By rank less one, of the first that has started the others.
  private var children: [PipedChild] = []

  var isFirst: Bool { place?.rank ?? 0 == 0 }

  /// - Parameter gpus: of this machine, for a process that starts the others itself.
  /// - Throws: `RankError.place`, or `CommandFailure` for a number of GPUs within a launcher.
  init(gpus: Int?, environment: [String: String] = ProcessInfo.processInfo.environment) throws {
    let launched = try RankPlace(environment: environment)
    isLauncher = launched == nil && (gpus ?? 1) > 1
    if let launched, let gpus, gpus != launched.count {
      throw CommandFailure("--gpus \(gpus): a launcher has started \(launched.count) ranks already; leave it out")
    }
    place = isLauncher ? RankPlace(rank: 0, count: gpus!, local: 0, isOneMachine: true) : launched
    if !isFirst { Quiet.begin() }
  }

  deinit {
    for child in children {
      child.end(grace: 5)
      unlink(child.log)
    }
  }

  /// Starts the others where that is this process's part, and waits until all are there.
  ///
  /// - Parameters:
  ///   - batch: the smallest one that they are to share.
  ///   - each: the least rows of it for a rank.
  /// - Throws: `RankError`, `CUDAError`, or what keeps a child from starting.
  func meet(_ folder: RunFolder, batch: Int, each: Int = 1) throws {
    guard let place else { return }
    if batch < each * place.count { throw RankError.tooFewRows(batch: batch, ranks: place.count, each: each) }
    if isLauncher {
      let found = try CUDASurvey().devices.count
      guard found >= place.count else { throw CUDAError.noSuchDevice(number: place.count - 1, count: found) }
      tell("\(place.count) ranks: GPUs 0 to \(place.count - 1)")
      children = try (1..<place.count).map { rank in
        let other = RankPlace(rank: rank, count: place.count, local: rank, isOneMachine: true)
        return try PipedChild(
          executable: "/proc/self/exe", arguments: TrainingRanks.arguments, environment: other.environment,
          log: NSTemporaryDirectory() + "/imitate-rank-\(UUID().uuidString).log")
      }
    }
    try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
    group = try explaining {
      try RankGroup(place, folder: folder.path) {
        for (index, child) in children.enumerated() where child.process.ending != nil {
          throw RankError.lost(rank: index + 1)
        }
      }
    }
  }

  /// This process's, without what makes it the launcher.
  private static var arguments: [String] {
    var rest = Array(CommandLine.arguments.dropFirst())
    if let place = rest.firstIndex(of: "--gpus") { rest.removeSubrange(place..<min(place + 2, rest.count)) }
    return rest.filter { !$0.hasPrefix("--gpus=") }
  }

  /// Runs `body` on the first rank before the others: what it keeps in files is then found.
  func inTurn<Result>(_ body: () throws -> Result) throws -> Result {
    try explaining { try group?.firstHere(body) ?? body() }
  }

  /// What adds up gradients: NCCL on GPUs, else the group itself, by way of the processor.
  func collective() throws -> (any Collective)? {
    guard let group, let device = CUDADevice.current else { return nil }
    let library = Result { () throws(CUDAError) in try CUDANetwork(of: device) }
    // All of them or none; and who has ended meanwhile is not waited for.
    if try group.agree(stop: (try? library.get()) == nil) {
      var why = "another rank has no NCCL"
      if case .failure(let error) = library { why = CommandFailure.line(error) }
      tell("note: \(why): gradients are added up by the processors, which is slow")
      return nil
    }
    let collective = try CUDACollective(device, library.get(), group) { try group.shared($0()) }
    group.watch { [weak collective] in collective?.abort() }
    return collective
  }

  /// Says why a child has ended, where one has.
  func explaining<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch RankError.lost(let rank) where children.indices.contains(rank - 1) {
      let words = children[rank - 1].lastWords.map { ": \($0)" } ?? ""
      throw CommandFailure("rank \(rank) has ended\(words); the same command goes on from the last checkpoint")
    }
  }
}
