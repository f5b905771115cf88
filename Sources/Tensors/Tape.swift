import Synchronization

/// What has been computed from parameters, in order: what the backward pass walks.
///
/// One flat array of records whose order is topological, so the walk back is one loop: no recursion, no cycles, freed in one
/// go. Pullbacks run after the scope has closed and never record: there are no second derivatives.
public final class Tape: Sendable {
  struct Slot: Sendable {
    let tape: UInt64
    let index: Int
  }
  typealias Pullback = @Sendable (Tensor) -> [Tensor?]
  private struct Record: Sendable {
    var inputs: [Int?]
    var pullback: Pullback?
    var operation: StaticString
  }
  private struct Entry: @unchecked Sendable {
    let parameter: Parameter
    let index: Int
  }
  private struct State {
    var records: [Record] = []
    var parameters: [ObjectIdentifier: Entry] = [:]
    /// The parameters in the order of their first use.
    var order: [ObjectIdentifier] = []
  }

  @TaskLocal static var current: Tape?
  private static let ids = Atomic<UInt64>(1)

  let id = Tape.ids.add(1, ordering: .relaxed).newValue
  private let state = Mutex(State())

  /// Whether pullbacks are kept; without them the tape only learns which parameters are read.
  private let keepsPullbacks: Bool

  init(keepsPullbacks: Bool = true) { self.keepsPullbacks = keepsPullbacks }

  func register(_ parameter: Parameter, value: Tensor) -> Tensor {
    let identity = ObjectIdentifier(parameter)
    let index = state.withLock { state in
      if let entry = state.parameters[identity] { return entry.index }
      let index = state.records.count
      state.records.append(Record(inputs: [], pullback: nil, operation: "parameter"))
      state.parameters[identity] = Entry(parameter: parameter, index: index)
      state.order.append(identity)
      return index
    }
    return Tensor(shape: value.shape, storage: value.storage, slot: Slot(tape: id, index: index))
  }

  /// `value` as something a gradient is wanted for.
  private func leaf(_ value: Tensor) -> Tensor {
    Tensor(
      shape: value.shape, storage: value.storage, slot: record("leaf", inputs: []) { _ in [] })
  }

  func record(_ operation: StaticString, inputs: [Int?], pullback: @escaping Pullback) -> Slot {
    state.withLock { state in
      state.records.append(Record(inputs: inputs, pullback: keepsPullbacks ? pullback : nil, operation: operation))
      return Slot(tape: id, index: state.records.count - 1)
    }
  }

  /// The names of the operations that `body` records: lets a test find those it has no row for.
  package static func operations(_ body: () -> Void) -> Set<String> {
    let tape = Tape()
    Phase.training(random: Random(seed: 0)) { Tape.$current.withValue(tape) { body() } }
    return tape.state.withLock { Set($0.records.map { "\($0.operation)" }) }
  }

  func gradients(of value: Tensor) -> Gradients {
    Memory.counting(as: .gradients) {
      let (outputGradient, parameters) = walk(from: value, outputGradient: .filled(value.shape, with: 1))
      return Gradients(values: parameters.compactMapValues { outputGradient[$0.index] })
    }
  }

  /// Walks back from `value`; each record is let go as soon as it has been passed.
  /// - Returns: the gradients that arrived at parameters and leaves, by index.
  private func walk(
    from value: Tensor, outputGradient seed: Tensor
  ) -> (outputGradient: [Tensor?], parameters: [ObjectIdentifier: Entry]) {
    var (records, parameters) = state.withLock { state in
      defer { state.records = [] }
      return (state.records, state.parameters)
    }
    var outputGradient = [Tensor?](repeating: nil, count: records.count)
    guard let slot = value.slot, slot.tape == id else { return (outputGradient, parameters) }
    outputGradient[slot.index] = seed
    for index in stride(from: slot.index, through: 0, by: -1) {
      guard let pullback = records[index].pullback, !records[index].inputs.isEmpty, let gradient = outputGradient[index]
      else { continue }
      outputGradient[index] = nil
      for (input, part) in zip(records[index].inputs, pullback(gradient)) {
        guard let input, let part else { continue }
        outputGradient[input].accumulate(part)
      }
      records[index].pullback = nil
    }
    return (outputGradient, parameters)
  }

  /// See `recomputed(_:_:)`.
  fileprivate static func recomputed(_ input: Tensor, _ body: @escaping @Sendable (Tensor) -> Tensor) -> Tensor {
    guard current != nil else { return body(input) }
    let random = Phase.withRandom { Random(seed: $0.next()) }
    let probe = Tape(keepsPullbacks: false)
    let value = Phase.with(random) { $current.withValue(probe) { body(probe.leaf(input)) } }
    let used = probe.state.withLock { state in state.order.map { state.parameters[$0]! } }
    let result = value.detached.recorded("recomputed", from: [input] + used.map { $0.parameter.value }) {
      [input = input.detached] outputGradient in
      let tape = Tape()
      let leaf = tape.leaf(input)
      let value = Memory.counting(as: .activations) {
        Phase.with(random) { $current.withValue(tape) { body(leaf) } }
      }
      let (found, parameters) = tape.walk(from: value, outputGradient: outputGradient)
      return [found[leaf.slot!.index]]
        + used.map { parameters[ObjectIdentifier($0.parameter)].flatMap { found[$0.index] } }
    }
    return result
  }
}

