import Evaluation
import GaussianWorld
import Imitation
import Tensors
import Training

/// What a run makes of frames on the way from images to actions, stage by stage: each a row of numbers a frame.
package struct FeatureStages {
  /// A stage and the row that it gives for each frame asked for, `[frames, width]`.
  private typealias Stage = (name: String, rows: () throws -> Tensor)

  package let training, heldOut: [Int]
  package let episodes: [Episode]
  /// In the order of the way, with their widths.
  package let stages: [(name: String, width: Int)]
  private let compute: (_ frames: [EpisodeStep]) throws -> [Stage]

  private init(
    _ reader: any EpisodeReader, training: [Int], heldOut: [Int],
    compute: @escaping (_ frames: [EpisodeStep]) throws -> [Stage]
  ) throws {
    (self.training, self.heldOut, self.compute) = (training, heldOut, compute)
    episodes = reader.episodes
    let example = try compute([EpisodeStep(episode: 0, step: 0)])
    stages = try example.map { ($0.name, try $0.rows().count) }
  }

  /// The features of some frames at some of the stages, `[frames, width]` each.
  package func features(_ frames: [EpisodeStep], _ range: Range<Int>) throws -> [Tensor] {
    try compute(frames)[range].map { try $0.rows().reshaped([frames.count, -1]) }
  }

  /// A world model's: what is kept of a frame, the state's tokens, and the tokens before the first layer and after each.
  package init(_ world: TrainedWorld) throws {
    let (model, data) = (world.model, world.data)
    try self.init(data.reader, training: data.training, heldOut: data.heldOut) { frames in
      let state = once {
        // An episode's first frame stands for those before it.
        let moments = frames.flatMap { frame in
          (1 - model.context...0).map { EpisodeStep(episode: frame.episode, step: max(0, frame.step + $0)) }
        }
        return model.observe(try data.views(moments))
      }
      let hidden = once { model.hidden(try state()) }
      var stages: [Stage] = []
      if let model = model as? GaussianWorldModel {
        stages.append((model.lift == nil ? "image" : "Gaussians", { model.encoding(try data.views(frames)) }))
      }
      stages.append(("latents", { try state().tokens }))
      for layer in 0...model.hiddenLayers { stages.append(("block \(layer)", { try hidden()[layer] })) }
      return stages
    }
  }

  /// A policy's: the rows of its encoder's frozen part, and what its encoder makes of images, untrained and trained.
  ///
  /// - Parameter untrained: the policy before training; nil to leave that out.
  package init(_ policy: TrainedPolicy, untrained: TrainedPolicy?, _ data: TrainingData) throws {
    let encoder = policy.policy.encoder
    let window = Window(observations: -encoder.history...0, actions: 0...0)
    let encoders = [("untrained", untrained?.policy.encoder), ("trained", encoder)].compactMap { name, encoder in
      encoder.map { (name: name, encoder: $0) }
    }
    try self.init(data.reader, training: data.training, heldOut: data.heldOut) { frames in
      let batch = try data.reader.batch(frames, window: window)
      var seen = try policy.normalizer.normalized(batch.observations)
      var stages: [Stage] = []
      if let encoder = encoder as? any FrozenEncoder, encoder.frozenCount != nil, encoder.frozenSteps == .max {
        // The same before training and after it.
        let rows = encoder.frozen(seen)
        seen.frozen = rows
        stages.append(("frozen tokens", { rows }))
      }
      let observations = seen
      for (name, encoder) in encoders {
        let features = once { encoder(observations) }
        if encoder.layout.tokens != nil { stages.append(("tokens, \(name)", { try features().tokens! })) }
        for (what, source) in [("pooled world feature", FeatureLayout.Source.world), ("image features", .image)] {
          let columns = encoder.layout.columns(from: [source])
          guard !columns.isEmpty else { continue }
          stages.append(("\(what), \(name)", { try features().pooled.gathered(columns, axis: 2) }))
        }
      }
      return stages
    }
  }
}

/// What is made when it is first asked for.
private func once<Value>(_ make: @escaping () throws -> Value) -> () throws -> Value {
  var made: Value?
  return {
    if let made { return made }
    let value = try make()
    made = value
    return value
  }
}

