import Foundation
import ImitationKit
import Synchronization

extension Replay {
  /// Plays demonstrations in environments of their own, some at once.
  func play(
    _ names: [String], of source: DemonstrationFile, _ choice: Choice, _ task: String, _ catalog: Catalog
  ) throws -> [ReplayedDemo] {
    let environments = try EvaluationEnvironments(choice, catalog, workers)
    defer { environments.finish() }
    let interruption = Interruption()
    let bar = ProgressBar("replay", total: names.count, unit: "demos")
    let found = Mutex(names.map { ReplayedDemo(demo: $0) })
    Turns.run(names.count, threads: workers.count ?? ProcessorCores.count) { _, next in
      var environment: (any Environment)?
      while !interruption.isAsked, let index = next() {
        for _ in 0..<VectorRollout.attempts {
          do {
            // Nobody looks at images.
            let made = try environment ?? environments.make(drawing: false)
            environment = made
            let replayed = try play(names[index], of: source, in: made, task)
            found.withLock { $0[index] = replayed }
            break
          } catch {
            found.withLock { $0[index].problem = "\(error)" }
          }
          // A simulator that went down, or did not come up, may have been ended for nothing of its own.
          let isDown = environment.map { ($0 as? ProcessEnvironment)?.isDown ?? false } ?? true
          guard isDown, !interruption.isAsked else { break }
        }
        bar.advance()
      }
    }
    bar.finish()
    guard !interruption.isAsked else { throw CommandFailure("stopped") }
    return found.withLock { $0 }
  }

  private func play(
    _ demo: String, of source: DemonstrationFile, in environment: any Environment, _ task: String
  ) throws -> ReplayedDemo {
    let file = source.file(of: demo)
    let path = source.array(actions, of: demo)
    let width = environment.spec.actions.count
    let values = try file.floats(path)
    guard values.count == (try file.shape(path).first ?? 0) * width else {
      throw CommandFailure("\(path) has rows of another width than \(width)")
    }
    var replayed = ReplayedDemo(demo: demo, recorded: values.count / width)
    replayed.start = try ReplayStart(demo, of: source).begin(in: environment, task)
    while replayed.steps < replayed.recorded, !replayed.success {
      let step = try environment.step(Array(values[replayed.steps * width..<(replayed.steps + 1) * width]))
      replayed.steps += 1
      replayed.success = step.success
      if step.isLast { break }
    }
    return replayed
  }
}
