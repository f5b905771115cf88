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
  /// - Throws: `CommandFailure` when another file would have to be replaced, or one of another task.
  func isThere() throws -> Bool {
    guard FileManager.default.fileExists(atPath: path) else { return false }
    let file: DemonstrationFile
    do {
      file = try DemonstrationFile(path: path)
      try requireTask(of: file)
      try plan.requireSplit(of: file)
    } catch _ where replace {
      return false
    } catch let error as HDF5Error {
      throw CommandFailure("\(error); or --replace records again")
    }
    let differences = differences(of: file)
    if !differences.isEmpty, replace { return false }
    tell("\(path): has its \(file.demos.count) demonstrations already; to record them again, remove it")
    if !differences.isEmpty {
      tell("note: \(path): recorded with \(differences.joined(separator: " and ")); --replace records again")
    }
    return true
  }

  /// Refuses a file of another task.
  private func requireTask(of file: DemonstrationFile) throws {
    let environment = (try? PythonJSON.object(arguments))?["env_name"] as? String
    guard !file.mayHold(task: task), !file.mayHold(task: environment ?? task) else { return }
    throw CommandFailure(
      "\(path): holds demonstrations of \(file.task), not of \(task); name another file, or --replace records over it")
  }

  /// What a file was recorded with that is not as it is asked for.
  private func differences(of file: DemonstrationFile) -> [String] {
    let went = (try? file.hdf5.integer(of: "data", EpisodeStore.afterSuccess)) ?? 0
    let actions = schema.actions["actions"]
    let meansTheSame = (try? actions == actions.map { try file.actionSchema(of: "actions", width: $0.count) }) ?? false
    let isSameSimulator = meansTheSame && (try? file.hdf5.text(of: "data", "env_args")) == arguments
    return (went == afterSuccess ? [] : ["--after-success \(went)"])
      + (hasOtherScenes(file) ? ["another seed than \(plan.seed)"] : [])
      + (isSameSimulator ? [] : ["other simulator settings than the recipe's evaluation has"])
  }

  /// Whether a file's scenes are those of another seed; one that does not tell has the right ones.
  private func hasOtherScenes(_ file: DemonstrationFile) -> Bool {
    if let recorded = try? file.hdf5.integer(of: "data", EpisodeStore.seed) {
      return recorded != Int(truncatingIfNeeded: plan.seed)
    }
    // What was generated has seeds of another kind.
    if let origin = try? file.hdf5.textIfPresent(of: "data", "generation"), !origin.isEmpty { return false }
    // Older ones have the seeds of their episodes. The first may come after some that failed, or were discarded.
    guard let first = try? file.hdf5.integer(of: file.group(file.demos[0]), "seed") else { return false }
    return !(0..<1000).contains {
      sceneSeed(attempt: $0) == UInt64(truncatingIfNeeded: first)
        || OperatorRecording.seed(plan.seed, task: task, number: 0, attempt: $0) == UInt64(truncatingIfNeeded: first)
    }
  }

  private func sceneSeed(attempt: Int) -> UInt64 {
    EpisodeResult.seed(plan.seed, task: "record/\(task)", episode: attempt)
  }

  /// Where the parts of a file are kept.
  /// - Parameter horizon: what decides which attempts failed; nil when a person decides it.
  private func store(horizon: Int? = nil) throws -> EpisodeStore {
    let folder = path.parentFolder
    try FileManager.default.createDirectory(atPath: folder.isEmpty ? "." : folder, withIntermediateDirectories: true)
    let identity =
      "record\nseed \(plan.seed)\n\(arguments)" + (afterSuccess == 0 ? "" : "\nafter success \(afterSuccess)")
    return try EpisodeStore(
      folder: path + ".parts", identity: identity + (horizon.map { "\nhorizon \($0)" } ?? ""),
      earlier: horizon == nil ? nil : identity, replacing: replace)
  }

  /// Has the simulator's experts solve the task.
  func record() throws {
    let horizon = try plan.horizon(task)
    let store = try store(horizon: horizon)
    let collected = try plan.collect("record \(task)", count: plan.count, in: store) { failed, _ in
      failed > plan.count + 20 ? "\(task): the expert failed \(failed) times; giving up" : nil
    } request: { attempt in
      .record(
        .init(
          task: task, number: attempt, seed: sceneSeed(attempt: attempt), horizon: horizon, afterSuccess: afterSuccess,
          store: store.folder))
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
