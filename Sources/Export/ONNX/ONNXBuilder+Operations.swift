import Tensors

/// The nodes of each operation. What is not here is refused by name.
extension ONNXBuilder {
  /// - Throws: `GraphError`.
  mutating func add(_ step: ExportGraph.Step) throws {
    module = step.module == ExportGraph.start ? "" : step.module.replacingOccurrences(of: ".", with: "/")
    let operation = step.operation
    let inputs = operation.inputs
    func input(_ place: Int) -> Int { inputs[place]! }
    func optional(_ place: Int) -> Int? { place < inputs.count ? inputs[place] : nil }
    let settings = Settings(operation.attributes)

    if let chain = ONNXBuilder.activations[operation.name] {
      return elementwise(operation.output, [input(0)]) { builder, names in chain(&builder, names[0]) }
    }
    if let type = ONNXBuilder.pairs[operation.name], settings.values["axis"] == nil {
      return elementwise(operation.output, [input(0), input(1)]) { $0.node(type, $1) }
    }
    let result: String
    switch operation.name {
    case "add number", "multiply number":
      let type = operation.name == "add number" ? "Add" : "Mul"
      let number = numbers([settings.float("number")])
      return elementwise(operation.output, [input(0)]) { $0.node(type, [$1[0], number]) }
    case "clamped":
      let limits = [numbers([settings.float("low")]), numbers([settings.float("high")])]
      return elementwise(operation.output, [input(0)]) { $0.node("Clip", $1 + limits) }
    case "conv2d", "conv1d", "convTransposed1d", "maxPool2d", "groupNorm":
      return channelsFirst(operation, settings)
    case "modulated": return modulated(operation, settings)
    case "linear":
      let product = node("MatMul", [name(input(0)), weight(input(1), axes: [0, 1], channels: 1)])
      result = optional(2).map { bias in node("Add", [product, name(bias)]) } ?? product
    case "matmul": result = matmul(input(0), input(1), settings)
    case "attention": result = attention(input(0), input(1), input(2), mask: optional(3))
    case "layerNorm":
      let ones = numbers(
        Array(repeating: 1, count: length(input(0), rank(input(0)) - 1)), shape: [length(input(0), rank(input(0)) - 1)])
      let scale = optional(1).map { name($0) } ?? ones
      let bias = optional(2).map { [name($0)] } ?? []
      result = node(
        "LayerNormalization", [name(input(0)), scale] + bias,
        [.int("axis", -1), .float("epsilon", settings.float("epsilon"))])
    case "rmsNorm":
      let x = name(input(0))
      let square = node("ReduceMean", [node("Mul", [x, x])], [.ints("axes", [-1]), .int("keepdims", 1)])
      let root = node("Sqrt", [node("Add", [square, numbers([settings.float("epsilon")])])])
      let normed = node("Div", [x, root])
      result = optional(1).map { scale in node("Mul", [normed, name(scale)]) } ?? normed
    case "softmax": result = node("Softmax", [name(input(0))], [.int("axis", -1)])
    case "logSumExp":
      result = node("ReduceLogSumExp", [name(input(0))], [.ints("axes", [-1]), .int("keepdims", 1)])
    case "sum":
      result = node(
        "ReduceSum", [name(input(0)), integers(settings.ints("axes"))], [.int("keepdims", settings.int("keeping"))])
    case "maximum":
      result = node(
        "ReduceMax", [name(input(0))],
        [.ints("axes", [settings.int("axis")]), .int("keepdims", settings.int("keeping"))])
    case "rows at largest": result = rowsAtLargest(input(0), weights: input(1))
    case "reshaped": result = node("Reshape", [name(input(0)), target(shape(operation.output))])
    case "permuted": result = node("Transpose", [name(input(0))], [.ints("perm", settings.ints("axes"))])
    case "broadcast": result = node("Expand", [name(input(0)), dimensions(shape(operation.output))])
    case "sliced", "frames dropped":
      result = slice(
        name(input(0)), axes: [settings.int("axis")], from: [settings.int("start")], to: [settings.int("end")])
    case "padded":
      var (before, after) = (shape(input(0)).map { _ in 0 }, shape(input(0)).map { _ in 0 })
      (before[settings.int("axis")], after[settings.int("axis")]) = (settings.int("before"), settings.int("after"))
      result = node(
        "Pad", [name(input(0)), integers(before + after), numbers([settings.float("value")])])
    case "concatenated":
      let axis = settings.int("axis")
      let parts = inputs.compactMap(\.self)
      if axis == rank(operation.output) - 1, axis >= 2, parts.contains(where: isChannelsFirst) {
        let names = parts.map { nameChannelsFirst($0) }
        return setChannelsFirst(operation.output, node("Concat", names, [.int("axis", 1)]))
      }
      result = node("Concat", parts.map { name($0) }, [.int("axis", axis)])
    case "gathered": result = try gathered(operation, settings, module: step.module)
    case "images": result = images(input(0), settings)
    case "table rows": result = node("Gather", [name(input(1)), name(input(0))], [.int("axis", 0)])
    case "numbers": result = name(input(0))
    case "cameras": result = node("Reshape", [name(input(0)), target(shape(operation.output))])
    case "pixel rays": result = pixelRays(name(input(0)), size: settings.ints("size"))
    case "pixel width": result = pixelWidth(name(input(0)))
    case "rotation between cameras" where !inputs.contains(nil), "rotation to the base" where optional(0) != nil:
      result = quaternion(rotation(name(input(0)), to: optional(1).map { name($0) }))
    case "shift between cameras" where !inputs.contains(nil), "shift to the base" where optional(0) != nil:
      result = shift(name(input(0)), to: optional(1).map { name($0) })
    case "farthestPoints": result = farthestPoints(input(0), count: settings.int("count"))
    case "squaredDistances":
      let rows = node("Unsqueeze", [name(input(0)), integers([2])])
      let difference = node("Sub", [rows, node("Unsqueeze", [name(input(1)), integers([1])])])
      let weights = node("Unsqueeze", [name(input(2)), integers([1])])
      let weighted = node("Mul", [node("Mul", [difference, difference]), weights])
      result = node("ReduceSum", [weighted, integers([-1])], [.int("keepdims", 0)])
    case "gathered per item":
      let places = node("Unsqueeze", [name(input(1)), integers([-1])])
      result = node("GatherND", [name(input(0)), places], [.int("batch_dims", 1)])
    case "places in a workspace": result = places(input(0), input(1), settings)
    case "where depths are known":
      result = whereKnown(
        name(input(0)), settings.values["value"].map { _ in settings.float("value") },
        otherwise: settings.float("otherwise"))
    case "visibility by boxes": result = visibility(operation, settings)
    default: throw GraphError.notDescribed(operation: operation.name, module: step.module)
    }
    set(operation.output, result)
  }

