import Imitation
import Layers
import Tensors

/// A policy as graphs for other runtimes: its observation encoder, with crops and normalization in it, and its head.
package struct PolicyGraphs {
  /// From images, vectors and an instruction to features.
  package let encoder: ExportGraph
  /// From features to actions, or to one denoising step.
  package let head: ExportGraph

  /// What stands in the way.
  package enum Problem: Error, CustomStringConvertible {
    /// An encoder or a head that no graph can be made of.
    case part(String, GraphError)
    /// A policy that describes no graph.
    case noHead(policy: String)
    /// A camera or a vector that is called as something of a graph's own is.
    case taken(key: String)

    package var description: String {
      switch self {
      case .part(let part, let error): "\(part) \(error)"
      case .noHead(let policy): "policy '\(policy)' describes no graph (Policy.head)"
      case .taken(let key):
        "'\(key)': graphs have an input or output of that name already; give the observation another one"
      }
    }
  }

  /// - Parameters:
  ///   - schema: what observations have.
  ///   - instructions: some that the encoder knows.
  /// - Throws: `Problem`, or what normalizing threw.
  package init(
    _ policy: any Policy, normalizer: Normalizer, schema: ObservationSchema, instructions: [String]
  ) throws {
    let own = ["instruction", "features", "tokens", "positions", "mask"]
    if let key = own.first(where: { schema.images[$0] != nil || schema.vectors[$0] != nil }) {
      throw Problem.taken(key: key)
    }
    let examples = PolicyExamples(policy, normalizer: normalizer, schema: schema, instructions: instructions)
    func graph(_ part: String, _ pass: (PolicyExamples.Pass) throws -> GraphTrace.Record) throws -> ExportGraph {
      let tensors = policy.state().map { ($0.name, $0.tensor.value) }
      let first = try pass(examples.pass(2, seed: 0))
      func made(_ other: GraphTrace.Record, _ size: Int) throws -> ExportGraph {
        try ExportGraph((first, other), sizes: (2, size), tensors: tensors, part: part)
      }
      do {
        let graph = try made(pass(examples.pass(3, seed: 1)), 3)
        // Random images are all alike in some ways: dark ones, one camera's black. Not alone: what is spread over a batch of one is
        // no operation.
        guard try graph.isSame(as: made(pass(examples.pass(4, seed: 2, isPlain: true)), 4)) else {
          throw GraphError.dependsOnBatch(operation: "the whole pass", module: ExportGraph.start)
        }
        return graph
      } catch let error as GraphError {
        throw Problem.part(part, error)
      }
    }
    encoder = try graph("encoder '\(type(of: policy.encoder).name)'") { pass in
      try GraphTrace.record { try examples.encoderOutputs(pass, $0) }
    }
    head = try graph("policy '\(type(of: policy).name)'") { pass in
      try GraphTrace.record { try examples.headOutputs(pass, $0).outputs }
    }
  }
}

