import ArgumentParser
import Foundation
import ImitationKit

/// `imitate ablate`: a recipe in every combination of splits, encoders, policies and seeds.
struct Ablate: Verb {
  static let configuration = CommandConfiguration(
    commandName: "ablate",
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
  @Option(name: .customLong("jobs"), help: "How many cells at once; as many as cores and memory hold when left out.")
  var atOnce: Int?
  @Option(help: "Cores of one job.") var cores: Int?
  @OptionGroup var device: DeviceChoice
  @OptionGroup var deadline: WorkerDeadline
  @Option(help: "Write a Slurm array job here that runs the grid, and run nothing.") var slurm: String?
  @Option(help: ArgumentHelp("Run only this cell, by its number from 0; for array jobs.")) var cell: Int?
  @Flag(help: "Evaluate although the demonstrations do not say what their actions mean.") var trustActions = false
  @Flag(help: "List the cells and check their recipes and data, and run nothing.") var dryRun = false
  @Flag(help: "Write the report of what there is, and run nothing.") var reportOnly = false
  @OptionGroup var place: DatasetPlace

  func validate() throws {
    try requirePositive(("jobs", atOnce), ("cores", cores))
    // An empty variable of a shell would make a grid of nothing.
    for (name, list) in [("encoder", encoder), ("policy", policy), ("split", split), ("seed", seed)] {
      if let list, Ablation.list(list).isEmpty { throw ValidationError("--\(name) names nothing") }
    }
  }

  func run(in session: Session) throws {
    let grid = try grid(session.catalog)
    let jobs = AblationJobs(
      atOnce: atOnce, cores: cores, device: device, deadline: deadline, trustActions: trustActions,
      places: places)
    if let slurm { return try grid.writeSlurm(slurm, arguments: arguments(grid), cores: cores ?? 4) }
    if reportOnly { return try report(grid, session.catalog) }
    if dryRun {
      print(table(["cell", "name", "state"], grid.cells.enumerated().map { ["\($0)", $1.name, $1.state] }))
      return try jobs.check(grid.cells)
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
    let failed = try jobs.run(cells)
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
    tell(notes: SettingsFile.oldKeys(recipe, changes: changes))
    let base = try Recipe(path: recipe, changes: changes)
    let registry = try place.registry(base.data)
    let splits = split.map(Ablation.list)
    for split in splits ?? [] { _ = try registry.split(split) }
    return try Ablation(
      recipe: recipe, changes: changes, splits: splits, encoders: encoder.map(Ablation.list),
      policies: policy.map(Ablation.list), seeds: seeds, folder: folder ?? "runs/\(base.name)-ablation",
      catalog: catalog)
  }

  /// What makes the same grid elsewhere.
  private func arguments(_ grid: Ablation) -> [String] {
    var arguments = ["ablate", recipe]
    for (name, value) in [("encoder", encoder), ("policy", policy), ("split", split), ("seed", seed), ("tasks", tasks)]
    {
      if let value { arguments += ["--\(name)", value] }
    }
    for change in changes { arguments += ["--set", change] }
    arguments += device.arguments + deadline.arguments
    return arguments + ["--run", grid.folder] + places + (trustActions ? ["--trust-actions"] : [])
  }

  /// Where children find the demonstrations.
  private var places: [String] { place.arguments }

  private func report(_ grid: Ablation, _ catalog: Catalog) throws {
    let files = try grid.report(title: "\((recipe as NSString).lastPathComponent): ablation", catalog)
    print(files.isEmpty ? "no cell has a result yet" : files.joined(separator: "\n"))
  }
}
