import Files
import Foundation
import ImitationKit
import Synchronization

/// The cells of a grid at work on this machine: children that train and evaluate, some at once, each on cores of its own.
struct AblationJobs {
  /// As many as cores and memory hold when nil.
  var atOnce: Int?
  /// Cores of one job.
  var cores: Int?
  /// What they compute on.
  var device: DeviceChoice
  var deadline: WorkerDeadline
  var trustActions: Bool
  /// Where children find the demonstrations.
  var places: [String]

  /// Checks recipes, data and shapes of cells that are not finished.
  /// - Throws: `CommandFailure` for one that does not pass.
  func check(_ cells: [Ablation.Cell]) throws {
    for cell in cells where !cell.isFinished {
      try write(cell)
      let check = try child(["train", cell.recipeFile, "--run", cell.folder.path, "--dry-run"] + places, log: nil)
      guard check == 0 else { throw CommandFailure("\(cell.name): its recipe does not pass; see above") }
    }
  }

  private func write(_ cell: Ablation.Cell) throws {
    try FileManager.default.createDirectory(
      atPath: cell.recipeFile.parentFolder, withIntermediateDirectories: true)
    try AtomicFile.write(Data(cell.recipe.text.utf8), to: cell.recipeFile)
  }

  /// Runs the cells that are not finished.
  /// - Returns: the names of those that failed.
  func run(_ cells: [Ablation.Cell]) throws -> [String] {
    let open = cells.filter { !$0.isFinished }
    let interruption = Interruption()
    let all = ProcessorCores.available
    let perJob = min(all.count, cores ?? atOnce.map { max(1, all.count / $0) } ?? (all.count < 8 ? all.count : 4))
    let fits = max(1, min(all.count / perJob, MachineMemory.free / AblationJobs.need(of: open.map(\.recipe))))
    let atOnce = min(open.count, self.atOnce ?? fits, all.count / perJob)
    let failed = Mutex<[String]>([])
    tell("\(cells.count) cells, \(cells.count - open.count) finished; \(max(1, atOnce)) at once on \(all.count) cores")
    Turns.run(open.count, threads: atOnce) { job, next in
      // Cores of its own, so that jobs do not push each other aside.
      let mine = atOnce > 1 ? all[job * perJob..<(job + 1) * perJob].map(String.init).joined(separator: ",") : nil
      while !interruption.isAsked, let index = next() {
        let cell = open[index]
        do {
          tell("\(cell.name): begins")
          try run(cell, cores: mine, quiet: atOnce > 1, interruption)
          tell("\(cell.name): \(cell.state)")
        } catch {
          if interruption.isAsked { break }
          tell("\(cell.name): \(CommandFailure.line(error))")
          failed.withLock { $0.append(cell.name) }
        }
      }
    }
    try interruption.check()
    return failed.withLock { $0 }
  }

  private func run(_ cell: Ablation.Cell, cores: String?, quiet: Bool, _ interruption: Interruption) throws {
    try write(cell)
    let log = quiet ? cell.folder.path + ".log" : nil
    let train = ["train", cell.recipeFile, "--run", cell.folder.path] + device.arguments + places
    let evaluate = ["evaluate", cell.folder.path] + deadline.arguments + device.arguments + places
    for arguments in [train, evaluate + (trustActions ? ["--trust-actions"] : [])] {
      // Both verbs go on where they stopped: a child that was killed, or ended because it hung, costs little.
      var status: Int32 = 0
      for _ in 0..<3 {
        status = try child(arguments, log: log, cores: cores, interruption)
        if status == 0 || status > 0 || interruption.isAsked { break }
      }
      // Why episodes crashed says more than that the verb failed.
      guard status == 0 || arguments[0] == "evaluate" && !cell.errors.isEmpty else {
        throw CommandFailure("`imitate \(arguments[0])` failed\(log.map { ", see \($0)" } ?? "")")
      }
    }
    guard cell.isFinished else {
      let errors = cell.errors
      throw CommandFailure(
        errors.first.map {
          "\(errors.count) episodes crashed; the same command tries them again. The first: \($0)"
        } ?? cell.longer ?? "episodes are missing; the same command tries them")
    }
  }

  /// - Returns: the exit status, negative for a signal.
  private func child(
    _ arguments: [String], log: String?, cores: String? = nil, _ interruption: Interruption? = nil
  ) throws -> Int32 {
    let program = WorkerPool.program
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
      environment: [:], input: nothing, output: nothing, errors: errors)
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
