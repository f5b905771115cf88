import Export
import Files
import Foundation
import Imitation
import Tensors
import Training

extension PolicyPackage {
  /// Adds the policy as ONNX graphs: from observations to features, and from features to actions or to a denoising step.
  ///
  /// - Parameter observations: of the demonstrations, to measure on what rounded weights change; it is not measured when nil: on made-up
  ///   observations they change far less.
  /// - Throws: `PolicyGraphs.Problem` when an operation has no description, and what measuring threw.
  package mutating func addGraphs(
    of trained: TrainedPolicy, precision: WeightPrecision, observations: [ObservationBatch]? = nil
  ) throws {
    let policy = trained.policy
    let parts = try PolicyGraphs(
      policy, normalizer: trained.normalizer, schema: trained.schema, instructions: trained.knownInstructions)
    var rounded: [String: Tensor] = [:]
    let metadata = try graphMetadata(policy.sampling, precision)
    for (file, graph) in zip(PolicyPackage.graphFiles, [parts.encoder, parts.head]) {
      let model = try ONNXModelProto(
        graph, name: "\(description.name) \(file.dropLast(5))", precision: precision, producer: Toolkit.version,
        metadata: metadata.merging(["graph": String(file.dropLast(5))]) { first, _ in first }, rounded: &rounded)
      graphs[file] = try model.bytes()
    }
    guard description.attachments?["instructions.sha256"] == nil else { throw PackageError.tableOutside }
    let steady = try trained.steadyExample(golden)
    isSteady = steady != nil
    golden = steady ?? golden
    let (answer, draws) = try golden.drawnAnswer(of: trained.agent())
    golden.draws = GoldenExample.draws(draws, seed: golden.seed, sampling: policy.sampling, width: answer.shape[1])
    golden.graphActions = try trained.with(rounded) { try golden.answer(of: trained.agent()) }
    description.graphs = Graphs(
      precision: precision, sampling: policy.sampling.json,
      change: rounded.isEmpty ? nil : try observations.map { try trained.change(by: rounded, over: $0) })
  }

  /// What whoever runs a graph should know.
  private func graphMetadata(_ sampling: Setting, _ precision: WeightPrecision) throws -> [String: String] {
    func json(_ value: some Encodable) throws -> String {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
    let (seen, action) = (description.observation, description.action)
    guard let affine = normalizer.keys[Normalizer.actions] else {
      throw NormalizerError.missing(key: Normalizer.actions)
    }
    return try [
      "toolkit": "ImitationKit \(description.toolkit)", "name": description.name,
      "recipe_sha256": SHA256.hash(Data(description.recipe.utf8)).hexadecimal,
      "encoder": description.encoder, "policy": description.policy, "precision": precision.rawValue,
      "averaged_weights": "\(description.averagedWeights)", "images": json(seen.images), "vectors": json(seen.vectors),
      "color_order": "RGB", "pixels": "0 to 255, rows from the top", "history": "\(seen.steps)",
      "actions": json(action.schema.dimensions), "control": action.schema.control ?? "unknown",
      "control_hertz": action.schema.controlHertz.map { "\($0)" } ?? "unknown",
      "layout": json(action.layout ?? .whole(width: action.schema.count)), "predicted": "\(action.predicted)",
      "executed": "\(action.executed)", "ensemble": action.ensemble.map { "\($0)" } ?? "none",
      "action_scale": json(affine.scale), "action_offset": json(affine.offset),
      "vocabulary": json(description.vocabulary), "sampling": sampling.json,
    ]
  }
}

extension PolicyPackage.Graphs.Change {
  /// In one line.
  package var words: String {
    String(
      format: "actions change by at most %.2g, %.2g on average, over %d recorded observations", largest, mean,
      observations)
  }
}

extension TrainedPolicy {
  /// Some instructions, or words of them, that the encoder knows.
  package var knownInstructions: [String] {
    let rows = policy.encoder.attachedTensors.keys.filter { $0.hasPrefix("instructions/") }.sorted()
    return rows.isEmpty ? blueprint.encoder.vocabulary : rows.map { String($0.dropFirst("instructions/".count)) }
  }

  /// How other weights change its actions, with the same random numbers.
  fileprivate func change(
    by rounded: [String: Tensor], over batches: [ObservationBatch]
  ) throws -> PolicyPackage.Graphs.Change {
    func actions() throws -> [Float] {
      try batches.flatMap { batch in
        var randoms = (0..<batch.count).map { Random(seed: UInt64($0)) }
        let actions = try policy.actions(for: normalizer.normalized(batch), randoms: &randoms)
        guard let affine = normalizer.keys[Normalizer.actions] else { return actions.scalars }
        return (actions * Tensor(affine.scale, shape: [affine.scale.count])).scalars
      }
    }
    let before = try actions()
    let differences = zip(before, try with(rounded, actions)).map { abs($0 - $1) }
    return .init(
      observations: batches.reduce(0) { $0 + $1.count }, largest: differences.max() ?? 0,
      mean: differences.reduce(0, +) / Float(max(1, differences.count)))
  }

  /// `body()`, some weights replaced meanwhile.
  package func with<Result>(_ weights: [String: Tensor], _ body: () throws -> Result) throws -> Result {
    guard !weights.isEmpty else { return try body() }
    let exact = policy.snapshot()
    try policy.load(exact.merging(weights) { $1 })
    defer { try? policy.load(exact) }
    return try body()
  }

  /// Observations of its demonstrations as recorded, spread over them, in batches of ten.
  /// - Throws: what the reader threw.
  package func observations(_ data: TrainingData, count: Int) throws -> [ObservationBatch] {
    let all = data.reader.episodes.enumerated().flatMap { episode, facts in
      (0..<facts.length).map { EpisodeStep(episode: episode, step: $0) }
    }
    let chosen = (0..<min(count, all.count)).map { all[$0 * all.count / min(count, all.count)] }
    return try stride(from: 0, to: chosen.count, by: 10).map { start in
      try data.reader.batch(Array(chosen[start..<min(start + 10, chosen.count)]), window: policy.view).observations
    }
  }
}
