import Synchronization

/// What has been computed from parameters, in order: the way back to their gradients.
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
  private struct State {
    var records: [Record] = []
    var parameters: [ObjectIdentifier: Int] = [:]
    var random: Random
  }

  @TaskLocal static var current: Tape?
  private static let ids = Atomic<UInt64>(1)

  let id = Tape.ids.add(1, ordering: .relaxed).newValue
  private let state: Mutex<State>

  init(random: Random) {
    state = Mutex(State(random: random))
  }

  public static var isRecording: Bool { current != nil }

  /// The training stream of the tape that records, or nil.
  public static func withRandom<Result>(_ body: (inout Random) -> Result) -> Result? {
    guard let tape = current else { return nil }
    var random = tape.state.withLock { $0.random }
    defer { tape.state.withLock { [random] in $0.random = random } }
    return body(&random)
  }

  func register(_ parameter: Parameter, value: Tensor) -> Tensor {
    let identity = ObjectIdentifier(parameter)
    let index = state.withLock { state in
      if let index = state.parameters[identity] { return index }
      let index = state.records.count
      state.records.append(Record(inputs: [], pullback: nil, operation: "parameter"))
      state.parameters[identity] = index
      return index
    }
    return Tensor(shape: value.shape, storage: value.storage, slot: Slot(tape: id, index: index))
  }

  func record(_ operation: StaticString, inputs: [Int?], pullback: @escaping Pullback) -> Slot {
    state.withLock { state in
      state.records.append(Record(inputs: inputs, pullback: pullback, operation: operation))
      return Slot(tape: id, index: state.records.count - 1)
    }
  }

  /// The names of the operations that `body` records: lets a test find those it has no row for.
  package static func operations(_ body: () -> Void) -> Set<String> {
    let tape = Tape(random: Random(seed: 0))
    Tape.$current.withValue(tape) { body() }
    return tape.state.withLock { Set($0.records.map { "\($0.operation)" }) }
  }

  func gradients(of value: Tensor) -> Gradients {
    var (records, parameters) = state.withLock { state in
      defer { state.records = [] }
      return (state.records, state.parameters)
    }
    guard let slot = value.slot, slot.tape == id else { return Gradients(values: [:]) }
    var upstream = [Tensor?](repeating: nil, count: records.count)
    upstream[slot.index] = .filled(value.shape, with: 1)
    for index in stride(from: slot.index, through: 0, by: -1) {
      guard let gradient = upstream[index], let pullback = records[index].pullback else { continue }
      upstream[index] = nil
      for (input, part) in zip(records[index].inputs, pullback(gradient)) {
        guard let input, let part else { continue }
        upstream[input] = upstream[input].map { $0 + part } ?? part
      }
      records[index].pullback = nil
    }
    return Gradients(values: parameters.compactMapValues { upstream[$0] })
  }
}

/// Records `body`, walks back from the scalar it returns, and gives its value and the gradients of every parameter it read.
public func withGradients(
  random: Random, _ body: () throws -> Tensor
) rethrows -> (value: Tensor, gradients: Gradients) {
  precondition(Tape.current == nil, "withGradients: a tape is recording already")
  let tape = Tape(random: random)
  let value = try Tape.$current.withValue(tape) { try body() }
  precondition(value.count == 1, "withGradients: the body must return one number, not shape \(value.shape)")
  return (value.detached, tape.gradients(of: value))
}

/// The gradients that one walk back found, by parameter.
public struct Gradients {
  var values: [ObjectIdentifier: Tensor]
  public subscript(_ parameter: Parameter) -> Tensor? { values[ObjectIdentifier(parameter)] }
}

/// A tensor that training changes. Modules hold it; gradients are kept elsewhere.
public final class Parameter {
  private var stored: Tensor
  public var isTrainable: Bool

  public init(_ value: Tensor, trainable: Bool = true) {
    stored = value.detached
    isTrainable = trainable
  }

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
}

extension Tensor {
  /// Whether a gradient with respect to this tensor is wanted.
  var isRecorded: Bool { slot != nil && slot!.tape == Tape.current?.id }

  func recorded(
    _ operation: StaticString, from inputs: [Tensor], _ pullback: @escaping Tape.Pullback
  ) -> Tensor {
    guard let tape = Tape.current else { return self }
    let indices = inputs.map { $0.isRecorded ? $0.slot!.index : nil }
    guard indices.contains(where: { $0 != nil }) else { return self }
    return Tensor(shape: shape, storage: storage, slot: tape.record(operation, inputs: indices, pullback: pullback))
  }
}