extension TrainedPolicy {
  /// It as it was before training; nil when a file that its encoder was made from is not there any more, or is another one.
  package func untrained(_ catalog: Catalog) -> TrainedPolicy? {
    var blueprint = blueprint
    (blueprint.encoder.attachments, blueprint.encoder.tensors) = ([:], [:])
    let built = try? TrainedPolicy(recipe: recipe, blueprint: blueprint, normalizer: normalizer, catalog: catalog)
    // What it began with is known of policies since version 0.2; of others only while it is frozen.
    let weights = EncoderContext.worldWeights
    if let built, let began = policy.encoder.attachments[weights] {
      return built.policy.encoder.attachments[weights] == began ? built : nil
    }
    guard let built, let mine = policy.encoder as? any FrozenEncoder, mine.frozenCount != nil,
      mine.frozenSteps == .max
    else { return built }
    let other = built.policy.encoder as? any FrozenEncoder
    return other?.frozenIdentity == mine.frozenIdentity ? built : nil
  }
}

extension FeatureStages {
  /// What stands in the way of a probe.
  package enum Problem: Error, Equatable, CustomStringConvertible {
    case nothingHeldOut(String)
    case fewDemonstrations(String)
    case otherDemonstrations(String, change: String)
    case noFeatures(String)

    package var description: String {
      switch self {
      case .nothingHeldOut(let run):
        "\(run): no demonstration was held out (data.validation; a task keeps at least one to train on)"
      case .fewDemonstrations(let run):
        "\(run): trained on one demonstration; a probe needs two or more, to choose its penalty"
      case .otherDemonstrations(let run, let change):
        "\(run): the demonstrations changed since it was trained (\(change)): what is held out now may be what it learned from"
      case .noFeatures(let run): "\(run): its encoder gives no features of images to regress on"
      }
    }
  }

  /// Bytes of features that are kept at a time; the stages are gone through in parts that need no more.
  private static let memory = 2 << 30

  /// Regresses targets on every stage.
  ///
  /// - Parameters:
  ///   - frames: how many frames to regress on, spread evenly; half as many are held out.
  ///   - progress: called with how many frames of how many are done.
  /// - Throws: `Problem`, or what the reader threw.
  package func probe(
    _ targets: ProbeTargets, run: String, step: Int?, frames: Int, memory: Int = FeatureStages.memory,
    progress: (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) throws -> ProbeResult {
    guard !stages.isEmpty else { throw Problem.noFeatures(run) }
    guard !heldOut.isEmpty else { throw Problem.nothingHeldOut(run) }
    guard training.count > 1 else { throw Problem.fewDemonstrations(run) }
    let known = spread(training, frames)
    let all = known + spread(heldOut, max(1, frames / 2))
    let probe = LinearProbe(
      all.map(targets.frame), training: known.count, targets: targets.targets, phases: targets.phases)
    var result = ProbeResult(
      run: run, step: step, training: training.count, heldOut: heldOut.count, graspBy: targets.graspBy,
      targets: targets.targets, phases: probe.phases.filter { $0.training + $0.heldOut > 0 }, rows: [probe.mean])
    let gripper =
      targets.gripper == nil
      ? nil : { (rows: [Int]) in Tensor(rows.flatMap { targets.gripper(all[$0]) }, shape: [rows.count, 3]) }
    if let gripper {
      result.rows.append(probe.row("gripper position", width: 3, isBaseline: true, features: gripper))
    }
    // Policies know where the gripper is, so regressions on what they see may know it, too, unless it is what they are to find.
    let beside = targets.targets.contains { $0.name == targets.gripper?.name } ? nil : gripper
    let parts = parts(of: memory / (4 * all.count))
    for (number, part) in parts.enumerated() {
      let stores = stages[part].map { TensorStore(count: all.count, shape: [$0.width]) }
      for start in stride(from: 0, to: all.count, by: 16) {
        let some = Array(all[start..<min(all.count, start + 16)])
        for (store, rows) in zip(stores, try features(some, part)) { store.set(rows, at: start) }
        try progress(number * all.count + start + some.count, parts.count * all.count)
      }
      for (store, stage) in zip(stores, stages[part]) {
        result.rows.append(probe.row(stage.name, width: stage.width, beside: beside) { store.rows($0) })
      }
    }
    return result
  }

  /// Neighboring stages of at most `width` numbers a frame together, or one.
  private func parts(of width: Int) -> [Range<Int>] {
    var parts: [Range<Int>] = []
    for place in stages.indices {
      if let last = parts.last, stages[last.lowerBound...place].reduce(0, { $0 + $1.width }) <= width {
        parts[parts.count - 1] = last.lowerBound..<place + 1
      } else {
        parts.append(place..<place + 1)
      }
    }
    return parts
  }

  private func spread(_ chosen: [Int], _ count: Int) -> [EpisodeStep] {
    let all = chosen.flatMap { episode in
      (0..<episodes[episode].length).map { EpisodeStep(episode: episode, step: $0) }
    }
    return all.count <= count ? all : (0..<count).map { all[$0 * all.count / count] }
  }
}
