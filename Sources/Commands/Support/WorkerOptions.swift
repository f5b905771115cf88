import ArgumentParser
import ImitationKit
import Tensors

/// How long a worker process may be silent, for the verbs that have some.
struct WorkerDeadline: ParsableArguments {
  static let standard = 300

  @Option(
    name: .customLong("deadline"),
    help: ArgumentHelp(
      "Seconds without a sign of life after which a worker process is ended; 300 when left out.",
      discussion:
        "A worker gives one after each step; its episode is tried again, as when it crashes, and fails the third time.",
      valueName: "seconds"))
  private var asked: Int?

  var seconds: Int { asked ?? WorkerDeadline.standard }

  /// What passes it on to another verb: nothing where nothing is asked.
  var arguments: [String] { asked.map { ["--deadline", "\($0)"] } ?? [] }

  /// What says the same to a simulator that runs in a process of its own: the change to a recipe, none where nothing is asked.
  func changes(to kind: String?, _ catalog: Catalog) -> [String] {
    guard let asked, let kind, catalog.processEnvironment(kind) != nil else { return [] }
    return ["evaluation.simulator.deadline=\(asked)"]
  }

  func validate() throws { try requirePositive(("deadline", asked)) }
}

/// How many worker processes a verb has, and how long one may be silent.
struct WorkerOptions: ParsableArguments {
  @Option(name: .customLong("workers"), help: "Worker processes; one a core when left out.") var count: Int?
  @OptionGroup var deadline: WorkerDeadline

  func validate() throws { try requirePositive(("workers", count)) }
}

/// Who makes batches while a model trains.
struct LoaderOptions: ParsableArguments {
  @Option(
    name: .customLong("workers"),
    help: ArgumentHelp(
      "Threads that make batches ahead; one for every four cores when left out, at most eight.",
      discussion: "The weights do not depend on how many there are.", valueName: "threads"))
  private var workers: Int?

  /// Beside a GPU the cores have nothing else to do, and beside a processor that computes, workers that are ahead sleep.
  var count: Int { workers ?? min(max(1, ProcessorCores.count / 4), 8) }

  func validate() throws { try requirePositive(("workers", workers)) }
}