  /// What an operation was given beside tensors.
  struct Settings {
    let values: [String: GraphAttribute]
    init(_ values: [String: GraphAttribute]) { self.values = values }

    func int(_ key: String) -> Int {
      if case .int(let value)? = values[key] { value } else { preconditionFailure("no \(key)") }
    }
    func ints(_ key: String) -> [Int] {
      if case .ints(let value)? = values[key] { value } else { preconditionFailure("no \(key)") }
    }
    func float(_ key: String) -> Float {
      if case .float(let value)? = values[key] { value } else { preconditionFailure("no \(key)") }
    }
    func floats(_ key: String) -> [Float] {
      if case .floats(let value)? = values[key] { value } else { preconditionFailure("no \(key)") }
    }
    func text(_ key: String) -> String {
      if case .text(let value)? = values[key] { value } else { preconditionFailure("no \(key)") }
    }
  }

  // MARK: Number by number

  private static let pairs = [
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "maximum": "Max", "minimum": "Min",
  ]

  private typealias Chain = @Sendable (inout ONNXBuilder, String) -> String

  private static func one(_ type: String) -> Chain { { $0.node(type, [$1]) } }

  private static let activations: [String: Chain] = [
    "exp": one("Exp"), "log": one("Log"), "sqrt": one("Sqrt"), "abs": one("Abs"), "sin": one("Sin"), "cos": one("Cos"),
    "reciprocal": one("Reciprocal"), "relu": one("Relu"), "softplus": one("Softplus"), "tanh": one("Tanh"),
    "sigmoid": one("Sigmoid"), "square": { $0.node("Mul", [$1, $1]) },
    "silu": { $0.node("Mul", [$1, $0.node("Sigmoid", [$1])]) },
    "mish": { $0.node("Mul", [$1, $0.node("Tanh", [$0.node("Softplus", [$1])])]) },
    "gelu": {
      let error = $0.node("Erf", [$0.node("Div", [$1, $0.numbers([Float(2).squareRoot()])])])
      let product = $0.node("Mul", [$1, $0.node("Add", [error, $0.numbers([1])])])
      return $0.node("Mul", [product, $0.numbers([0.5])])
    },
    "geluTanh": {
      let cube = $0.node("Mul", [$0.node("Mul", [$1, $1]), $1])
      let inner = $0.node("Add", [$1, $0.node("Mul", [cube, $0.numbers([0.044715])])])
      let bent = $0.node("Tanh", [$0.node("Mul", [inner, $0.numbers([(2 / Float.pi).squareRoot()])])])
      let product = $0.node("Mul", [$1, $0.node("Add", [bent, $0.numbers([1])])])
      return $0.node("Mul", [product, $0.numbers([0.5])])
    },
  ]

