import Foundation
import ImitationKit
import Testing

/// Trained policies, by their run folders, which are tried on their demonstrations.
private let runs = ProcessInfo.processInfo.environment["IMITATE_GRAPH_RUNS"]
private let casesFolder = ProcessInfo.processInfo.environment["IMITATE_GRAPH_CASES"]
/// Those whose names have a given part; all when none is given.
private let chosenRecipes = FileManager.default.enumerator(atPath: CommandRunner.root + "/Recipes")!
  .compactMap { $0 as? String }.filter {
    $0.contains(ProcessInfo.processInfo.environment["IMITATE_GRAPH_CASES_OF"] ?? ".yaml")
  }.sorted()

/// Shipped recipes' policies with made-up weights, as graphs, with made-up observations and what we make of them:
/// `Tests/Peers/onnx_peer.py` holds ONNX Runtime to them.
@Suite(.enabled(if: casesFolder != nil), .serialized) struct GraphCases {
  static let widths = ["object": 14, "robot0_gripper_qpos": 2, "robot0_gripper_opening": 1]

  private func width(_ key: String, side: Int) -> Int {
    if CameraKeys.isDepth(key, width: side * side) { return side * side }
    if CameraKeys.isGeometry(key, width: CameraCalibration.width) { return CameraCalibration.width }
    return GraphCases.widths[key] ?? (key.hasSuffix("quat") ? 4 : 3)
  }

  @Test(arguments: chosenRecipes) func write(_ file: String) throws {
    let path = CommandRunner.root + "/Recipes/" + file
    // Recipes of world models and protocols have no policy.
    guard try String(contentsOfFile: path, encoding: .utf8).contains(/(?m)^policy:/) else { return }
    let recipe = try Recipe(path: path)
    let name = String(file.dropLast(5))
    let folder = casesFolder! + "/" + name
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var random = Random(seed: 3).split(name)
    let (changed, side) = try changed(recipe, path: path, folder: folder, random: &random)
    let schema = ObservationSchema(
      images: Dictionary(
        uniqueKeysWithValues: recipe.observations.images.map { ($0, .init(height: side, width: side)) }),
      vectors: Dictionary(uniqueKeysWithValues: recipe.observations.vectors.map { ($0, width($0, side: side)) }))
    let columns = recipe.actions.activeDimensions ?? Array(0..<(recipe.actions.rotations.isEmpty ? 12 : 7))
    let layout = ActionLayout(
      learned: columns, template: [Float](repeating: 0, count: max(12, columns.count)),
      rotations: recipe.actions.rotations)
    var keys = schema.vectors
    keys[Normalizer.actions] = layout.width
    var normalizer = Normalizer()
    for (key, width) in keys.sorted(by: { $0.key < $1.key }) {
      let isPlain = CameraKeys.isGeometry(key, width: width)
      normalizer.set(
        key,
        .init(
          scale: (0..<width).map { _ in isPlain ? 1 : Float(random.uniform(0.3...1)) },
          offset: (0..<width).map { _ in isPlain ? 0 : Float(random.uniform(-0.5...0.5)) }))
    }
    let words = ["close", "drawer", "from", "open", "the"]
    let policy = try TrainedPolicy(
      recipe: changed,
      blueprint: PolicyBlueprint(
        encoder: EncoderContext(schema: schema, vocabulary: words), actions: layout, datasets: []),
      normalizer: normalizer, catalog: .standard)
    stir(policy.policy, random: &random)
    let examples = PolicyExamples(
      policy.policy, normalizer: normalizer, schema: schema, instructions: policy.knownInstructions)
    // Running statistics of what the layers see.
    if policy.policy.encoder.buffers().contains(where: { $0.name.hasSuffix("variance") }) {
      for step in 0..<8 {
        let pass = examples.pass(1, seed: UInt64(step))
        try Phase.training(random: random.split(step)) { _ = try examples.encoderOutputs(pass, nil) }
      }
    }
    var package = try PolicyPackage(policy)
    try package.addGraphs(of: policy, precision: .fp32)
    for (file, bytes) in package.graphs { try bytes.write(to: URL(fileURLWithPath: folder + "/" + file)) }
    let seen = GoldenExample(
      schema: schema, steps: 12, instruction: "open the left drawer", seed: 7, normalizer: normalizer)
    try writeActing(policy, package, try seen.observations(schema: schema), to: folder)
    for batch in [1, 3, 8] {
      let pass = examples.pass(batch, seed: UInt64(10 + batch))
      let inputs = try GraphTrace.record { try examples.encoderOutputs(pass, $0) }.values.compactMap { value in
        value.input.flatMap { name in value.tensor.map { (name, $0) } }
      }
      let images = pass.observations.images.map { key, images in
        (key, Tensor(images.pixels.map(Float.init), shape: [batch, images.time, side, side, 3]))
      }
      try write(
        inputs + images, try examples.encoderOutputs(pass, nil), to: folder + "/encoder-\(batch).safetensors")
      let head = try examples.headOutputs(pass, nil)
      try write(head.inputs.map { ($0, $1) }, head.outputs, to: folder + "/head-\(batch).safetensors")
    }
  }

  /// A trained policy, its graphs rounded in every way, in the first 100 steps of its demonstrations.
  @Test(.enabled(if: runs?.isEmpty == false)) func writeRuns() throws {
    for run in (runs ?? "").split(separator: ":").map(String.init) {
      let trained = try TrainedPolicy(run: run)
      let data = trained.recipe.data
      var registry = try DatasetRegistry(
        SettingsFile.read(CommandRunner.root + "/Datasets/\(data.registry).yaml").setting)
      registry.root =
        ProcessInfo.processInfo.environment["IMITATE_ROOT"] ?? CommandRunner.root + "/Datasets/" + data.registry
      let reader = try TrainingData(trained.recipe, registry, .standard).reader
      let steps = reader.episodes.enumerated().flatMap { episode, facts in
        (0..<facts.length).map { EpisodeStep(episode: episode, step: $0) }
      }.prefix(100)
      let batch = try reader.batch(Array(steps), window: Window(observations: 0...0, actions: 0...0)).observations
      let observations = (0..<batch.count).map { row in
        var observation = Observation(instruction: batch.instructions[row])
        for (key, images) in batch.images {
          let size = images.size.width * images.size.height * 3
          observation.images[key] = Image(
            width: images.size.width, height: images.size.height,
            pixels: Array(images.pixels[row * size..<(row + 1) * size]))
        }
        for (key, values) in batch.vectors { observation.vectors[key] = values.sliced(axis: 0, row..<row + 1).scalars }
        return observation
      }
      for precision in WeightPrecision.allCases {
        var package = try PolicyPackage(trained)
        try package.addGraphs(of: trained, precision: precision)
        let folder = "\(casesFolder!)/\((run as NSString).lastPathComponent)-\(precision.rawValue)"
        try writeActing(precision == .fp32 ? trained : nil, package, observations, to: folder)
      }
    }
  }

  /// The package, and what an agent does with observations one after another, which are one episode, and its random numbers.
  /// - Parameter policy: nil for a package whose graphs do not do the same.
  private func writeActing(
    _ policy: TrainedPolicy?, _ package: PolicyPackage, _ observations: [Observation], to folder: String
  ) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try package.write(to: folder + "/package")
    guard let policy else { return }
    let agent = policy.agent(seed: 6)
    let actions = try observations.map { try agent.action(for: $0) }
    let width = agent.actions?.width ?? actions[0].count
    var tensors = ["actions": Tensor(actions.flatMap(\.self), shape: [actions.count, actions[0].count])]
    tensors["draws"] = GoldenExample.draws(
      observations.count * package.golden.draws!.count, seed: 6, sampling: agent.policy.sampling, width: width)
    for (key, size) in agent.schema.images {
      tensors["image/" + key] = Tensor(
        observations.flatMap { $0.images[key]!.pixels.map(Float.init) },
        shape: [observations.count, size.height, size.width, 3])
    }
    for (key, width) in agent.schema.vectors {
      tensors["vector/" + key] = Tensor(
        observations.flatMap { $0.vectors[key]! }, shape: [observations.count, width])
    }
    let instructions = try JSONEncoder().encode(observations.map(\.instruction))
    try Safetensors.write(
      tensors, metadata: ["instructions": String(decoding: instructions, as: UTF8.self)],
      to: folder + "/acting.safetensors")
  }

  private func write(
    _ inputs: [(String, Tensor)], _ outputs: [(name: String, tensor: Tensor)], to path: String
  ) throws {
    let all = inputs.map { ("in/" + $0, $1) } + outputs.map { ("out/" + $0.name, $0.tensor) }
    try Safetensors.write(Dictionary(uniqueKeysWithValues: all), to: path)
  }

  /// A recipe whose world model, if it has one, is made up, and the side of its images.
  private func changed(
    _ recipe: Recipe, path: String, folder: String, random: inout Random
  ) throws -> (recipe: Recipe, side: Int) {
    let crop = recipe.encoder.options["crop"] ?? recipe.encoder.options["join"]?["crop"]
    var side = 84
    if case .integer(let crop)? = crop?.value { side = [116: 128, 76: 84][crop] ?? 84 }
    guard case .text(let run)? = recipe.encoder.options["world"]?.value else { return (recipe, side) }
    // Ten frames at a time through a model of this size take more memory than most machines have.
    let changes = side == 128 ? ["policy.context=2"] : []
    let name = run.split(separator: "/").last.map(String.init)!
    let world = try WorldRecipe(path: CommandRunner.root + "/Recipes/\(name).yaml")
    side = name.hasPrefix("robocasa") ? 128 : 64
    let inputs = try Catalog.standard.plan(ofWorld: world.world).inputs
    let model = try Catalog.standard.makeWorld(
      world.world,
      blueprint: WorldBlueprint(
        context: LiftContext(
          cameras: inputs.cameras, size: .init(height: side, width: side), fieldsOfView: inputs.fieldsOfView,
          frame: inputs.frame), actionWidth: 12, gripper: inputs.gripper), random: &random)
    stir(model, random: &random)
    for (name, buffer) in model.buffers() {
      switch name {
      case "codec.box": buffer.value = Tensor([-1, -1, 0, 1, 1, 2], shape: [6])
      case "codec.anchorReach": buffer.value = .filled(buffer.value.shape, with: 0.17)
      case "codec.anchorPlaces": buffer.value = .uniform(buffer.value.shape, -1...1, random: &random)
      default: break
      }
    }
    let file = folder + "/world.safetensors"
    try model.write(to: file)
    return (try Recipe(path: path, changes: changes + ["encoder.world=\(file)"]), side)
  }

  /// Moves all weights a little: many are zero at first.
  private func stir(_ module: some Module, random: inout Random) {
    for (_, parameter) in module.parameters() {
      parameter.value = parameter.value + .normal(parameter.value.shape, deviation: 0.03, random: &random)
    }
  }
}
