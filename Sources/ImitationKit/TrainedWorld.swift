import Foundation
import GaussianWorld
import Imitation
import Tensors
import Training

/// A trained world model beside the demonstrations it was trained on.
package struct TrainedWorld {
  package let folder: RunFolder
  package let recipe: WorldRecipe
  package let model: any WorldModel
  package let data: WorldFrames
  private let contents: [String]

  /// What stands in the way of using a run.
  package enum Problem: Error, Equatable, CustomStringConvertible {
    case noRun(String)
    case unfinished(String)
    case otherDemonstrations(String)

    package var description: String {
      switch self {
      case .noRun(let path):
        "\(path): no world model's run (no recipe.yaml); `imitate world train RECIPE --run \(path)` makes one"
      case .unfinished(let path): "\(path): no finished world model yet; run `imitate world train` to its end"
      case .otherDemonstrations(let path):
        "\(path): its demonstrations, or how they are divided, are not those that it was trained on: what is held out now may be what it "
          + "learned from; bring them back, or train it again with --restart"
      }
    }
  }

  /// The recipe of a finished run.
  /// - Throws: `Problem`, or `SettingError`.
  package static func recipe(of folder: RunFolder) throws -> WorldRecipe {
    guard FileManager.default.fileExists(atPath: folder.recipe) else { throw Problem.noRun(folder.path) }
    let recipe = try WorldRecipe(path: folder.recipe)
    guard FileManager.default.fileExists(atPath: WorldTraining.file(folder)) else {
      throw Problem.unfinished(folder.path)
    }
    return recipe
  }

  /// - Parameter training: the run, opened with its demonstrations.
  /// - Throws: `Problem`, `SettingError`, or what opening the model threw.
  package init(_ training: WorldTraining, catalog: Catalog) throws {
    (folder, recipe, data, contents) = (training.folder, training.recipe, training.data, training.contents)
    model = try catalog.world(at: WorldTraining.file(folder))
    guard try training.isOfItsDemonstrations else { throw Problem.otherDemonstrations(folder.path) }
  }

  /// Some moments of one episode, from `present` on, imagined and true.
  package struct Clip {
    /// As each camera saw them: `[context + steps, height, width, 3]`.
    package var frames: [Tensor]
    /// True states, an item each moment, the anchors those of the first: `context + steps`.
    package var states: WorldState
    /// Predicted states of the moments after the context, an item each.
    package var predicted: WorldState
    /// What those are worth by the model, one number each; nil when it predicts none.
    package var rewards: [Float]?
    /// And what they brought.
    package var trueRewards: [Float]
    /// What the lift makes of each moment.
    package var lifted: Gaussians?
    /// Where each camera stood where that is known; the first one's always.
    package var views: [[SplattingView]]
  }

  /// - Parameters:
  ///   - first: the first moment of the context.
  ///   - steps: how many moments after the context, by the model's own predictions.
  package func clip(episode: Int, first: Int, steps: Int) throws -> Clip {
    let context = model.context
    let moments = (0..<context + steps).map { EpisodeStep(episode: episode, step: first + $0) }
    let views = try data.views(moments)
    // The last window is where the prediction begins; its tokens stand for the same in all.
    let windows = moments.indices.map { Array(repeating: $0, count: context) } + [Array(0..<context)]
    let all = model.observe(views, windows: windows, references: windows.map { _ in model.referenceFrame })
    let start = all.items(moments.count..<moments.count + 1)
    var states = all.items(0..<moments.count)
    states.history = states.tokens.unsqueezed(1)
    states.seen = start.seen?.gathered(Array(repeating: 0, count: moments.count))
    let actions = try data.actions(after: [moments[context - 1]], steps: steps)
    var random = Random(seed: 0).split("imagine").split(episode).split(first)
    let imagined = model.imagine(start, steps: actions, random: &random)
    let rewards = imagined.compactMap { $0.reward?.item }
    let own = data.blueprint.context
    return Clip(
      frames: views.images, states: states,
      predicted: WorldState(
        history: .concatenated(imagined.map { $0.state.tokens.unsqueezed(1) }, axis: 0),
        positions: start.positions.gathered(Array(repeating: 0, count: steps)),
        seen: start.seen?.gathered(Array(repeating: 0, count: steps))),
      rewards: rewards.count == steps ? rewards : nil,
      trueRewards: Array(try data.rewards(episode: episode)[first + context - 1..<first + context - 1 + steps]),
      lifted: (model as? GaussianWorldModel)?.lifted(views),
      views: views.calibrations == nil
        ? [Array(repeating: own.view, count: moments.count)]
        : views.images.indices.map { views.views(from: $0, in: own.frame)! })
  }

  /// What clips must have in common to be compared: the files, what is held out of them, and what the first camera sees.
  package var ground: [String] {
    let context = data.blueprint.context
    // Held-out episodes are counted within those that a filter key chooses.
    let choices = ((try? data.reader.fingerprints()) ?? []).map { "\($0.episodes) of \($0.key)" }
    return contents + choices + data.heldOut.map(String.init)
      + [context.cameras[0], "\(context.size.width)x\(context.size.height)"]
  }

  /// Where clips of `steps` begin, at most `count`, spread evenly over the held-out episodes.
  package func places(steps: Int, count: Int) -> [(episode: Int, first: Int)] {
    let length = model.context + steps
    let all = data.heldOut.flatMap { episode in
      (0..<max(0, data.reader.episodes[episode].length - length + 1)).map { (episode: episode, first: $0) }
    }
    guard all.count > count else { return all }
    return (0..<count).map { all[$0 * all.count / count] }
  }
}

extension WorldState {
  /// Some items of a batch.
  package func items(_ range: Range<Int>) -> WorldState {
    func part(_ tensor: Tensor) -> Tensor { tensor.sliced(axis: 0, range) }
    return WorldState(
      history: part(history), positions: part(positions), seen: seen?.gathered(Array(range)))
  }
}