  /// Channels first where a value is so and the others have its shape, or a number a channel; as they are otherwise.
  private mutating func elementwise(
    _ output: Int, _ inputs: [Int], _ add: (inout ONNXBuilder, [String]) -> String
  ) {
    let shapes = [shape(output), shape(output).suffix(1)]
    if inputs.contains(where: isChannelsFirst), inputs.allSatisfy({ shapes.contains(shape($0)) }) {
      let rank = rank(output)
      let names = inputs.map { self.rank($0) == 1 ? channelVector($0, rank: rank) : nameChannelsFirst($0) }
      setChannelsFirst(output, add(&self, names))
    } else {
      let names = inputs.map { name($0) }
      set(output, add(&self, names))
    }
  }

  private mutating func finished(_ name: String, _ settings: Settings) -> String {
    let finish = settings.text("finish")
    guard finish != "none" else { return name }
    return ONNXBuilder.activations[finish]!(&self, name)
  }

  // MARK: Channels

  private mutating func channelsFirst(_ operation: GraphTrace.Operation, _ settings: Settings) {
    let inputs = operation.inputs
    let x = inputs[0]!
    let result: String
    switch operation.name {
    case "groupNorm": result = groupNorm(operation, settings)
    case "maxPool2d":
      let (size, stride, padding) = (settings.int("size"), settings.int("stride"), settings.int("padding"))
      result = node(
        "MaxPool", [nameChannelsFirst(x)],
        [
          .ints("kernel_shape", [size, size]), .ints("strides", [stride, stride]),
          .ints("pads", Array(repeating: padding, count: 4)),
        ])
    default:
      let isTransposed = operation.name == "convTransposed1d"
      let spatial = rank(x) - 2
      // [kernel..., in, out] to [out, in, kernel...], or [in, out, kernel...].
      let channels = isTransposed ? [spatial, spatial + 1] : [spatial + 1, spatial]
      let filter = weight(inputs[1]!, axes: channels + Array(0..<spatial), channels: isTransposed ? 1 : 0)
      let bias = inputs.count > 2 ? inputs[2].map { [name($0)] } ?? [] : []
      let padding = settings.ints("padding")
      result = node(
        isTransposed ? "ConvTranspose" : "Conv", [nameChannelsFirst(x), filter] + bias,
        [.ints("strides", settings.ints("stride")), .ints("pads", padding + padding)])
    }
    setChannelsFirst(operation.output, result)
  }

  /// Each group as a channel of `InstanceNormalization`, back to its channels, and their scales and biases.
  private mutating func groupNorm(_ operation: GraphTrace.Operation, _ settings: Settings) -> String {
    let (inputs, groups) = (operation.inputs, settings.int("groups"))
    let x = inputs[0]!
    let rank = rank(x)
    let grouped = node("Reshape", [nameChannelsFirst(x), integers([0, groups, -1])])
    let (ones, zeros) = ([Float](repeating: 1, count: groups), [Float](repeating: 0, count: groups))
    let normed = node(
      "InstanceNormalization", [grouped, numbers(ones, shape: [groups]), numbers(zeros, shape: [groups])],
      [.float("epsilon", settings.float("epsilon"))])
    let turned = [shape(x)[0], shape(x)[rank - 1]] + shape(x)[1..<rank - 1]
    var result = node("Reshape", [normed, target(Array(turned))])
    if let scale = inputs[1] { result = node("Mul", [result, channelVector(scale, rank: rank)]) }
    if let bias = inputs[2] { result = node("Add", [result, channelVector(bias, rank: rank)]) }
    if let adding = inputs[3] { result = node("Add", [result, nameChannelsFirst(adding)]) }
    return finished(result, settings)
  }

  private mutating func modulated(_ operation: GraphTrace.Operation, _ settings: Settings) {
    let inputs = operation.inputs
    let (x, scale) = (inputs[0]!, inputs[1]!)
    let rank = rank(x)
    let isFirst = rank > 2 && (isChannelsFirst(x) || inputs[3].map { isChannelsFirst($0) } ?? false)
    func factors(_ value: Int, _ builder: inout ONNXBuilder) -> String {
      let isShared = builder.rank(value) == 1
      if isFirst, isShared { return builder.channelVector(value, rank: rank) }
      if isShared || rank == 2 { return builder.name(value) }
      let channels = builder.length(x, rank - 1)
      let ones = Array(repeating: 1, count: rank - 2)
      return builder.node(
        "Reshape",
        [builder.name(value), builder.integers(isFirst ? [-1, channels] + ones : [-1] + ones + [channels])])
    }
    var result = node("Mul", [isFirst ? nameChannelsFirst(x) : name(x), factors(scale, &self)])
    if let bias = inputs[2] { result = node("Add", [result, factors(bias, &self)]) }
    if let adding = inputs[3] { result = node("Add", [result, isFirst ? nameChannelsFirst(adding) : name(adding)]) }
    result = finished(result, settings)
    if isFirst { setChannelsFirst(operation.output, result) } else { set(operation.output, result) }
  }

