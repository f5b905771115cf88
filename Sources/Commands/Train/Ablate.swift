import ArgumentParser
import Evaluation
import Foundation
import Imitation
import Layers
import Synchronization
import Tensors
import Training

/// `imitate ablate`: a recipe in every combination of splits, encoders, policies and seeds.
struct Ablate: Verb {
  static let configuration = CommandConfiguration(
    abstract: "Train and evaluate a recipe in every combination of splits, encoders, policies and seeds.",
    discussion: """
      Each cell of the grid is a run folder of its own. An interrupted grid goes on where it stopped; equal cells are run once; \
      the report shows what there is. An encoder or a policy is named by its kind, as YAML ({kind: small, crop: 58}), or by \
      a recipe that has it: of a policy's recipe its actions and training settings come along.
      """)

  @Argument(help: "The recipe that all cells start from.") var recipe: String
  @Option(help: "Encoders, separated by commas.") var encoder: String?
  @Option(help: "Policies, separated by commas.") var policy: String?
  @Option(help: "Splits, separated by commas.") var split: String?
  @Option(help: "Training seeds, separated by commas.") var seed: String?
  @Option(help: "Tasks or groups of tasks instead of the recipe's, separated by commas; 'all' for every one.")
  var tasks: String?
  @Option(name: .customLong("set"), help: "Change a value of every recipe: path.to.key=value.") var changes: [String] =
    []
  @Option(name: .customLong("run"), help: "The folder of the grid; runs/NAME-ablation when left out.") var folder:
    String?
  @Option(help: "How many cells at once; as many as cores and memory hold when left out.") var jobs: Int?
  @Option(help: "Cores of one job.") var cores: Int?
  @OptionGroup var deadline: WorkerDeadline
  @Option(help: "Write a Slurm array job here that runs the grid, and run nothing.") var slurm: String?
  @Option(help: ArgumentHelp("Run only this cell, by its number from 0; for array jobs.")) var cell: Int?
  @Flag(help: "Evaluate although the demonstrations do not say what their actions mean.") var trustActions = false
  @Flag(help: "List the cells and check their recipes and data, and run nothing.") var dryRun = false
  @Flag(help: "Write the report of what there is, and run nothing.") var reportOnly = false
  @OptionGroup var place: DatasetPlace

  func validate() throws {
    try requirePositive(("jobs", jobs), ("cores", cores))
  }

  func run(in session: Session) throws {
    let grid = try grid(session.catalog)
    if let slurm { return try writeSlurm(slurm, grid) }
    if reportOnly { return try report(grid, session.catalog) }
    if dryRun {
      print(table(["cell", "name", "state"], grid.cells.enumerated().map { ["\($0)", $1.name, state($1)] }))
      for cell in grid.cells where !cell.isFinished {
        try write(cell)
        let check = try child(["train", cell.recipeFile, "--run", cell.folder.path, "--dry-run"] + places, log: nil)
        guard check == 0 else { throw CommandFailure("\(cell.name): its recipe does not pass; see above") }
      }
      return
    }
    let cells: [Ablation.Cell]
    if let cell {
      guard grid.cells.indices.contains(cell) else {
        throw CommandFailure("there is no cell \(cell): the grid has \(grid.cells.count), from 0")
      }
      cells = [grid.cells[cell]]
    } else {
      cells = grid.cells
    }
    let failed = try run(cells)
    if cell == nil { try report(grid, session.catalog) }
    guard failed.isEmpty else {
      throw CommandFailure("\(failed.count) of \(cells.count) cells failed: \(failed.joined(separator: ", "))")
    }
  }

  private func grid(_ catalog: Catalog) throws -> Ablation {
    let changes = try changes + TaskChoice.change(to: tasks, of: recipe, changes: changes, place: place)
    let seeds = try seed.map { text in
      try Ablation.list(text).map { number in
        guard let seed = UInt64(number) else { throw CommandFailure("--seed: '\(number)' is not a whole number") }
        return seed
      }
    }
    let base = try TaskChoice.policyRecipe(recipe, changes: changes)
    let registry = try place.registry(base.data.registry)
    let splits = split.map(Ablation.list)
    for split in splits ?? [] { _ = try registry.split(split) }
    return try Ablation(
      recipe: recipe, changes: changes, splits: splits, encoders: encoder.map(Ablation.list),
      policies: policy.map(Ablation.list), seeds: seeds, folder: folder ?? "runs/\(base.name)-ablation",
      catalog: catalog)
  }

  private func state(_ cell: Ablation.Cell) -> String {
    if cell.isFinished { return "finished" }
    return cell.folder.checkpointSteps.last.map { "\($0) of \(cell.recipe.training.steps) steps" } ?? "not begun"
  }

  private func report(_ grid: Ablation, _ catalog: Catalog) throws {
    let files = try grid.report(title: "\((recipe as NSString).lastPathComponent): ablation", catalog)
    print(files.isEmpty ? "no cell has a result yet" : files.joined(separator: "\n"))
  }

  // MARK: On this machine

  /// Where children find the demonstrations.
  var places: [String] { ["--datasets", place.datasets] + (place.root.map { ["--root", $0] } ?? []) }

