import Imitation
import Tensors

// Points in space and the cameras that see them.
extension ONNXBuilder {
  /// Columns of a camera's sixteen numbers, see `CameraCalibration.numbers`.
  private mutating func columns(_ camera: String, _ range: Range<Int>) -> String {
    slice(camera, axes: [1], from: [range.lowerBound], to: [range.upperBound])
  }

  /// `(u + 0.5 - cx) / fx, (v + 0.5 - cy) / fy, 1` of each pixel: `[batch, pixels, 3]`.
  mutating func pixelRays(_ camera: String, size: [Int]) -> String {
    let (height, width) = (size[0], size[1])
    let middles = (0..<height * width).flatMap { [Float($0 % width) + 0.5, Float($0 / width) + 0.5] }
    func perItem(_ columns: String, _ builder: inout ONNXBuilder) -> String {
      builder.node("Unsqueeze", [columns, builder.integers([1])])
    }
    let (focal, center) = (perItem(columns(camera, 0..<2), &self), perItem(columns(camera, 2..<4), &self))
    let pixels = numbers(middles, shape: [1, height * width, 2])
    let plane = node("Div", [node("Sub", [pixels, center]), focal])
    return node("Pad", [plane, integers([0, 0, 0, 0, 0, 1]), numbers([1])])
  }

  /// `2 / (fx + fy)`, `[batch, 1, 1]`.
  mutating func pixelWidth(_ camera: String) -> String {
    let sum = node("ReduceSum", [columns(camera, 0..<2), integers([1])], [.int("keepdims", 1)])
    return node("Unsqueeze", [node("Div", [numbers([2]), sum]), integers([2])])
  }

  /// The matrix from a camera to the base and its place there, `[batch, 3, 3]` and `[batch, 3, 1]`.
  private mutating func pose(_ camera: String) -> (rotation: String, place: String) {
    let matrix = node("Reshape", [columns(camera, 4..<16), integers([-1, 3, 4])])
    return (
      slice(matrix, axes: [2], from: [0], to: [3]), slice(matrix, axes: [2], from: [3], to: [4])
    )
  }

  /// The rotation from one camera's frame into another's, or into the base's: `[batch, 3, 3]`.
  mutating func rotation(_ from: String, to: String?) -> String {
    let first = pose(from)
    guard let to else { return first.rotation }
    return node("MatMul", [node("Transpose", [pose(to).rotation], [.ints("perm", [0, 2, 1])]), first.rotation])
  }

  /// Where one camera is in another's frame, or in the base's: `[batch, 3]`.
  mutating func shift(_ from: String, to: String?) -> String {
    let first = pose(from)
    guard let to else { return node("Squeeze", [first.place, integers([2])]) }
    let second = pose(to)
    let back = node("Transpose", [second.rotation], [.ints("perm", [0, 2, 1])])
    return node("Squeeze", [node("MatMul", [back, node("Sub", [first.place, second.place])]), integers([2])])
  }

