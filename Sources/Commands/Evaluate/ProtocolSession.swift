import ArgumentParser
import Foundation
import ImitationKit

/// What an evaluation on a robot needs beside.
struct ProtocolOptions: ParsableArguments {
  @Option(
    name: .customLong("protocol"),
    help: "On a robot: walk an operator through this file's variations, Recipes/franka-pnp.yaml for example.")
  var path: String?
  @Option(name: .customLong("set"), help: "Change how it is judged: evaluation.simulator.max_speed=0.1.")
  var changes: [String] = []

  /// - Parameter alone: whether nothing else says what is tried.
  /// - Throws: `ValidationError`.
  func validate(alone: Bool) throws {
    guard path == nil || alone else {
      throw ValidationError(
        "--protocol says what is tried; leave out --with, --tasks, --episodes, --replay, --shard, --slurm")
    }
  }
}

/// A policy on a robot, with an operator who sets up the variations of a protocol and says what came of each.
struct ProtocolSession {
  let folder: RunFolder
  let checkpoint: Checkpoint
  let recipe: Recipe
  let catalog: Catalog
  /// The protocol's file.
  let path: String
  /// The task, in place of the protocol's.
  var task: String?
  private let interruption = Interruption()

  init(_ folder: RunFolder, _ checkpoint: Checkpoint, _ recipe: Recipe, _ catalog: Catalog, path: String, task: String?)
  {
    (self.folder, self.checkpoint, self.recipe, self.catalog) = (folder, checkpoint, recipe, catalog)
    (self.path, self.task) = (path, task)
  }

  /// The same, and prints what came of it.
  func run(trusting: Bool, _ format: OutputFormat) throws {
    let (result, isInterrupted) = try run(trusting: trusting)
    tell("\n\(result.pace.line)")
    let json = try OutputFormat.json(result)
    print(format == .json ? json : result.consoleTable)
    // After the table: a full disk must not hide it.
    try AtomicFile.write(Data(json.utf8), to: "\(folder.path)/protocols/\(result.protocol).json")
    if isInterrupted { throw Interruption.failure }
    if result.all.tried < result.all.planned { tell("the same command goes on with the rest") }
  }

  /// Has the operator go through what is left of the protocol.
  ///
  /// - Parameter trusting: whether the policy may act although nobody knows what its actions mean.
  /// - Returns: what came of it, and whether it was stopped by a signal.
  /// - Throws: `SettingError`, `ActingError`, `CommandFailure`, `WriteError`, or why the robot does not start.
  func run(trusting: Bool) throws -> (result: ProtocolResult, isInterrupted: Bool) {
    let definition = try TrialProtocol(path: path)
    let made = try SettingError.naming(recipe.path) { try catalog.makeSimulator(recipe.evaluation.simulator) }
    guard let robot = made as? any RealTimeEnvironment else {
      throw CommandFailure("--protocol is for robots; \(recipe.evaluation.simulator.kind) is evaluated without one")
    }
    let task = try robot.spec.task(task ?? definition.task ?? robot.spec.onlyTask)
    let unknown = try checkpoint.blueprint.check(acting: robot.spec, trusting: trusting)
    let horizon = definition.horizon ?? task.horizon
    let policy = try TrainedPolicy(run: folder.path, step: checkpoint.step, catalog: catalog)
    let journal = try ProtocolJournal(
      path: "\(folder.path)/protocols/\(definition.name).jsonl", definition, step: checkpoint.step,
      weights: policy.digest, task: task.name, instruction: definition.instruction ?? "", horizon: horizon,
      conditions: recipe.conditions)
    let agent = policy.agent()
    let acting = OperatedRobot(robot, task: task, horizon: horizon, OperatorConsole(interruption))
    introduce(definition, journal, acting.console)
    try attempts(definition, journal, agent, acting)
    let result = ProtocolResult(
      definition, journal.attempts, toolkit: Toolkit.version, step: checkpoint.step, task: task.name,
      conditions: recipe.conditions, versions: robot.spec.versions, trustedActions: unknown)
    return (result, interruption.isAsked)
  }

