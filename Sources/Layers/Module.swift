@_exported import Files
import Tensors

/// A part of a network: a value whose parameters are found by walking its stored properties.
///
/// Declaring a property is all there is to do: a `Parameter`, a `Buffer`, a module, an array, a string-keyed dictionary or an
/// optional of them is found, and its name is the path to it (`blocks.0.attention.query.weight`).
public protocol Module {}

/// A tensor that a module keeps and that is saved with it: a `Parameter` or a `Buffer`.
public protocol ModuleTensor: AnyObject {
  /// What it holds now; a new value has the old one's shape.
  var value: Tensor { get set }
}

extension Parameter: ModuleTensor {}

/// A tensor of a module that is saved and not trained: running statistics, a standardization, a table.
public final class Buffer: ModuleTensor {
  public var value: Tensor {
    didSet { precondition(value.shape == oldValue.shape, "Buffer: shape \(value.shape) for \(oldValue.shape)") }
  }

  /// A buffer that starts with `value`.
  public init(_ value: Tensor) { self.value = value }
}

/// A module that turns one tensor into one tensor.
public protocol Layer: Module {
  /// `[..., inputs]` to `[..., outputs]`.
  func callAsFunction(_ input: Tensor) -> Tensor
}

/// Weights that do not fit a module.
public enum WeightError: Error, Equatable, CustomStringConvertible {
  /// A parameter without a tensor.
  case missing(String)
  /// A tensor without a parameter.
  case unknown(String)
  /// A tensor of another shape.
  case shape(String, expected: [Int], found: [Int])

  public var description: String {
    switch self {
    case .missing(let name): "the weights lack '\(name)'"
    case .unknown(let name): "the weights hold '\(name)', which this network does not have"
    case .shape(let name, let expected, let found): "'\(name)' has shape \(found), this network needs \(expected)"
    }
  }
}

extension [String: Tensor] {
  /// - Throws: `WeightError` when there is none of that name, or it has another shape.
  func tensor(_ name: String, shape: [Int]) throws -> Tensor {
    guard let tensor = self[name] else { throw WeightError.missing(name) }
    guard tensor.shape == shape else { throw WeightError.shape(name, expected: shape, found: tensor.shape) }
    return tensor
  }
}

extension Module {
  /// Every parameter with its name, in the order of declaration, frozen ones among them.
  public func parameters() -> [(name: String, parameter: Parameter)] {
    state().compactMap { entry in (entry.tensor as? Parameter).map { (entry.name, $0) } }
  }

  /// Every buffer with its name, in the order of declaration.
  public func buffers() -> [(name: String, buffer: Buffer)] {
    state().compactMap { entry in (entry.tensor as? Buffer).map { (entry.name, $0) } }
  }

  /// Every parameter and buffer with its name, in the order of declaration.
  public func state() -> [(name: String, tensor: any ModuleTensor)] {
    var found: [(name: String, tensor: any ModuleTensor)] = []
    var seen: Set<ObjectIdentifier> = []
    func walk(_ value: Any, _ path: String) {
      switch value {
      case let tensor as any ModuleTensor:
        // A shared one keeps its first name.
        if seen.insert(ObjectIdentifier(tensor)).inserted { found.append((path, tensor)) }
      case let module as any Module: properties(of: module, path)
      case let list as [Any]: for (index, element) in list.enumerated() { walk(element, "\(path).\(index)") }
      case let named as [String: Any]:
        for (key, element) in named.sorted(by: { $0.key < $1.key }) { walk(element, "\(path).\(key)") }
      default:
        let mirror = Mirror(reflecting: value)
        if mirror.displayStyle == .optional, let inside = mirror.children.first { walk(inside.value, path) }
      }
    }
    func properties(of module: any Module, _ path: String) {
      for child in Mirror(reflecting: module).children {
        guard let label = child.label, !(child.value is [Float]) else { continue }
        walk(child.value, path.isEmpty ? label : "\(path).\(label)")
      }
    }
    properties(of: self, "")
    return found
  }

  /// How many numbers training changes.
  public var parameterCount: Int {
    parameters().reduce(0) { $0 + ($1.parameter.isEverTrained ? $1.parameter.value.count : 0) }
  }

  /// The value of every parameter and buffer by name.
  public func snapshot() -> [String: Tensor] {
    Dictionary(uniqueKeysWithValues: state().map { ($0.name, $0.tensor.value) })
  }

  /// Over every name and weight: two modules that differ anywhere have different ones.
  package var weightsHash: StableHash {
    var hash = StableHash()
    for (name, tensor) in snapshot().sorted(by: { $0.key < $1.key }) {
      hash.add(name.utf8)
      tensor.withUnsafeBufferPointer { hash.add(UnsafeRawBufferPointer($0)) }
    }
    return hash
  }

  /// The same as text.
  package var weightsDigest: String { String(weightsHash.value, radix: 16) }

  /// Fills every parameter and buffer; nothing changes unless all of them fit.
  /// - Throws: `WeightError`.
  public func load(_ tensors: [String: Tensor]) throws {
    let state = state()
    for (name, own) in state { _ = try tensors.tensor(name, shape: own.value.shape) }
    let known = Set(state.map(\.name))
    if let extra = tensors.keys.sorted().first(where: { !known.contains($0) }) { throw WeightError.unknown(extra) }
    for (name, own) in state { own.value = tensors[name]! }
  }

  /// Takes this module's parameters out of training: they record nothing and get no gradient.
  public func freeze() {
    for (_, parameter) in parameters() { (parameter.isTrainable, parameter.firstStep) = (false, 0) }
  }

  /// Keeps this module's parameters out of the first steps of training; then they learn with a learning rate of their own. What
  /// is frozen for good stays so.
  ///
  /// - Parameters:
  ///   - step: the first step that changes them, counted from 0.
  ///   - rate: the factor of their learning rate.
  public func freeze(until step: Int, rate: Float = 1) {
    for (_, parameter) in parameters() where parameter.isEverTrained {
      (parameter.isTrainable, parameter.firstStep, parameter.rate) = (step <= 0, max(0, step), rate)
    }
  }
}