  /// The unit quaternion of a rotation, by its largest component (Shepperd 1978): `[batch, 4]`.
  ///
  /// Each of the four ways is a matrix of ones and minus ones times the nine numbers, and 1 somewhere.
  mutating func quaternion(_ rotation: String) -> String {
    // Of rows of the rotation's nine numbers.
    let ways: [[[Float]]] = [
      [
        [1, 0, 0, 0, 1, 0, 0, 0, 1], [0, 0, 0, 0, 0, -1, 0, 1, 0], [0, 0, 1, 0, 0, 0, -1, 0, 0],
        [0, -1, 0, 1, 0, 0, 0, 0, 0],
      ],
      [
        [0, 0, 0, 0, 0, -1, 0, 1, 0], [1, 0, 0, 0, -1, 0, 0, 0, -1], [0, 1, 0, 1, 0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0, 1, 0, 0],
      ],
      [
        [0, 0, 1, 0, 0, 0, -1, 0, 0], [0, 1, 0, 1, 0, 0, 0, 0, 0], [-1, 0, 0, 0, 1, 0, 0, 0, -1],
        [0, 0, 0, 0, 0, 1, 0, 1, 0],
      ],
      [
        [0, -1, 0, 1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 1, 0, 1, 0],
        [-1, 0, 0, 0, -1, 0, 0, 0, 1],
      ],
    ]
    let rows = ways.flatMap { $0 }
    let turned = (0..<9).flatMap { entry in rows.map { $0[entry] } }
    let ones = (0..<16).map { Float($0 / 4 == $0 % 4 ? 1 : 0) }
    let flat = node("Reshape", [rotation, integers([-1, 9])])
    let sums = node("Add", [node("MatMul", [flat, numbers(turned, shape: [9, 16])]), numbers(ones, shape: [16])])
    let all = node("Reshape", [sums, integers([-1, 4, 4])])
    // The trace and the diagonal.
    let diagonal: [Float] = [
      1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1,
    ]
    let squares = node("MatMul", [flat, numbers(diagonal, shape: [9, 4])])
    let best = node("ArgMax", [squares], [.int("axis", 1), .int("keepdims", 1)])
    let chosen = node("GatherND", [all, best], [.int("batch_dims", 1)])
    let length = node(
      "Sqrt", [node("ReduceSum", [node("Mul", [chosen, chosen]), integers([1])], [.int("keepdims", 1)])])
    return node("Div", [chosen, length])
  }

  /// A value, or the depth itself, where a depth is above 0 and finite, and another one elsewhere.
  mutating func whereKnown(_ depths: String, _ value: Float?, otherwise: Float) -> String {
    node("Where", [isKnown(depths), value.map { numbers([$0]) } ?? depths, numbers([otherwise])])
  }

  private mutating func isKnown(_ depths: String) -> String {
    node(
      "And",
      [
        node("Greater", [depths, numbers([0])]),
        node("LessOrEqual", [depths, numbers([Float.greatestFiniteMagnitude])]),
      ])
  }

  /// Where each pixel is in the box, and 1; four zeros where it is nowhere: `[frames, pixels, 4]`, see `Workspace`.
  mutating func places(_ depths: Int, _ camera: Int, _ settings: Settings) -> String {
    let (size, corners, middle) = (settings.ints("size"), settings.floats("corners"), settings.floats("middle"))
    let camera = node("Reshape", [name(camera), integers([-1, CameraCalibration.width])])
    let recorded = node("Reshape", [name(depths), integers([-1, size[0] * size[1], 1])])
    let depth = whereKnown(recorded, nil, otherwise: 0)
    let (rotation, shift) = pose(camera)
    func turned(_ matrix: String, _ builder: inout ONNXBuilder) -> String {
      builder.node("Transpose", [matrix], [.ints("perm", [0, 2, 1])])
    }
    let local = node("Mul", [pixelRays(camera, size: size), depth])
    let place = node("Add", [node("MatMul", [local, turned(rotation, &self)]), turned(shift, &self)])
    let within = node(
      "And",
      [
        node("GreaterOrEqual", [place, numbers(Array(corners[..<3]), shape: [3])]),
        node("LessOrEqual", [place, numbers(Array(corners[3...]), shape: [3])]),
      ])
    let known = node("And", [within, isKnown(recorded)])
    let float = [ONNXAttributeProto.int("to", ONNXTensorProto.DataType.float.rawValue)]
    let counts = node("ReduceMin", [node("Cast", [known], float)], [.ints("axes", [2]), .int("keepdims", 1)])
    let scaled = node(
      "Div",
      [node("Sub", [place, numbers(Array(middle[..<3]), shape: [3])]), numbers([middle[3]])])
    return node("Concat", [node("Mul", [scaled, counts]), counts], [.int("axis", 2)])
  }

