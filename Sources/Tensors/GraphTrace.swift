import Synchronization

/// A forward pass written down as it runs, operation by operation: what other runtimes get as a graph.
///
/// Operations describe themselves where they are computed, so a network has no second description. A tensor is known by its
/// buffer and its shape; arrays that tensors are made of (pixels, indices) are known by their buffers. What is computed
/// elsewhere on the processor enters as a constant, and values that are read are noted: whoever makes a graph of the trace
/// refuses both where they depend on an input.
public final class GraphTrace: Sendable {
  /// What a value's numbers are.
  package enum Element: Sendable, Equatable { case float, byte, integer }

  /// A tensor or an array that operations use or give.
  package struct Value: Sendable {
    package let shape: [Int]
    package let element: Element
    /// Its numbers; nil of arrays, and of what was computed from inputs.
    package let tensor: Tensor?
    /// What whole numbers are below.
    var bound: Int?
    /// The name of an input.
    package fileprivate(set) var input: String?
    /// The operation that gave it; nil of inputs and of what was computed elsewhere.
    package fileprivate(set) var operation: Int?
  }

  /// What was computed.
  package struct Operation: Sendable {
    package let name: String
    /// Values by number; nil where an optional one was left out.
    package let inputs: [Int?]
    package let output: Int
    package let attributes: [String: GraphAttribute]
  }

  /// All that was written down.
  package struct Record: Sendable {
    package fileprivate(set) var values: [Value] = []
    package fileprivate(set) var operations: [Operation] = []
    /// Values whose numbers were read outside of operations, and how many operations there were before.
    package fileprivate(set) var reads: [(value: Int, after: Int)] = []
    /// What the pass was asked for.
    package fileprivate(set) var outputs: [(name: String, value: Int)] = []
  }

  fileprivate struct State: @unchecked Sendable {
    var record = Record()
    /// By buffer and shape, while the buffer is there.
    var tensors: [ObjectIdentifier: [[Int]: Int]] = [:]
    var arrays: [UnsafeRawPointer: Int] = [:]
    /// Arrays that must not go, or another could get their place.
    var kept: [Any] = []
  }

  @TaskLocal private static var current: GraphTrace?
  private static let count = Atomic<Int>(0)
  private static let traces = Mutex<[GraphTrace]>([])
  private let state = Mutex(State())

  init() {}

  /// A buffer goes, and another may get its place.
  static func forget(_ buffer: ObjectIdentifier) {
    for trace in traces.withLock({ $0 }) { trace.state.withLock { $0.tensors[buffer] = nil } }
  }

  /// Whether any trace is being written: one load, so that operations cost nothing more while none is.
  @inline(__always) static var isWriting: Bool { count.load(ordering: .relaxed) > 0 }

  /// The trace of the present task.
  static var active: GraphTrace? { isWriting ? current : nil }

  /// Whether the present task's operations are written down.
  public static var isActive: Bool { active != nil }

  /// Writes down what `body` computes.
  ///
  /// - Parameter body: gives the tensors asked for by name; what it computes from is named with `input`.
  package static func record(_ body: (GraphTrace) throws -> [(name: String, tensor: Tensor)]) rethrows -> Record {
    let trace = GraphTrace()
    traces.withLock { $0.append(trace) }
    count.add(1, ordering: .relaxed)
    defer {
      count.subtract(1, ordering: .relaxed)
      traces.withLock { $0.removeAll { $0 === trace } }
    }
    let outputs = try $current.withValue(trace) { try body(trace) }
    return trace.state.withLock { state in
      state.record.outputs = outputs.map { ($0.name, state.value($0.tensor)) }
      return state.record
    }
  }

  /// `body()`, of which nothing is written down.
  package static func paused<Result>(_ body: () throws -> Result) rethrows -> Result {
    isWriting ? try $current.withValue(nil, operation: body) : try body()
  }

  // MARK: Inputs

  /// `body()`, an input of the graph while one is traced: what a plug-in computes outside of tensor operations, such as the rows
  /// of a table, and whoever runs the graph has to compute, too.
  ///
  /// - Parameters:
  ///   - name: as whoever runs the graph sees it.
  ///   - body: gives a tensor whose first axis is the batch.
  public static func input(named name: String, _ body: () -> Tensor) -> Tensor {
    guard let trace = active else { return body() }
    let tensor = $current.withValue(nil, operation: body)
    trace.input(tensor, named: name)
    return tensor
  }

  package func input(_ tensor: Tensor, named name: String) {
    state.withLock { state in
      let value = state.value(tensor)
      guard state.record.values[value].input == nil else { return }
      state.name(value, name)
    }
  }

