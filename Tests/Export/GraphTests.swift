import Encoders
import Export
import Foundation
import Imitation
import Layers
import Policies
import Support
import Tensors
import Testing

/// What graphs are made of, and what is refused. Their numbers are held to ONNX Runtime by `./run peers`.
@Suite struct GraphTests {
  static let schema = ObservationSchema(images: ["c_image": .init(height: 24, width: 20)], vectors: ["p": 3])
  static let normalizer = Normalizer(keys: [
    "p": .init(scale: [2, 3, 4], offset: [0.5, 1, 2]), "actions": .init(scale: [2, 4], offset: [1, -1]),
  ])

  static func policy(
    diffusion: Bool = false, mode: BCTransformer.Options.Mode = .sample
  ) throws -> any Policy {
    var random = Random(seed: 4)
    let context = EncoderContext(schema: schema, vocabulary: ["drawer", "open"])
    var options = SmallEncoder.Options()
    (options.crop, options.channels, options.keypoints, options.features) = (18, 16, 4, 6)
    var withParts = context
    withParts.parts = Catalog().adding(WordEncoder.self)
    let seen = try SmallEncoder(options: options, context: withParts, random: &random)
    guard diffusion else {
      var options = BCTransformer.Options()
      (options.context, options.horizon, options.width, options.layers, options.heads) = (2, 3, 8, 1, 2)
      options.mode = mode
      return try BCTransformer(options: options, encoder: seen, actionWidth: 2, random: &random)
    }
    var unet = DiffusionUnet.Options()
    (unet.network.widths, unet.network.stepWidth, unet.diffusion.horizon) = ([8, 16], 8, 4)
    return try DiffusionUnet(options: unet, encoder: seen, actionWidth: 2, random: &random)
  }

  static func graphs(_ policy: any Policy) throws -> PolicyGraphs {
    try PolicyGraphs(policy, normalizer: normalizer, schema: schema, instructions: ["open", "drawer"])
  }

  /// Written and read back.
  static func model(
    _ graph: ExportGraph, _ precision: WeightPrecision = .fp32, metadata: [String: String] = [:]
  ) throws -> ONNXModelProto {
    var rounded: [String: Tensor] = [:]
    let model = try ONNXModelProto(
      graph, name: "g", precision: precision, producer: "0", metadata: metadata, rounded: &rounded)
    return try ONNXModelProto(serializedBytes: model.bytes())
  }

  func shape(_ value: ONNXValueInfoProto) -> [String] {
    value.type.tensorType.shape.dim.map { $0.dimParam.isEmpty ? "\($0.dimValue)" : $0.dimParam }
  }

  /// The encoder's graph of a policy that sees depths and calibrations.
  private func geometry(
    inputs: Set<String> = ["c_image"], _ make: (EncoderContext, inout Random) throws -> any ObservationEncoder
  ) throws -> ONNXGraphProto {
    var random = Random(seed: 4)
    var schema = GraphTests.schema
    (schema.vectors["c_depth"], schema.vectors["c_calibration"]) = (24 * 20, CameraCalibration.width)
    var context = EncoderContext(schema: schema, vocabulary: ["drawer", "open"])
    context.parts = Catalog().adding(WordEncoder.self)
    var head = BCTransformer.Options()
    (head.context, head.horizon, head.width, head.layers, head.heads) = (2, 3, 8, 1, 2)
    let policy = try BCTransformer(
      options: head, encoder: make(context, &random), actionWidth: 2, random: &random)
    var normalizer = GraphTests.normalizer
    for key in ["c_depth", "c_calibration"] {
      let width = schema.vectors[key]!
      normalizer.set(
        key, .init(scale: Array(repeating: 1, count: width), offset: Array(repeating: 0, count: width)))
    }
    let graph = try PolicyGraphs(policy, normalizer: normalizer, schema: schema, instructions: ["open", "drawer"])
      .encoder
    let model = try GraphTests.model(graph).graph
    #expect(Set(model.input.map(\.name)) == inputs.union(["p", "c_depth", "c_calibration", "instruction"]))
    // No frame of the trace is kept as a constant.
    #expect(!model.initializer.contains { $0.dims.contains(24 * 20) && $0.dims.contains(4) })
    return model
  }

