import ArgumentParser

/// How long a worker process may be silent, for the verbs that have some.
struct WorkerDeadline: ParsableArguments {
  static let standard = 300

  @Option(
    name: .customLong("deadline"),
    help: ArgumentHelp(
      "Seconds without a sign of life after which a worker process is ended.",
      discussion:
        "A worker gives one after each step; its episode is tried again, as when it crashes, and fails the third time.",
      valueName: "seconds"))
  var seconds = WorkerDeadline.standard

  func validate() throws { try requirePositive(("deadline", seconds)) }
}

/// How many worker processes a verb has, and how long one may be silent.
struct WorkerOptions: ParsableArguments {
  @Option(name: .customLong("workers"), help: "Worker processes; one a core when left out.") var count: Int?
  @OptionGroup var deadline: WorkerDeadline

  func validate() throws { try requirePositive(("workers", count)) }
}