  /// The same of bytes: pixels.
  package func input(_ bytes: [UInt8], shape: [Int], named name: String) {
    state.withLock { state in
      let value = state.add(bytes, Value(shape: shape, element: .byte, tensor: nil))
      state.name(value, name)
    }
  }

  /// The same of one whole number an item, from 0 to below `bound`.
  package func input(_ numbers: [Float], below bound: Int, named name: String) {
    state.withLock { state in
      let value = state.add(numbers, Value(shape: [numbers.count], element: .integer, tensor: nil, bound: bound))
      state.name(value, name)
    }
  }

  // MARK: Operations

  func write(_ name: String, _ inputs: [Tensor?], _ output: Tensor, _ attributes: [String: GraphAttribute]) {
    state.withLock { state in
      let values = inputs.map { $0.map { state.value($0) } }
      // An input's numbers in a shape that they had before: nothing was computed. What is known otherwise came from a kernel's
      // own use of tensors, which this operation stands for.
      let isInput = inputs.contains { $0?.buffer == output.buffer }
      guard !isInput || state.known(output) == nil else { return }
      state.write(name, values, state.output(output, of: values), attributes)
    }
  }

  /// `body()`, written down as one operation, whatever it is made of.
  package static func operation(
    _ name: String, _ inputs: [Tensor?], _ attributes: @autoclosure () -> [String: GraphAttribute] = [:],
    _ body: () -> Tensor
  ) -> Tensor {
    guard let trace = active else { return body() }
    let output = $current.withValue(nil, operation: body)
    trace.write(name, inputs, output, attributes())
    return output
  }

  /// `body()`, made from an array; written down where that array is an input or came from one.
  package static func operation<Element>(
    _ name: String, of array: [Element], _ attributes: @autoclosure () -> [String: GraphAttribute] = [:],
    _ body: () -> Tensor
  ) -> Tensor {
    guard let trace = active, let source = trace.state.withLock({ $0.known(array) }) else { return body() }
    let output = $current.withValue(nil, operation: body)
    trace.state.withLock { state in state.write(name, [source], state.output(output, of: [source]), attributes()) }
    return output
  }

  /// A row for each of some numbers, each a function of its number alone. Where they are an input of whole numbers, a graph has a
  /// table of all rows.
  package static func rows(of numbers: [Float], _ body: ([Float]) -> Tensor) -> Tensor {
    guard let trace = active, let source = trace.state.withLock({ $0.known(numbers) }),
      let bound = trace.state.withLock({ $0.record.values[source].bound })
    else { return body(numbers) }
    let (output, table) = $current.withValue(nil) { (body(numbers), body((0..<bound).map(Float.init))) }
    trace.state.withLock { state in
      let inputs = [source, state.value(table)]
      state.write("table rows", inputs, state.output(output, of: inputs), [:])
    }
    return output
  }

  /// An array that is made from another one; written down where that one is an input or came from one.
  package static func array<Element, Result>(
    _ name: String, of array: [Element], shape: [Int], _ attributes: @autoclosure () -> [String: GraphAttribute] = [:],
    _ body: () -> [Result]
  ) -> [Result] {
    let result = body()
    guard let trace = active else { return result }
    trace.state.withLock { state in
      guard let source = state.known(array) else { return }
      let value = state.add(result, Value(shape: shape, element: state.record.values[source].element, tensor: nil))
      state.write(name, [source], value, attributes())
    }
    return result
  }

  /// The numbers of a tensor as an array that operations may be made of.
  package static func numbers(of tensor: Tensor) -> [Float] {
    guard let trace = active else { return tensor.scalars }
    let numbers = paused { tensor.scalars }
    trace.state.withLock { state in
      let source = state.value(tensor)
      state.write(
        "numbers", [source], state.add(numbers, Value(shape: tensor.shape, element: .float, tensor: nil)), [:])
    }
    return numbers
  }

  /// `body()`, made from two arrays; written down where one of them is an input or came from one.
  package static func operation<Element>(
    _ name: String, of first: [Element], and second: [Element], _ body: () -> Tensor
  ) -> Tensor {
    guard let trace = active else { return body() }
    let sources = trace.state.withLock { [$0.known(first), $0.known(second)] }
    guard sources.contains(where: { $0 != nil }) else { return body() }
    let output = paused(body)
    trace.state.withLock { state in state.write(name, sources, state.output(output, of: sources), [:]) }
    return output
  }