/// `body(input)` of which a tape keeps the input only: what lies between is computed again in the backward pass, for the
/// price of a second forward pass through it. Dropout falls the same way both times.
///
/// - Parameter body: reads parameters, changes nothing (no running statistics).
public func recomputed(_ input: Tensor, _ body: @escaping (Tensor) -> Tensor) -> Tensor {
  nonisolated(unsafe) let body = body
  return Tape.recomputed(input) { body($0) }
}

/// Records `body`, walks back from the scalar it returns, and gives its value and the gradients of every parameter it read.
///
/// - Parameter random: the stream of the training phase that `body` runs in; nil for gradients of the inference phase.
public func withGradients(
  random: Random?, _ body: () throws -> Tensor
) rethrows -> (value: Tensor, gradients: Gradients) {
  precondition(Tape.current == nil, "withGradients: a tape is recording already")
  let tape = Tape()
  let value = try Memory.counting(as: .activations) {
    try Phase.with(random) { try Tape.$current.withValue(tape) { try body() } }
  }
  precondition(value.count == 1, "withGradients: the body must return one number, not shape \(value.shape)")
  return (value.detached, tape.gradients(of: value))
}

/// The gradients that one walk back found, by parameter.
public struct Gradients {
  var values: [ObjectIdentifier: Tensor]
  /// The gradient of a parameter; nil when the loss does not depend on it.
  public subscript(_ parameter: Parameter) -> Tensor? { values[ObjectIdentifier(parameter)] }

  init(values: [ObjectIdentifier: Tensor]) { self.values = values }

  /// Those of some parameters.
  package init(_ pairs: some Sequence<(Parameter, Tensor)>) {
    values = Dictionary(pairs.map { (ObjectIdentifier($0), $1) }) { $1 }
  }
}

/// A tensor that training changes. Modules hold it; gradients are kept elsewhere.
public final class Parameter {
  private var stored: Tensor
  /// Whether training changes it now.
  public var isTrainable: Bool
  /// The step of training, counted from 0, that changes it first, where it is frozen until then.
  package(set) public var firstStep = 0
  /// The factor of its learning rate.
  package(set) public var rate: Float = 1
  /// Whether training changes it now or later.
  public var isEverTrained: Bool { isTrainable || firstStep > 0 }

  /// Begins with `value`.
  public init(_ value: Tensor, trainable: Bool = true) {
    stored = value.detached
    isTrainable = trainable
  }

  /// The present values; access while a tape records makes them part of it.
  public var value: Tensor {
    get {
      guard isTrainable, let tape = Tape.current else { return stored }
      return tape.register(self, value: stored)
    }
    set {
      precondition(
        newValue.shape == stored.shape, "Parameter: shape \(newValue.shape) for one of shape \(stored.shape)")
      stored = newValue.detached
    }
  }

  /// Changes the value where it lies, unless something else holds it too.
  package func changeStored(_ body: (inout Tensor) -> Void) { body(&stored) }
}

extension Tensor? {
  /// Adds a part of a gradient, in place where nothing else holds what there is.
  fileprivate mutating func accumulate(_ part: Tensor) {
    guard var sum = self else { return self = part }
    self = nil
    if isKnownUniquelyReferenced(&sum.storage) {
      Device.backend.accumulate(part, into: &sum)
      self = sum
    } else {
      self = sum + part
    }
  }
}

extension Tensor {
  /// Whether a gradient with respect to this tensor is wanted.
  var isRecorded: Bool { slot != nil && slot!.tape == Tape.current?.id }

  /// This tensor, which is recorded, as one more step of the tape that no trace sees.
  func recordedAlone(_ operation: StaticString, _ pullback: @escaping Tape.Pullback) -> Tensor {
    Tensor(
      shape: shape, storage: storage,
      slot: Tape.current!.record(operation, inputs: [slot!.index], pullback: pullback))
  }

  /// The operation that gave this tensor, for the tape and for a trace.
  ///
  /// - Parameters:
  ///   - inputs: what gradients may go to.
  ///   - constants: what else it was computed from.
  ///   - attributes: what it was given beside tensors.
  func recorded(
    _ operation: StaticString, from inputs: [Tensor?], constants: [Tensor?] = [],
    _ attributes: @autoclosure () -> [String: GraphAttribute] = [:], _ pullback: @escaping Tape.Pullback
  ) -> Tensor {
    if let trace = GraphTrace.active { trace.write("\(operation)", inputs + constants, self, attributes()) }
    guard let tape = Tape.current else { return self }
    let indices = inputs.map { input in input.flatMap { $0.isRecorded ? $0.slot!.index : nil } }
    guard indices.contains(where: { $0 != nil }) else { return self }
    return Tensor(shape: shape, storage: storage, slot: tape.record(operation, inputs: indices, pullback: pullback))
  }
}