  /// Depths and calibrations are inputs, and where a pixel is follows from them in the graph.
  @Test(arguments: [nil, [0, -1, 0, 1, 1, 2]] as [[Float]?]) func pointMapsAreComputedFromDepths(box: [Float]?) throws {
    var options = PointMapEncoder.Options()
    (options.crop, options.channels, options.keypoints, options.features) = (16, 16, 4, 6)
    (options.workspace, options.color) = (box, .late)
    let model = try geometry { try PointMapEncoder(options: options, context: $0, random: &$1) }
    let kinds = Set(model.node.map(\.opType))
    #expect(kinds.isSuperset(of: ["Where", "LessOrEqual", "ReduceMin", "Conv"]), "\(kinds)")
  }

  /// So is which of the points count: no place of the trace is kept either.
  @Test(arguments: [false, true]) func pointsAreChosenInTheGraph(color: Bool) throws {
    var options = PointsEncoder.Options()
    (options.count, options.features, options.workspace, options.color) = (12, 6, [0, -1, 0, 1, 1, 2], color)
    let model = try geometry(inputs: color ? ["c_image"] : []) {
      try PointsEncoder(options: options, context: $0, random: &$1)
    }
    let kinds = Set(model.node.map(\.opType))
    #expect(kinds.isSuperset(of: ["Loop", "ArgMax", "GatherND", "ReduceMax"]), "\(kinds)")
    #expect(!model.initializer.contains { $0.dims.contains(12) })
  }

  @Test func encoderHasNamesShapesAndMetadata() throws {
    let policy = try GraphTests.policy()
    let model = try GraphTests.model(GraphTests.graphs(policy).encoder, metadata: ["rate": "20", "a": "b"])
    #expect(model.irVersion == 8 && model.opsetImport.map(\.version) == [17])
    #expect(model.metadataProps.map(\.key) == ["a", "rate"] && model.metadataProps.map(\.value) == ["b", "20"])
    let inputs = Dictionary(uniqueKeysWithValues: model.graph.input.map { ($0.name, $0) })
    #expect(inputs.keys.sorted() == ["c_image", "instruction", "p"])
    #expect(shape(inputs["c_image"]!) == ["batch", "2", "24", "20", "3"])
    #expect(inputs["c_image"]!.type.tensorType.elemType == 2)
    #expect(shape(inputs["p"]!) == ["batch", "2", "3"])
    #expect(shape(inputs["instruction"]!) == ["batch", "3"])
    #expect(model.graph.output.map(\.name) == ["features"])
    #expect(shape(model.graph.output[0]) == ["batch", "2", "9"])
    // The center of 24x20 is cut out.
    let constants = Dictionary(uniqueKeysWithValues: model.graph.initializer.map { ($0.name, $0) })
    let slice = try #require(model.graph.node.first { $0.opType == "Slice" })
    func integers(_ name: String) -> [Int64] {
      constants[name]!.rawData.withUnsafeBytes { Array($0.bindMemory(to: Int64.self)) }
    }
    #expect(slice.input.dropFirst().map(integers) == [[3, 1], [21, 19], [1, 2]])
    // And p is normalized.
    func floats(_ name: String) -> [Float] {
      constants[name]!.rawData.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }
    let subtraction = try #require(model.graph.node.first { $0.opType == "Sub" && $0.input[0] == "p" })
    #expect(floats(subtraction.input[1]) == [0.5, 1, 2])
    let division = try #require(model.graph.node.first { $0.opType == "Div" && $0.input[0] == subtraction.output[0] })
    #expect(floats(division.input[1]) == [2, 3, 4])
  }