  /// Places that are chosen by the numbers of tensors.
  package static func places(
    _ name: String, _ inputs: [Tensor], _ attributes: @autoclosure () -> [String: GraphAttribute] = [:],
    _ body: () -> IndexTensor
  ) -> IndexTensor {
    guard let trace = active else { return body() }
    let result = $current.withValue(nil, operation: body)
    trace.state.withLock { state in
      let inputs = inputs.map { state.value($0) }
      state.write(name, inputs, state.add(result), attributes())
    }
    return result
  }

  /// `body()`, which takes from a tensor what lies at places; written down where those were chosen by tensors. Others do not
  /// change with the inputs, and `constant` is written down as it runs.
  package static func operation(
    _ name: String, _ tensor: Tensor, at places: IndexTensor, constant: () -> Tensor, _ body: () -> Tensor
  ) -> Tensor {
    guard let trace = active else { return body() }
    guard let source = trace.state.withLock({ $0.known(places) }) else { return constant() }
    let output = $current.withValue(nil, operation: body)
    trace.state.withLock { state in
      let inputs = [state.value(tensor), source]
      state.write(name, inputs, state.output(output, of: inputs), [:])
    }
    return output
  }

  /// Notes that a tensor's numbers are looked at outside of operations.
  @inline(__always) static func noteRead(_ tensor: Tensor) {
    if isWriting { noteReadNow(tensor) }
  }

  private static func noteReadNow(_ tensor: Tensor) {
    current?.state.withLock { state in state.noteRead(of: state.known(tensor)) }
  }

  /// The same of places.
  static func noteRead(_ places: IndexTensor) {
    if isWriting { current?.state.withLock { state in state.noteRead(of: state.known(places)) } }
  }
}

extension GraphTrace.State {
  func known(_ tensor: Tensor) -> Int? { tensors[tensor.buffer]?[tensor.shape] }

  func known(_ places: IndexTensor) -> Int? { tensors[ObjectIdentifier(places.storage)]?[places.shape] }

  mutating func add(_ places: IndexTensor) -> Int {
    record.values.append(GraphTrace.Value(shape: places.shape, element: .integer, tensor: nil))
    tensors[ObjectIdentifier(places.storage), default: [:]][places.shape] = record.values.count - 1
    return record.values.count - 1
  }

  mutating func noteRead(of value: Int?) {
    if let value { record.reads.append((value, record.operations.count)) }
  }

  /// The number of a tensor, which is a constant when nobody knows it yet.
  mutating func value(_ tensor: Tensor) -> Int {
    if let known = known(tensor) { return known }
    return add(tensor, isConstant: true)
  }

  private mutating func add(_ tensor: Tensor, isConstant: Bool) -> Int {
    record.values.append(
      GraphTrace.Value(shape: tensor.shape, element: .float, tensor: isConstant ? tensor.detached : nil))
    tensors[tensor.buffer, default: [:]][tensor.shape] = record.values.count - 1
    return record.values.count - 1
  }

  /// The number of what an operation gave; a large one is kept only where it depends on no input.
  mutating func output(_ tensor: Tensor, of inputs: [Int?]) -> Int {
    if let known = known(tensor) { return known }
    let isConstant = inputs.allSatisfy { input in
      input.map { record.values[$0].input == nil && record.values[$0].tensor != nil } ?? true
    }
    return add(tensor, isConstant: isConstant)
  }

  func known<Element>(_ array: [Element]) -> Int? {
    array.withUnsafeBytes { bytes in bytes.baseAddress.flatMap { arrays[$0] } }
  }

  mutating func add<Element>(_ array: [Element], _ value: GraphTrace.Value) -> Int {
    kept.append(array)
    record.values.append(value)
    array.withUnsafeBytes { bytes in
      if let address = bytes.baseAddress { arrays[address] = record.values.count - 1 }
    }
    return record.values.count - 1
  }

  /// Names an input; a second one of a name gets a number.
  mutating func name(_ value: Int, _ name: String) {
    let taken = Set(record.values.compactMap(\.input))
    record.values[value].operation = nil
    record.values[value].input =
      taken.contains(name) ? (2...).lazy.map { "\(name)_\($0)" }.first { !taken.contains($0) } : name
  }

  mutating func write(_ name: String, _ inputs: [Int?], _ output: Int, _ attributes: [String: GraphAttribute]) {
    record.values[output].operation = record.operations.count
    record.operations.append(.init(name: name, inputs: inputs, output: output, attributes: attributes))
  }
}

/// A number, or several, that an operation was given beside tensors.
package enum GraphAttribute: Sendable, Equatable {
  case int(Int)
  case ints([Int])
  case float(Float)
  case floats([Float])
  case text(String)
}

extension Tensor {
  /// What tells the buffer of its numbers from others while the tensor is there.
  package var buffer: ObjectIdentifier { ObjectIdentifier(storage) }
}
