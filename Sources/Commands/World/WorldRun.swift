import Foundation
import ImitationKit

extension WorldTraining {
  /// Opens a recipe's demonstrations, showing how far that is.
  init(_ recipe: WorldRecipe, _ folder: RunFolder, _ place: DatasetPlace, _ catalog: Catalog) throws {
    let registry = try place.registry(recipe.data)
    let bar = ProgressBar("open demonstrations", total: 1, unit: "episodes")
    var opened = 0
    try self.init(recipe: recipe, folder: folder, registry: registry, catalog: catalog) { done, total in
      opened = total
      bar.update(done, of: total)
    }
    bar.update(opened, of: opened)
    bar.finish(note: "\(data.training.count) to train on, \(data.heldOut.count) held out")
    for note in data.reader.notes { tell("note: \(note)") }
  }

  /// Makes the run's folder ready to train in.
  func begin(restart: Bool) throws {
    // What was measured before more steps says nothing of what comes of them.
    for file in [WorldEvaluation.file(folder), ProbeResult.file(folder)] {
      try? FileManager.default.removeItem(atPath: file)
    }
    try folder.create(recipe: recipe.text, replace: restart || hasBegun)
  }

  /// Trains what is not trained yet, showing how far it is.
  /// - Throws: `CommandFailure` when `interruption` asked to stop.
  func train(_ interruption: Interruption) throws {
    var bar: ProgressBar?
    var held = ""
    let finished = try train(precomputation(interruption), shouldStop: { interruption.isAsked }) { event in
      switch event {
      case .note(let text): tell(text)
      case .begins(let stage, let first, let steps):
        held = ""
        bar = ProgressBar("train \(stage)", total: steps, unit: "steps", first: first)
      case .ended: bar?.finish(note: held)
      case .training(.logged(let row)):
        if let loss = row.heldOutLoss { return held = String(format: "  held out %.4f", loss) }
        let details = (row.parts ?? [:]).sorted { $0.key < $1.key }.map {
          String(format: "%@ %.4f", $0.key, $0.value)
        }
        bar?.update(
          row.step, note: String(format: "loss %.4f  ", row.loss ?? 0) + details.joined(separator: "  ") + held)
      case .training: break
      }
    }
    guard finished else { throw Interruption.failure }
  }

  /// Keeps what the recipe allows in memory, and shows how far it is.
  private func precomputation(_ interruption: Interruption) -> Precomputation {
    var bars: [String: ProgressBar] = [:]
    return Precomputation(
      keeps: { name, count, shape in
        try MachineMemory.holds(
          count * shape.reduce(1, *) * MemoryLayout<Float>.size, name, recipe.data,
          processes: ranks?.group.place.beside ?? 1)
      },
      progress: { name, done, total in
        try interruption.check()
        let bar = bars[name] ?? ProgressBar("compute \(name)", total: total, unit: name)
        bars[name] = bar
        bar.update(done)
        if done == total { bar.finish() }
      })
  }
}
