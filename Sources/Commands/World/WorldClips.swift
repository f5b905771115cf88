import Foundation
import ImitationKit

/// A trained world model beside the demonstrations it was trained on.
struct TrainedWorld {
  let folder: RunFolder
  let recipe: WorldRecipe
  let model: WorldModel
  let data: WorldFrames
  private let contents: [String]

  /// - Throws: `RunError`, `SettingError`, or what opening the demonstrations threw.
  init(_ folder: RunFolder, place: DatasetPlace, catalog: Catalog) throws {
    self.folder = folder
    guard FileManager.default.fileExists(atPath: folder.recipe) else {
      throw CommandFailure(
        "\(folder.path): no world model's run (no recipe.yaml); `imitate world train RECIPE --run \(folder.path)` makes one"
      )
    }
    recipe = try WorldRecipe(path: folder.recipe)
    guard FileManager.default.fileExists(atPath: WorldRun.file(folder)) else {
      throw CommandFailure("\(folder.path): no finished world model yet; run `imitate world train` to its end")
    }
    model = try WorldModel(path: WorldRun.file(folder), parts: catalog)
    (data, contents) = try recipe.frames(place: place, catalog: catalog, needsDepth: model.needsDepth)
    let last = RunFolder("\(folder.path)/\(WorldRecipe.Stage.dynamics.rawValue)")
    do {
      _ = try Stage(last, identity: recipe.identity(of: .dynamics, contents)).step()
    } catch CheckpointError.otherRecipe {
      throw CommandFailure(
        "\(folder.path): its demonstrations are not those that it was trained on: what is held out now may be what it "
          + "learned from; bring them back, or train it again with --restart")
    }
  }

  /// Some moments of one episode, from `present` on, imagined and true.
  struct Clip {
    /// As the first camera saw them: `[context + steps, height, width, 3]`.
    var frames: Tensor
    /// True states, the anchors those of the first moment: `[context + steps, tokens, numbers]`.
    var states: Tensor
    /// Predicted states of the moments after the context: `[steps, tokens, numbers]`.
    var predicted: Tensor
    /// What those are worth by the model, one number each; nil when it has no reward head.
    var rewards: [Float]?
    /// And what they brought.
    var trueRewards: [Float]
    /// What the lift makes of each moment, when asked for.
    var lifted: Gaussians?
    /// Where the first camera stood.
    var views: [SplattingView]
  }

  /// - Parameters:
  ///   - first: the first moment of the context.
  ///   - steps: how many moments after the context, by the model's own predictions.
  func clip(episode: Int, first: Int, steps: Int, lifted: Bool = false) throws -> Clip {
    let context = LatentDynamics.context
    let moments = (0..<context + steps).map { EpisodeStep(episode: episode, step: first + $0) }
    let views = try data.views(moments)
    let encoding = model.encoding(views)
    let reference = encoding.gathered(Array(repeating: 0, count: moments.count))
    let states = model.state(encoding, reference: reference)
    let history = states.sliced(axis: 0, 0..<context).unsqueezed(0)
    let actions = try data.actions(after: [moments[context - 1]], steps: steps)
    var random = Random(seed: 0).split("imagine").split(episode).split(first)
    let imagined = model.imagine(history: history, actions: actions, random: &random)
    let own =
      views.views(from: 0)
      ?? Array(repeating: model.blueprint.context.view, count: moments.count)
    return Clip(
      frames: views.images[0], states: states,
      predicted: Tensor.concatenated(imagined.map(\.state), axis: 0),
      rewards: model.dynamics.hasReward ? imagined.map { $0.reward!.item } : nil,
      trueRewards: Array(
        try data.rewards(episode: episode)[first + context - 1..<first + context - 1 + steps]),
      lifted: lifted ? model.lift.map { $0(views) } : nil, views: own)
  }

  /// What clips must have in common to be compared: the files, what is held out of them, and what the first camera sees.
  var ground: [String] {
    let context = data.blueprint.context
    return contents + data.heldOut.map(String.init)
      + [context.cameras[0], "\(context.size.width)x\(context.size.height)"]
  }

  /// Where clips of `steps` begin, at most `count`, spread evenly over the held-out episodes.
  func places(steps: Int, count: Int) -> [(episode: Int, first: Int)] {
    let length = LatentDynamics.context + steps
    let all = data.heldOut.flatMap { episode in
      (0..<max(0, data.reader.episodes[episode].length - length + 1)).map { (episode: episode, first: $0) }
    }
    guard all.count > count else { return all }
    return (0..<count).map { all[$0 * all.count / count] }
  }
}

extension Image {
  /// An image `[height, width, 3]` of values in 0...1.
  init(_ image: Tensor) {
    self.init(
      width: image.shape[1], height: image.shape[0],
      pixels: image.scalars.map { UInt8(min(max($0, 0), 1) * 255 + 0.5) })
  }

  /// Every pixel as a square.
  func enlarged(_ factor: Int) -> Image {
    var pixels: [UInt8] = []
    pixels.reserveCapacity(self.pixels.count * factor * factor)
    for y in 0..<height {
      let row = (0..<width).flatMap { x -> [UInt8] in
        let pixel = Array(self.pixels[(y * width + x) * 3..<(y * width + x + 1) * 3])
        return (0..<factor).flatMap { _ in pixel }
      }
      for _ in 0..<factor { pixels += row }
    }
    return Image(width: width * factor, height: height * factor, pixels: pixels)
  }
}