/// Passes through a policy's parts with made-up values.
package struct PolicyExamples {
  private let policy: any Policy
  private let normalizer: Normalizer
  private let schema: ObservationSchema
  private let instructions: [String]

  /// - Parameter instructions: some that the encoder knows.
  package init(_ policy: any Policy, normalizer: Normalizer, schema: ObservationSchema, instructions: [String]) {
    (self.policy, self.normalizer, self.schema) = (policy, normalizer, schema)
    self.instructions = instructions.isEmpty ? [""] : instructions
  }

  /// Made-up observations of a batch.
  package struct Pass {
    package let observations: ObservationBatch
    let random: Random
  }

  /// Observations that differ in all values, for a batch of `count`.
  /// - Parameter isPlain: dark images, the first camera's black, and instructions of one word.
  package func pass(_ count: Int, seed: UInt64, isPlain: Bool = false) -> Pass {
    let random = Random(seed: seed).split("graph")
    let time = policy.view.observations.count
    // From the schema's own dictionaries, so that all passes go through keys in one order.
    var images = schema.images.mapValues { ImageBatch(batch: 0, time: time, size: $0, pixels: []) }
    for (key, size) in schema.images {
      var random = random.split(key)
      let brightest = !isPlain ? 256 : key == schema.images.keys.min() ? 1 : 100
      let pixels = (0..<count * time * size.height * size.width * 3).map { _ in UInt8(random.below(brightest)) }
      images[key] = ImageBatch(batch: count, time: time, size: size, pixels: pixels)
    }
    var vectors = schema.vectors.mapValues { Tensor.zeros([0, time, $0]) }
    for (key, width) in schema.vectors {
      var random = random.split(key)
      let values = (0..<count * time).flatMap { _ in self.values(key, width, &random) }
      vectors[key] = Tensor(values, shape: [count, time, width])
    }
    var words = random.split("instructions")
    return Pass(
      observations: ObservationBatch(
        images: images, vectors: vectors,
        instructions: (0..<count).map { _ in
          (0..<(isPlain ? 1 : 1 + words.below(4))).map { _ in words.choice(instructions) }.joined(separator: " ")
        }, time: time),
      random: random.split("head"))
  }

  /// Around what was recorded, so that the network sees what it knows; depths and cameras as there may be.
  private func values(_ key: String, _ width: Int, _ random: inout Random) -> [Float] {
    // Where a sensor had no answer there is a 0.
    if CameraKeys.isDepth(key, width: width) {
      return (0..<width).map { _ in random.below(10) == 0 ? 0 : Float(random.uniform(0.3...2)) }
    }
    if CameraKeys.isGeometry(key, width: width), let size = schema.images[CameraKeys.image(ofGeometry: key)] {
      return CameraCalibration.example(size, random: &random)
    }
    let affine = normalizer.keys[key]
    return (0..<width).map { place in
      let value = Float(random.normal())
      return affine.map { $0.offset[place] + $0.scale[place] * value } ?? value
    }
  }

  /// What the encoder makes of a pass.
  /// - Parameter trace: what its inputs are named in; nil to compute alone.
  package func encoderOutputs(_ pass: Pass, _ trace: GraphTrace?) throws -> [(name: String, tensor: Tensor)] {
    let observations = pass.observations
    for (key, images) in observations.images.sorted(by: { $0.key < $1.key }) {
      let shape = [images.batch, images.time, images.size.height, images.size.width, 3]
      trace?.input(images.pixels, shape: shape, named: key)
    }
    for (key, values) in observations.vectors.sorted(by: { $0.key < $1.key }) { trace?.input(values, named: key) }
    return try features(policy.encoder(normalizer.normalized(observations)))
  }

  private func features(_ features: Features) -> [(name: String, tensor: Tensor)] {
    let parts = [
      ("features", features.pooled), ("tokens", features.tokens), ("positions", features.positions),
      ("mask", features.mask),
    ]
    return parts.compactMap { name, tensor in tensor.flatMap { $0.count > 0 ? (name, $0) : nil } }
  }

  /// What the head makes of made-up features, and what it was given.
  package func headOutputs(
    _ pass: Pass, _ trace: GraphTrace?
  ) throws -> (outputs: [(name: String, tensor: Tensor)], inputs: [String: Tensor]) {
    let batch = pass.observations.count
    var inputs = HeadInputs(batch: batch, trace: trace, random: pass.random.split("inputs"))
    // Computed without a trace: only their shapes count, and that they are what features are.
    let seen = try GraphTrace.paused { try policy.encoder(normalizer.normalized(pass.observations)) }
    var values = Dictionary(uniqueKeysWithValues: features(seen))
    if let trace { for (name, tensor) in features(seen) { trace.input(tensor, named: name) } }
    guard let outputs = policy.head(seen, &inputs) else {
      throw PolicyGraphs.Problem.noHead(policy: type(of: policy).name)
    }
    values.merge(inputs.values) { first, _ in first }
    return (try outputs.map { ($0.name, try recorded($0)) }, values)
  }

  /// Actions in the units of the recordings.
  private func recorded(_ output: HeadOutput) throws -> Tensor {
    guard output.kind != .plain else { return output.tensor }
    guard let affine = normalizer.keys[Normalizer.actions] else {
      throw NormalizerError.missing(key: Normalizer.actions)
    }
    let scaled = output.tensor * Tensor(affine.scale, shape: [affine.scale.count])
    return output.kind == .deviation ? scaled : scaled + Tensor(affine.offset, shape: [affine.offset.count])
  }
}

extension CameraCalibration {
  /// The numbers of a camera that may be: half a meter to two from the base, looking somewhere.
  fileprivate static func example(_ size: ObservationSchema.ImageSize, random: inout Random) -> [Float] {
    let camera = CameraCalibration(fieldOfView: Float(random.uniform(35...70)), size: size)
    let turn = (0..<4).map { _ in random.normal() }
    let length = turn.reduce(0) { $0 + $1 * $1 }.squareRoot()
    let rotation = Rotation(w: turn[0] / length, vector: SIMD3(turn[1], turn[2], turn[3]) / length)
    let place = SIMD3(random.uniform(-1...1), random.uniform(-1...1), random.uniform(0.5...2))
    return camera.numbers.prefix(4) + Pose(position: place, rotation: rotation).matrix.prefix(12).map { Float($0) }
  }
}
