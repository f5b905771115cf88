import Foundation
import ImitationKit

/// A file of one task's demonstrations that `imitate record` is to write, or has written.
struct RecordedFile {
  let task: String
  let path: String
  let plan: CollectionPlan
  /// What is written of the simulator.
  let arguments: String
  /// What its numbers mean.
  let schema: DemonstrationSchema
  /// Steps that are kept after the one that solves the task.
  let afterSuccess: Int
  /// Whether files that are otherwise are replaced.
  let replace: Bool

  /// Whether a file has a split of `count` demonstrations.
  /// - Throws: `CommandFailure` when another file would have to be replaced.
  func isThere() throws -> Bool {
    guard FileManager.default.fileExists(atPath: path) else { return false }
    let file: DemonstrationFile
    do {
      file = try DemonstrationFile(path: path)
      try plan.requireSplit(of: file)
    } catch _ where replace {
      return false
    } catch let error as HDF5Error {
      throw CommandFailure("\(error); or --replace records again")
    }
    let went = (try? file.hdf5.integer(of: "data", EpisodeStore.afterSuccess)) ?? 0
    let actions = schema.actions["actions"]
    let meansTheSame = (try? actions == actions.map { try file.actionSchema(of: "actions", width: $0.count) }) ?? false
    let isAlike =
      meansTheSame && went == afterSuccess && (try? file.hdf5.text(of: "data", "env_args")) == arguments
    if !isAlike, replace { return false }
    tell("\(path): has its \(file.demos.count) demonstrations already; to record them again, remove it")
    if !isAlike {
      tell(
        went == afterSuccess
          ? "note: \(path): recorded with other simulator settings than the recipe's evaluation has; --replace records again"
          : "note: \(path): recorded with --after-success \(went); --replace records again"
      )
    }
    return true
  }

  /// Where the parts of a file are kept.
  private func store() throws -> EpisodeStore {
    let folder = path.parentFolder
    try FileManager.default.createDirectory(atPath: folder.isEmpty ? "." : folder, withIntermediateDirectories: true)
    return try EpisodeStore(
      folder: path + ".parts",
      identity: "record\nseed \(plan.seed)\n\(arguments)"
        + (afterSuccess == 0 ? "" : "\nafter success \(afterSuccess)"),
      replacing: replace)
  }

  /// Has the simulator's experts solve the task.
  func record() throws {
    let (horizon, store) = (try plan.horizon(task), try store())
    let collected = try plan.collect("record \(task)", count: plan.count, in: store) { failed, _ in
      failed > plan.count + 20 ? "\(task): the expert failed \(failed) times; giving up" : nil
    } request: { attempt in
      .record(
        .init(
          task: task, number: attempt, seed: EpisodeResult.seed(plan.seed, task: "record/\(task)", episode: attempt),
          horizon: horizon, afterSuccess: afterSuccess, store: store.folder))
    }
    try assemble(store, collected.kept)
    collected.bar.finish(
      note: collected.failed == 0 ? path : "\(path), the expert failed \(collected.failed) times")
  }

  /// As `record`, with a person for the expert.
  func record(ledOn robot: any RealTimeEnvironment) throws {
    guard afterSuccess == 0 else {
      throw CommandFailure("--after-success: of a robot, who leads it says when an episode ends")
    }
    let store = try store()
    let recording = OperatorRecording(
      robot, task: try robot.spec.task(task), horizon: try plan.horizon(task), store: store, count: plan.count,
      seed: plan.seed, plan.interruption)
    guard try recording.run() else {
      let kept = plan.count - store.missing(of: plan.count).count
      throw CommandFailure("\(kept) of \(plan.count) recorded, in \(store.folder); the same command goes on")
    }
    try assemble(store, Array(0..<plan.count))
    tell("\(plan.count) demonstrations in \(path)")
  }

  private func assemble(_ store: EpisodeStore, _ attempts: [Int]) throws {
    try store.assemble(
      attempts, to: path, environmentArguments: arguments, schema: schema, seed: plan.seed, afterSuccess: afterSuccess)
  }
}