  // MARK: Products

  private mutating func turned(_ value: Int, _ isTurned: Bool) -> String {
    guard isTurned else { return name(value) }
    let rank = rank(value)
    return node("Transpose", [name(value)], [.ints("perm", Array(0..<rank - 2) + [rank - 1, rank - 2])])
  }

  private mutating func matmul(_ a: Int, _ b: Int, _ settings: Settings) -> String {
    let isTurned = settings.int("transposing other") == 1
    let left = turned(a, settings.int("transposing self") == 1)
    guard constant(b) != nil, rank(b) == 2 else { return node("MatMul", [left, turned(b, isTurned)]) }
    return node("MatMul", [left, weight(b, axes: isTurned ? [1, 0] : [0, 1], channels: 1)])
  }

  /// `softmax(Q Kᵀ / √width + mask) V` of `[batch, tokens, heads, width]`.
  private mutating func attention(_ q: Int, _ k: Int, _ v: Int, mask: Int?) -> String {
    func heads(_ value: Int, _ axes: [Int], _ builder: inout ONNXBuilder) -> String {
      builder.node("Transpose", [builder.name(value)], [.ints("perm", axes)])
    }
    let product = node("MatMul", [heads(q, [0, 2, 1, 3], &self), heads(k, [0, 2, 3, 1], &self)])
    var scores = node("Mul", [product, numbers([1 / Float(length(q, 3)).squareRoot()])])
    if let mask { scores = node("Add", [scores, name(mask)]) }
    let mixed = node("MatMul", [node("Softmax", [scores], [.int("axis", -1)]), heads(v, [0, 2, 1, 3], &self)])
    return node("Transpose", [mixed], [.ints("perm", [0, 2, 1, 3])])
  }

  // MARK: Choosing

  mutating func slice(_ name: String, axes: [Int], from: [Int], to: [Int]) -> String {
    node("Slice", [name, integers(from), integers(to), integers(axes)])
  }

  /// `[..., count, width]` to `[..., width]`.
  private mutating func rowsAtLargest(_ rows: Int, weights: Int) -> String {
    let axis = rank(weights) - 1
    let best = node("ArgMax", [name(weights)], [.int("axis", axis), .int("keepdims", 1)])
    return node("GatherND", [name(rows), best], [.int("batch_dims", axis)])
  }

  /// Bytes `[batch, time, height, width, 3]` as numbers in 0...1, the same square of each.
  private mutating func images(_ bytes: Int, _ settings: Settings) -> String {
    let (height, width) = (settings.int("height"), settings.int("width"))
    let (crop, offset) = (settings.ints("crop"), settings.ints("offset"))
    var result = node("Reshape", [name(bytes), integers([-1, height, width, 3])])
    if crop != [height, width] {
      result = slice(result, axes: [1, 2], from: offset, to: [offset[0] + crop[0], offset[1] + crop[1]])
    }
    result = node("Cast", [result], [.int("to", ONNXTensorProto.DataType.float.rawValue)])
    return node("Mul", [result, numbers([1 / 255])])
  }

  /// Indices that do not change with the batch, or those of one item moved on by as many rows as each has.
  private mutating func gathered(
    _ operation: GraphTrace.Operation, _ settings: Settings, module: String
  ) throws -> String {
    let (x, axis, indices) = (operation.inputs[0]!, settings.int("axis"), settings.ints("indices"))
    guard case .batch(let count) = shape(operation.output)[axis] else {
      guard !shape(x)[axis].isBatch else {
        throw GraphError.dependsOnBatch(operation: operation.name, module: module)
      }
      return node("Gather", [name(x), integers(indices)], [.int("axis", axis)])
    }
    let pattern = Array(indices.prefix(count))
    var rows = 0
    if case .batch(let times) = shape(x)[axis] { rows = times }
    let rest = Array(shape(x).dropFirst())
    guard rows > 0 else {
      let one = node("Gather", [name(x), integers(pattern)], [.int("axis", 0)])
      let expanded = node("Expand", [one, dimensions([.batch(1), .fixed(count)] + rest)])
      return node("Reshape", [expanded, target(shape(operation.output))])
    }
    let items = node("Reshape", [name(x), target([.batch(1), .fixed(rows)] + rest)])
    let chosen = node("Gather", [items, integers(pattern)], [.int("axis", 1)])
    return node("Reshape", [chosen, target(shape(operation.output))])
  }
}