  private func write(_ cell: Ablation.Cell) throws {
    try FileManager.default.createDirectory(
      atPath: (cell.recipeFile as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try AtomicFile.write(Data(cell.recipe.text.utf8), to: cell.recipeFile)
  }

  /// - Returns: the names of cells that failed.
  private func run(_ cells: [Ablation.Cell]) throws -> [String] {
    let open = cells.filter { !$0.isFinished }
    let interruption = Interruption()
    let all = ProcessorCores.available
    let perJob = min(all.count, cores ?? jobs.map { max(1, all.count / $0) } ?? (all.count < 8 ? all.count : 4))
    let fits = max(1, min(all.count / perJob, MachineMemory.free / Ablate.need(of: open.map(\.recipe))))
    let atOnce = min(open.count, jobs ?? fits, all.count / perJob)
    let state = Mutex((next: 0, failed: [String]()))
    tell("\(cells.count) cells, \(cells.count - open.count) finished; \(max(1, atOnce)) at once on \(all.count) cores")
    let group = DispatchGroup()
    for job in 0..<atOnce {
      group.enter()
      Thread {
        while !interruption.isAsked {
          let index = state.withLock { state -> Int? in
            guard state.next < open.count else { return nil }
            defer { state.next += 1 }
            return state.next
          }
          guard let index else { break }
          let cell = open[index]
          // Cores of its own, so that jobs do not push each other aside.
          let mine =
            atOnce > 1 ? all[job * perJob..<(job + 1) * perJob].map(String.init).joined(separator: ",") : nil
          do {
            tell("\(cell.name): begins")
            try run(cell, cores: mine, quiet: atOnce > 1, interruption)
            tell("\(cell.name): \(self.state(cell))")
          } catch {
            if interruption.isAsked { break }
            tell("\(cell.name): \(CommandFailure.line(error))")
            state.withLock { $0.failed.append(cell.name) }
          }
        }
        group.leave()
      }.start()
    }
    group.wait()
    try interruption.check()
    return state.withLock { $0.failed }
  }

  private func run(_ cell: Ablation.Cell, cores: String?, quiet: Bool, _ interruption: Interruption) throws {
    try write(cell)
    let log = quiet ? cell.folder.path + ".log" : nil
    let train = ["train", cell.recipeFile, "--run", cell.folder.path] + places
    let evaluate = ["evaluate", cell.folder.path, "--deadline", "\(deadline.seconds)"] + places
    for arguments in [train, evaluate + (trustActions ? ["--trust-actions"] : [])] {
      // Both verbs go on where they stopped: a child that was killed, or ended because it hung, costs little.
      var status: Int32 = 0
      for _ in 0..<3 {
        status = try child(arguments, log: log, cores: cores, interruption)
        if status == 0 || status > 0 || interruption.isAsked { break }
      }
      guard status == 0 else {
        throw CommandFailure("`imitate \(arguments[0])` failed\(log.map { ", see \($0)" } ?? "")")
      }
    }
    guard cell.isFinished else {
      let errors = cell.errors
      throw CommandFailure(
        errors.first.map {
          "\(errors.count) episodes broke off; the same command tries them again. The first: \($0)"
        } ?? "episodes are missing; the same command tries them")
    }
  }

  /// - Returns: the exit status, negative for a signal.
  private func child(
    _ arguments: [String], log: String?, cores: String? = nil, _ interruption: Interruption? = nil
  ) throws -> Int32 {
    let program = Bundle.main.executablePath ?? CommandLine.arguments[0]
    let nothing = open("/dev/null", O_RDWR | O_CLOEXEC)
    defer { close(nothing) }
    let errors = log.map { open($0, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644) } ?? STDERR_FILENO
    guard nothing >= 0, errors >= 0 else {
      throw CommandFailure("\(log ?? "/dev/null"): not opened: \(String(cString: strerror(errno)))")
    }
    defer { if log != nil { close(errors) } }
    let process = try ChildProcess(
      executable: cores == nil ? program : "/usr/bin/taskset",
      arguments: (cores.map { ["-c", $0, program] } ?? []) + arguments,
      environment: ProcessInfo.processInfo.environment.merging(
        [Parent.variable: "\(ProcessInfo.processInfo.processIdentifier)"]) { _, new in new },
      input: nothing, output: nothing, errors: errors)
    // Children have a process group of their own: Ctrl-C does not reach them.
    var wasTold = false
    var stopped = 0
    while true {
      switch process.wait(seconds: 0.05) {
      case .exit(let code): return code
      case .signal(let number): return -number
      case nil: break
      }
      if interruption?.isAsked ?? false, !wasTold {
        process.terminate()
        wasTold = true
      }
      // Its workers' deadlines are its own affair; one that was stopped can keep none.
      stopped = process.isStopped ? stopped + 1 : 0
      if stopped > deadline.seconds * 20 {
        tell("`imitate \(arguments[0])` has stood still for \(deadline.seconds) s and is ended")
        process.kill()
      }
    }
  }

  /// What the largest of some runs may take: its decoded images, and what networks and workers need beside.
  static func need(of recipes: [Recipe]) -> Int {
    Int(((recipes.map(\.data.memoryGigabytes).max() ?? 0) + 2) * 1e9)
  }
}
