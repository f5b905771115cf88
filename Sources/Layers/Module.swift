@_exported import Files
import Tensors

/// A part of a network: a value whose parameters are found by walking its stored properties.
///
/// Declaring a property is all there is to do: a `Parameter`, a module, an array, a string-keyed dictionary or an optional
/// of them is found, and its name is the path to it (`blocks.0.attention.query.weight`).
public protocol Module {}

/// A module that turns one tensor into one tensor.
public protocol Layer: Module {
  func callAsFunction(_ input: Tensor) -> Tensor
}

/// Weights that do not fit a module.
public enum WeightError: Error, Equatable, CustomStringConvertible {
  case missing(String)
  case unknown(String)
  case shape(String, expected: [Int], found: [Int])

  public var description: String {
    switch self {
    case .missing(let name): "the weights lack '\(name)'"
    case .unknown(let name): "the weights hold '\(name)', which this network does not have"
    case .shape(let name, let expected, let found): "'\(name)' has shape \(found), this network needs \(expected)"
    }
  }
}

extension Module {
  /// Every parameter with its name, in the order of declaration, statistics that are not trained among them.
  public func parameters() -> [(name: String, parameter: Parameter)] {
    var found: [(name: String, parameter: Parameter)] = []
    var seen: Set<ObjectIdentifier> = []
    func walk(_ value: Any, _ path: String) {
      switch value {
      case let parameter as Parameter:
        // A shared parameter keeps its first name.
        if seen.insert(ObjectIdentifier(parameter)).inserted { found.append((path, parameter)) }
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
    parameters().reduce(0) { $0 + ($1.parameter.isTrainable ? $1.parameter.value.count : 0) }
  }

  /// Every parameter's value by name.
  public func snapshot() -> [String: Tensor] {
    Dictionary(uniqueKeysWithValues: parameters().map { ($0.name, $0.parameter.value) })
  }

  /// Fills every parameter; nothing changes unless all of them fit.
  /// - Throws: `WeightError`.
  public func load(_ tensors: [String: Tensor]) throws {
    let parameters = parameters()
    for (name, parameter) in parameters {
      guard let tensor = tensors[name] else { throw WeightError.missing(name) }
      guard tensor.shape == parameter.value.shape else {
        throw WeightError.shape(name, expected: parameter.value.shape, found: tensor.shape)
      }
    }
    let known = Set(parameters.map(\.name))
    if let extra = tensors.keys.sorted().first(where: { !known.contains($0) }) { throw WeightError.unknown(extra) }
    for (name, parameter) in parameters { parameter.value = tensors[name]! }
  }

  /// Takes this module's parameters out of training: they record nothing and get no gradient.
  public func freeze() {
    for (_, parameter) in parameters() { parameter.isTrainable = false }
  }
}