  /// Every parameter is there once under its own name, with its numbers in ONNX's order, and nothing of the head is in the encoder.
  @Test func weightsHaveTheirNames() throws {
    let policy = try GraphTests.policy()
    let graphs = try GraphTests.graphs(policy)
    let (encoder, head) = (try GraphTests.model(graphs.encoder), try GraphTests.model(graphs.head))
    var found: [String: ONNXTensorProto] = [:]
    for tensor in encoder.graph.initializer + head.graph.initializer { found[tensor.name] = tensor }
    for (name, parameter) in policy.parameters() {
      let tensor = try #require(found[name], "\(name)")
      #expect(
        tensor.dims.map(Int.init).filter { $0 != 1 }.sorted() == parameter.value.shape.filter { $0 != 1 }.sorted(),
        "\(name)")
      #expect(name.hasPrefix("encoder.") == encoder.graph.initializer.contains { $0.name == name }, "\(name)")
    }
    let filter = try #require(policy.parameters().first { $0.name == "encoder.cameras.c_image.stem.weight" })
    let written = try #require(found[filter.name])
    #expect(written.dims == [16, 3, 8, 8])
    let numbers = written.rawData.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    #expect(numbers == filter.parameter.value.permuted([3, 2, 0, 1]).scalars)
  }

  @Test func headsGiveWhatActingTakes() throws {
    let mixture = try GraphTests.model(GraphTests.graphs(GraphTests.policy()).head)
    #expect(mixture.graph.input.map(\.name) == ["features"])
    #expect(mixture.graph.output.map(\.name) == ["actions", "means", "deviations", "weights"])
    #expect(
      mixture.graph.output.map(shape) == [
        ["batch", "3", "2"], ["batch", "3", "5", "2"], ["batch", "3", "5", "2"], ["batch", "3", "5"],
      ])
    let denoising = try GraphTests.model(GraphTests.graphs(GraphTests.policy(diffusion: true)).head)
    let inputs = Dictionary(uniqueKeysWithValues: denoising.graph.input.map { ($0.name, $0) })
    #expect(inputs.keys.sorted() == ["features", "noisy_actions", "step"])
    #expect(shape(inputs["noisy_actions"]!) == ["batch", "4", "2"])
    #expect(shape(inputs["step"]!) == ["batch"] && inputs["step"]!.type.tensorType.elemType == 7)
    #expect(denoising.graph.output.map(shape) == [["batch", "4", "2"]])
    #expect(denoising.graph.node.contains { $0.opType == "ConvTranspose" })
  }

  /// Names are unique, every input of a node is there before it, and no size of a batch is written down.
  @Test(arguments: [false, true]) func nodesAreInOrder(_ diffusion: Bool) throws {
    let graphs = try GraphTests.graphs(GraphTests.policy(diffusion: diffusion))
    for graph in [graphs.encoder, graphs.head] {
      let model = try GraphTests.model(graph).graph
      var known = Set(model.input.map(\.name) + model.initializer.map(\.name))
      #expect(known.count == model.input.count + model.initializer.count)
      for node in model.node {
        for input in node.input where !input.isEmpty { #expect(known.contains(input), "\(node.name): \(input)") }
        for output in node.output { #expect(known.insert(output).inserted, "\(output)") }
      }
      #expect(model.output.allSatisfy { known.contains($0.name) })
      #expect(Set(model.node.map(\.name)).count == model.node.count)
      // Traces were of 2 and 3 items.
      for node in model.node where node.opType == "Reshape" || node.opType == "Expand" {
        guard let target = model.initializer.first(where: { $0.name == node.input[1] }) else { continue }
        let first = target.rawData.withUnsafeBytes { $0.bindMemory(to: Int64.self).first }
        #expect(first != 2 && first != 3, "\(node.name)")
      }
    }
  }

  /// What a file's rounded weights are once they are 32 bits again.
  private func restored(_ model: ONNXModelProto, _ node: ONNXNodeProto) throws -> [Float] {
    let constants = Dictionary(uniqueKeysWithValues: model.graph.initializer.map { ($0.name, $0) })
    let weight = try #require(constants[node.input[0]])
    guard node.opType == "DequantizeLinear" else {
      return weight.rawData.withUnsafeBytes { $0.bindMemory(to: UInt16.self).map { Float(Float16(bitPattern: $0)) } }
    }
    let scales = try #require(constants[node.input[1]]).rawData.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    let axis = Int(try #require(node.attribute.first { $0.name == "axis" }).i)
    let inner = weight.dims[(axis + 1)...].reduce(1, *)
    #expect(scales.count == Int(weight.dims[axis]))
    return weight.rawData.withUnsafeBytes {
      $0.bindMemory(to: Int8.self).enumerated().map { Float($1) * scales[$0 / Int(inner) % scales.count] }
    }
  }

  /// What lies in the file is what the graph is said to compute with, in ONNX's order of axes: convolutions and products.
  @Test(arguments: [WeightPrecision.fp16, .int8]) func filesHoldTheRoundedWeights(_ precision: WeightPrecision) throws {
    for diffusion in [false, true] {
      let graphs = try GraphTests.graphs(GraphTests.policy(diffusion: diffusion))
      var kinds: Set<Int> = []
      for graph in [graphs.encoder, graphs.head] {
        var (rounded, plain): ([String: Tensor], [String: Tensor]) = ([:], [:])
        let exact = try ONNXModelProto(graph, name: "g", producer: "0", rounded: &plain)
        let model = try ONNXModelProto(graph, name: "g", precision: precision, producer: "0", rounded: &rounded)
        let weights = Dictionary(uniqueKeysWithValues: exact.graph.initializer.map { ($0.name, $0) })
        for node in model.graph.node where ["Cast", "DequantizeLinear"].contains(node.opType) {
          guard let name = node.output.first, let whole = weights[name], let expected = rounded[name] else { continue }
          let (found, before) = (
            try restored(model, node), whole.rawData.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
          )
          kinds.insert(whole.dims.count)
          #expect(found.sorted() == expected.scalars.sorted(), "\(name)")
          // In the same places: no further from the exact one than rounding goes.
          let largest = before.reduce(0) { max($0, abs($1)) }
          #expect(zip(found, before).allSatisfy { abs($0 - $1) <= largest / 254 + 1e-6 }, "\(name)")
        }
      }
      #expect(kinds.isSuperset(of: diffusion ? [2, 3, 4] : [2, 4]), "\(kinds)")
    }
  }

  /// The head's actions are those that acting takes, but for the noise of the mixture's narrow components.
  @Test func actionsAreThoseOfActing() throws {
    let policy = try GraphTests.policy(mode: .best)
    let examples = PolicyExamples(
      policy, normalizer: GraphTests.normalizer, schema: GraphTests.schema, instructions: ["open", "drawer"])
    let pass = examples.pass(3, seed: 5)
    let actions = try #require(try examples.headOutputs(pass, nil).outputs.first { $0.name == "actions" }).tensor
    var randoms = (0..<3).map { Random(seed: UInt64($0)) }
    let acted = policy.actions(for: try GraphTests.normalizer.normalized(pass.observations), randoms: &randoms)
    let rows = try (0..<acted.count / 2).flatMap {
      try GraphTests.normalizer.restored(Array(acted.scalars[$0 * 2..<$0 * 2 + 2]), key: Normalizer.actions)
    }
    #expect(rows.count == actions.count)
    // Six deviations of 1e-4, times the largest scale.
    for (a, b) in zip(rows, actions.scalars) { #expect(abs(a - b) < 6e-4 * 4) }
    #expect(zip(rows, actions.scalars).contains { abs($0) > 0.05 && abs($1) > 0.05 })
  }

  @Test func weightsThatAreNoNumbersAreRefused() throws {
    let policy = try GraphTests.policy()
    let weight = try #require(policy.parameters().first { $0.name == "means.weight" }).parameter
    let whole = weight.value
    var values = whole.scalars
    values[3] = .nan
    weight.value = Tensor(values, shape: whole.shape)
    #expect(throws: PolicyGraphs.Problem.self) { try GraphTests.graphs(policy) }
    values[3] = 1e5
    weight.value = Tensor(values, shape: whole.shape)
    let graph = try GraphTests.graphs(policy).head
    #expect(throws: Never.self) { try GraphTests.model(graph, .int8) }
    #expect { try GraphTests.model(graph, .fp16) } throws: {
      "\($0)" == "policy 'bc-transformer' 'means.weight' is too large for 16 bits; leave out --precision fp16"
    }
  }

  @Test func roundedWeightsAreCloseToTheirs() throws {
    let graph = try GraphTests.graphs(GraphTests.policy()).head
    var weights: [String: Tensor] = [:]
    for (name, parameter) in try GraphTests.policy().parameters() { weights[name] = parameter.value }
    for (precision, type, share) in [(WeightPrecision.fp16, 10, Float(1) / 2048), (.int8, 3, 1 / 254)] {
      var rounded: [String: Tensor] = [:]
      let model = try ONNXModelProto(graph, name: "g", precision: precision, producer: "0", rounded: &rounded)
      #expect(model.graph.initializer.count { $0.dataType == Int32(type) } == rounded.count && rounded.count > 5)
      let node = precision == .int8 ? "DequantizeLinear" : "Cast"
      #expect(model.graph.node.count { $0.opType == node } == rounded.count)
      for (name, tensor) in rounded {
        let exact = try #require(weights[name])
        // 8 bits: of the largest of the same output channel.
        let largest = exact.abs().maximum(axis: 0)
        let bounds = (precision == .int8 ? largest.broadcast(to: exact.shape) : exact.abs()).scalars
        for ((a, b), bound) in zip(zip(tensor.scalars, exact.scalars), bounds) {
          #expect(abs(a - b) <= bound * share * 1.001 + 1e-7, "\(name)")
        }
      }
    }
  }

  // MARK: Refusals

  /// An encoder that makes features with a closure.
  struct Strange: ObservationEncoder {
    struct Options: PluginOptions { init() {} }
    static let name = "strange"
    static let help = "For tests."
    let layout = FeatureLayout([(.vector, "p", 3)])
    let near = Near()
    var body: (Tensor) -> Tensor = { $0 }

    struct Near: Module { let weight = Parameter(.ones([3])) }

    init(options: Options, context: EncoderContext, random: inout Random) {}
    init(_ body: @escaping (Tensor) -> Tensor) { self.body = body }
    func callAsFunction(_ observations: ObservationBatch) -> Features {
      Features(pooled: body(observations.vectors["p"]! * near.weight.value))
    }
  }

  func refusal(_ body: @escaping (Tensor) -> Tensor) -> String? {
    var random = Random(seed: 1)
    var options = BCTransformer.Options()
    (options.context, options.horizon, options.width, options.layers, options.heads) = (2, 2, 4, 1, 1)
    do {
      let policy = try BCTransformer(options: options, encoder: Strange(body), actionWidth: 2, random: &random)
      let graphs = try PolicyGraphs(
        policy, normalizer: GraphTests.normalizer, schema: ObservationSchema(images: [:], vectors: ["p": 3]),
        instructions: [])
      _ = try GraphTests.model(graphs.encoder)
      return nil
    } catch {
      return "\(error)"
    }
  }

  @Test func refusesWhatAGraphCannotSay() {
    #expect(refusal { $0 * 2 } == nil)
    let place = "at encoder.near: "
    // Read and made again.
    let read = "encoder 'strange' \(place)values that depend on the observation are read outside of tensor operations"
    #expect(refusal { Tensor($0.scalars, shape: $0.shape) } == read)
    // A mask that comes out the same for both passes is no constant: it was read.
    #expect(refusal { $0 * Tensor($0.scalars.map { $0 < 1e9 ? 1 : 0 }, shape: $0.shape) } == read)
    // What differs from pass to pass.
    nonisolated(unsafe) var calls: Float = 0
    #expect(
      refusal {
        calls += 1
        return $0 + Tensor(calls)
      } == "encoder 'strange' \(place)operation 'add' uses values that are computed outside of tensor operations")
    // The same with a weight, and with the size of the batch: constants are the same in every pass.
    let near = Strange.Near()
    #expect(
      refusal {
        calls += 1
        return $0 + near.weight.value * calls
      }?.hasSuffix("uses values that are computed outside of tensor operations") == true)
    #expect(
      refusal { $0 + near.weight.value * Float($0.shape[0]) }?
        .hasSuffix("uses values that are computed outside of tensor operations") == true)
    #expect(
      refusal { x in x / Tensor.ones([x.shape[0], 1]).sum(axes: [0]) }?
        .hasSuffix("uses values that are computed outside of tensor operations") == true)
    #expect(
      refusal { $0.gathered([$0.shape[0] % 2, 1, 1], axis: 2) }?.hasSuffix("depends on the size of the batch") == true)
    // What the first two batches do not show.
    #expect(refusal { $0.shape[0] == 4 ? $0 : $0 * 2 } != nil)
    #expect(refusal { $0.gathered([2, 1, 1], axis: 2) } == nil)
    #expect(
      refusal { x in .concatenated((0..<x.shape[0]).map { x.sliced(axis: 0, $0..<$0 + 1) }, axis: 0) }?
        .hasSuffix("a graph has always the same ones") == true)
    #expect(
      refusal { $0.sliced(axis: 0, 0..<$0.shape[0] - 1) }?.hasSuffix("depends on the size of the batch") == true)
    #expect(
      refusal { x in
        let set = Tensor.splatted(
          means: x.reshaped([-1, 3]), scales: x.reshaped([-1, 3]), rotations: .ones([2 * x.shape[0], 4]),
          colors: x.reshaped([-1, 3]), opacities: .ones([2 * x.shape[0]]),
          view: SplattingView(
            width: 2, height: 2, focal: SIMD2(1, 1), center: SIMD2(1, 1),
            rotation: [SIMD3(1, 0, 0), SIMD3(0, 1, 0), SIMD3(0, 0, 1)], translation: .zero))
        return x + set.mean()
      } == "encoder 'strange' \(place)operation 'splatted' has no ONNX description")
  }

  @Test func aPolicyWithoutAHeadSaysSo() {
    #expect {
      try PolicyGraphs(
        Echo(), normalizer: Normalizer(keys: ["x": .init(scale: [1], offset: [0])]), schema: Echo.schema,
        instructions: [])
    } throws: {
      "\($0)" == "policy 'echo' describes no graph (Policy.head)"
    }
    // A vector by the name of something of the graph's own.
    #expect(throws: PolicyGraphs.Problem.self) {
      try PolicyGraphs(
        GraphTests.policy(), normalizer: GraphTests.normalizer,
        schema: ObservationSchema(images: [:], vectors: ["instruction": 3]), instructions: [])
    }
  }
}