  private func introduce(_ definition: TrialProtocol, _ journal: ProtocolJournal, _ console: OperatorConsole) {
    tell("\(definition.name)\(definition.about.isEmpty ? "" : ": \(definition.about)")")
    tell(console.warning)
    if journal.others > 0 {
      tell(note: "\(journal.others) attempts of another policy, protocol, task or robot are kept and not counted")
    }
  }

  private func attempts(
    _ definition: TrialProtocol, _ journal: ProtocolJournal, _ agent: Agent, _ acting: OperatedRobot
  ) throws {
    let items = definition.items
    for (place, item) in items.enumerated() where journal.isOpen(item) {
      let seed = EpisodeResult.seed(
        recipe.evaluation.seed, task: "\(definition.name)/\(item.group)", episode: item.number)
      repeat {
        tell("\n\(place + 1) of \(items.count), \(item.group):")
        for line in item.setup { tell("  \(line)") }
        guard acting.console.ask("Enter when it is set up, q to stop:", keys: ["enter", "q"]) == "enter" else { return }
        let played = acting.play(agent, seed: seed, instruction: definition.instruction)
        if interruption.isAsked {
          if played.pace.steps > 0 { try journal.appendRepeat(of: item) }
          return
        }
        tell(played.line)
        let question =
          played.error == nil
          ? "Did it succeed? s success, f failure, r repeat, q stop:" : "It broke. f count as failed, r repeat, q stop:"
        let answer = acting.console.ask(question, keys: (played.error == nil ? ["s"] : []) + ["f", "r", "q"])
        guard let answer, answer != "q" else {
          // It was played: an attempt that nobody judged is no secret.
          try journal.appendRepeat(of: item)
          return
        }
        if answer == "r" {
          try journal.appendRepeat(of: item)
          continue
        }
        do {
          try journal.append(
            ProtocolAttempt(item, success: answer == "s", seed: seed, pace: played.pace, error: played.error))
        } catch {
          tell("\(item.group), attempt \(item.number + 1): your answer '\(answer)' is not kept")
          throw error
        }
      } while journal.isOpen(item)
    }
  }
}

extension ProtocolResult {
  /// The table as `imitate evaluate --protocol` prints it: 7/20 and intervals, of each group and of all.
  var consoleTable: String {
    let lines = (groups + [all]).map { row in
      [
        row.group, "\(row.solved)/\(row.tried)", row.tried > 0 ? SuccessRate.percent(row.rate.rate) : "-",
        row.tried > 0 ? "\(SuccessRate.percent(row.low)) to \(SuccessRate.percent(row.high))" : "-",
        row.tried < row.planned ? "\(row.planned - row.tried) to go" : "",
      ]
    }
    return table([`protocol`, "solved", "rate", "95 % interval", ""], lines)
  }
}

extension PaceReport {
  /// In one line for people.
  var line: String {
    func late(_ count: Int, _ worst: Double) -> String {
      "\(count) late" + (count > 0 ? String(format: " (worst %.0f ms)", worst * 1000) : "")
    }
    return "\(steps) steps" + (rate.map { String(format: " at %.2f/s", $0) } ?? "")
      + "; answers: \(late(lateAnswers, worstLateness)); actions: \(late(lateActions, worstActionLateness)); "
      + "held \(holds) times; clipped \(clipped) steps, by the robot's adapter \(clippedByRobot)"
  }
}

extension Catalog {
  /// - Throws: `CommandFailure` when a simulator is a robot, which nobody may run unattended.
  func refuseRobot(_ simulator: Choice) throws {
    guard processEnvironment(simulator.kind) is any RealTimeEnvironment.Type else { return }
    throw CommandFailure(
      "\(simulator.kind): a real robot needs an operator: `imitate evaluate` with --protocol FILE, Recipes/franka-pnp.yaml for example"
    )
  }
}

extension EnvironmentSpec {
  /// - Throws: `CommandFailure` when there are several.
  var onlyTask: String {
    get throws {
      guard tasks.count == 1 else {
        throw CommandFailure("\(name) has several tasks: \(tasks.map(\.name).joined(separator: ", ")); name one")
      }
      return tasks[0].name
    }
  }
}
