import ArgumentParser
import Foundation
import ImitationKit
import Synchronization

/// `imitate replay-worker`: a child process of `replay`, not for people.
struct ReplayWorker: Verb {
  static let configuration = CommandConfiguration(
    commandName: "replay-worker", abstract: "Replay demonstrations over standard input and output.",
    shouldDisplay: false)

  @Argument(help: "The file of demonstrations.") var file: String
  @Option(help: "The simulator as JSON.") var simulator: String
  @Option(help: "The task.") var task: String
  @Option(help: "The array of actions.") var actions: String

  func run(in session: Session) throws {
    let source = try DemonstrationFile(path: file)
    let choice = try Choice(Setting(json: simulator), path: "simulator")
    var environment: (any Environment)?
    WorkerLoop.run(String.self) { demo, progress in
      ProcessEnvironment.$listener.withValue(WaitingListener(progress)) {
        var replayed = ReplayedDemo(demo: demo)
        for _ in 0..<WorkerPool.attempts {
          do {
            // Nobody looks at images.
            let made = try environment ?? session.catalog.makeSimulator(choice, drawing: false)
            environment = made
            replayed = try play(demo, of: source, in: made, progress)
            break
          } catch {
            replayed.problem = "\(error)"
          }
          // A simulator that went down may have been ended for nothing of its own.
          guard (environment as? ProcessEnvironment)?.isDown ?? false else { break }
        }
        return replayed
      }
    }
  }

  private func play(
    _ demo: String, of source: DemonstrationFile, in environment: any Environment, _ progress: () -> Void
  ) throws -> ReplayedDemo {
    let file = source.file(of: demo)
    let (path, group) = (source.array(actions, of: demo), source.group(demo))
    let width = environment.spec.actions.count
    let values = try file.floats(path)
    guard values.count == (try file.shape(path).first ?? 0) * width else {
      throw CommandFailure("\(path) has rows of another width than \(width)")
    }
    var replayed = ReplayedDemo(demo: demo, recorded: values.count / width)
    let seed = try? file.integer(of: group, "seed")
    let episode = EpisodeSpec(task: task, seed: seed.map { UInt64(max(0, $0)) } ?? 0, pool: .training)
    let states = file.exists("\(group)/states") ? try file.shape("\(group)/states") : []
    if let restoring = environment as? any StateRestoring, restoring.canRestore, states.count == 2, states[0] > 0,
      states[1] > 0
    {
      _ = try restoring.restore(file.doubles("\(group)/states", rows: 0..<1), of: episode)
      replayed.start = .state
    } else if seed != nil {
      _ = try environment.reset(episode)
      replayed.start = .seed
    } else {
      throw CommandFailure("no seed is recorded, nor a state that \(environment.spec.name) can restore")
    }
    progress()
    while replayed.steps < replayed.recorded, !replayed.success {
      let step = try environment.step(Array(values[replayed.steps * width..<(replayed.steps + 1) * width]))
      progress()
      replayed.steps += 1
      replayed.success = step.success
      if step.isLast { break }
    }
    return replayed
  }
}

extension Replay {
  /// Plays demonstrations in worker processes.
  func play(_ names: [String], _ choice: Choice, _ task: String) throws -> [ReplayedDemo] {
    let pool = WorkerPool(
      executable: WorkerPool.program,
      arguments: ["replay-worker", file, "--simulator", choice.setting.json, "--task", task, "--actions", actions],
      environment: ["LP_NUM_THREADS": "0"], workers: workers.count ?? ProcessorCores.count,
      deadline: Double(workers.deadline.seconds))
    let interruption = Interruption()
    let bar = ProgressBar("replay", total: names.count, unit: "demos")
    let done = Mutex(0)
    let outcomes = pool.run(names, responding: ReplayedDemo.self, shouldStop: { interruption.isAsked }) { _, _ in
      done.withLock { count in
        count += 1
        bar.update(count)
      }
    }
    bar.finish()
    guard !interruption.isAsked else { throw CommandFailure("stopped") }
    return zip(names, outcomes).map { name, outcome in
      switch outcome {
      case .success(let demo): demo
      case .failure(let reason), .crashed(let reason): ReplayedDemo(demo: name, problem: reason)
      case .notStarted: ReplayedDemo(demo: name, problem: "not begun")
      }
    }
  }
}