  /// 1 where a token sees a point, else next to nothing: those of the box see what lies in it, the others what does not.
  mutating func visibility(_ operation: GraphTrace.Operation, _ settings: Settings) -> String {
    let inputs = operation.inputs.map { name($0!) }
    let (means, box) = (inputs[0], inputs[2])
    let low = slice(box, axes: [0], from: [0], to: [3])
    let high = slice(box, axes: [0], from: [3], to: [6])
    let within = node("And", [node("GreaterOrEqual", [means, low]), node("LessOrEqual", [means, high])])
    let all = node(
      "ReduceMin", [node("Cast", [within], [.int("to", ONNXTensorProto.DataType.float.rawValue)])],
      [.ints("axes", [2]), .int("keepdims", 0)])
    let isInside = node("Greater", [all, numbers([0.5])])
    let isThere = node("Greater", [node("Squeeze", [inputs[1], integers([2])]), numbers([0.01])])
    let shape = shape(operation.output)
    let (tokens, outside) = (settings.int("tokens"), settings.int("outside"))
    func rows(_ seen: String, _ count: Int, _ builder: inout ONNXBuilder) -> String {
      let score = builder.node(
        "Where", [builder.node("And", [seen, isThere]), builder.numbers([1]), builder.numbers([1e-15])])
      let row = builder.node("Unsqueeze", [score, builder.integers([1])])
      return builder.node("Expand", [row, builder.dimensions([shape[0], .fixed(count), shape[2]])])
    }
    let inner = rows(isInside, tokens - outside, &self)
    guard outside > 0 else { return inner }
    return node("Concat", [inner, rows(node("Not", [isInside]), outside, &self)], [.int("axis", 1)])
  }

  /// The first point, then again and again the one farthest from all chosen, the first of equals: `[batch, count]`.
  mutating func farthestPoints(_ points: Int, count: Int) -> String {
    let points = (name: name(points), shape: shape(points))
    let distances = node("Expand", [numbers([.greatestFiniteMagnitude]), dimensions(Array(points.shape.prefix(2)))])
    let first = node("Expand", [integers([0]), dimensions([points.shape[0]])])
    let (axis, last) = (integers([1]), integers([-1]))
    var body = ONNXGraphProto()
    body.name = "the next of the farthest points"
    let prefix = "next_\(points.name)"
    func named(_ name: String) -> String { "\(prefix)/\(name)" }
    func add(_ type: String, _ inputs: [String], _ output: String, _ attributes: [ONNXAttributeProto] = []) {
      body.node.append(
        .with {
          ($0.opType, $0.name, $0.input, $0.output) = (type, named(type + " " + output), inputs, [named(output)])
          $0.attribute = attributes
        })
    }
    add("Unsqueeze", [named("chosen"), axis], "places")
    add("GatherND", [points.name, named("places")], "point", [.int("batch_dims", 1)])
    add("Unsqueeze", [named("point"), axis], "row")
    add("Sub", [points.name, named("row")], "difference")
    add("Mul", [named("difference"), named("difference")], "squares")
    add("ReduceSum", [named("squares"), last], "distance", [.int("keepdims", 0)])
    add("Min", [named("before"), named("distance")], "after")
    add("ArgMax", [named("after")], "next", [.int("axis", 1), .int("keepdims", 0)])
    add("Identity", [named("goes_on")], "still_goes_on")
    add("Identity", [named("chosen")], "found")
    body.input = [
      .value(named("number"), .int64, []), .value(named("goes_on"), .bool, []), .value(named("before"), .float, nil),
      .value(named("chosen"), .int64, nil),
    ]
    body.output = [
      .value(named("still_goes_on"), .bool, []), .value(named("after"), .float, nil),
      .value(named("next"), .int64, nil), .value(named("found"), .int64, nil),
    ]
    let found = loop([integers([count], shape: []), "", distances, first], body)
    return node("Transpose", [found], [.ints("perm", [1, 0])])
  }
}

extension ONNXValueInfoProto {
  /// - Parameter shape: nil where it follows from what is computed.
  static func value(_ name: String, _ type: ONNXTensorProto.DataType, _ shape: [Int]?) -> Self {
    .with {
      $0.name = name
      $0.type.tensorType.elemType = Int32(type.rawValue)
      if let shape {
        $0.type.tensorType.shape = .with { $0.dim = shape.map { length in .with { $0.dimValue = Int64(length) } } }
      }
    }
  }
}
