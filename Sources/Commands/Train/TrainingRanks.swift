import CUDA
import Files
import Foundation
import ImitationKit

/// The processes that train one policy together, as seen by one of them: those of a launcher, or this one and its children.
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

  deinit { for child in children { child.end(grace: 5) } }

  /// Starts the others where that is this process's part, and waits until all are there.
  /// - Throws: `RankError`.
  func meet(_ folder: RunFolder, _ training: TrainingSettings) throws {
    guard let place else { return }
    if training.batch < place.count { throw RankError.tooFewRows(batch: training.batch, ranks: place.count) }
    if isLauncher {
      tell("\(place.count) ranks: GPUs 0 to \(place.count - 1)")
      children = try (1..<place.count).map { rank in
        let other = RankPlace(rank: rank, count: place.count, local: rank, isOneMachine: true)
        return try PipedChild(
          executable: "/proc/self/exe", arguments: TrainingRanks.arguments, environment: other.environment,
          log: NSTemporaryDirectory() + "/imitate-rank-\(UUID().uuidString).log")
      }
    }
    try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
    group = try explaining { try RankGroup(place, folder: folder.path) }
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
    do {
      let collective = try CUDACollective(device, group) { try group.shared($0()) }
      group.watch { [weak collective] in collective?.abort() }
      return collective
    } catch let error as CUDAError where error.isMissingLibrary {
      tell("note: \(CommandFailure.line(error)): gradients are added up by the processors, which is slow")
      return nil
    }
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
