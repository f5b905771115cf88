import Foundation
import Tensors

/// How much of the old average stays at each update.
public enum AverageDecay: Sendable, Equatable {
  /// `1 - (1 + s)^-power` with `s = n - 1` of `n` updates made before, within 0...0.9999 (Diffusion Policy's EMA).
  case power(Double)
  /// The same at every step.
  case constant(Double)

  /// - Parameter updates: how many updates have been made, this one not counted.
  public func value(updates: Int) -> Double {
    switch self {
    case .constant(let decay): return decay
    case .power(let power):
      let s = Double(max(0, updates - 1))
      return s <= 0 ? 0 : min(max(1 - Foundation.pow(1 + s, -power), 0), 0.9999)
    }
  }
}

/// A slowly moving copy of a module's parameters, updated once per optimizer step; buffers and frozen parameters are copied.
public struct ExponentialMovingAverage {
  private let decay: AverageDecay
  /// The averaged values by parameter name.
  public private(set) var weights: [String: Tensor]
  /// How many updates have been made: part of the state, since the decay depends on it.
  public private(set) var updates = 0
  private let live: [(name: String, tensor: any ModuleTensor)]
  /// During an update: how much of the old average stays, and which weights still wait.
  private var kept: Float = 0
  private var waiting: Set<String> = []

  /// Begins with the present weights.
  public init(_ decay: AverageDecay, of module: some Module) {
    self.decay = decay
    weights = module.snapshot()
    live = module.state()
  }

  /// Moves every weight towards the module's present one.
  public mutating func update() {
    begin()
    finish()
  }

  // An optimizer opens the update, takes out the weights that it moves in its own pass, and closes it.

  mutating func begin() {
    kept = Float(decay.value(updates: updates))
    updates += 1
    waiting = Set(live.map(\.name))
  }

  /// The average to be moved by `share` in place; nil when it is copied later instead.
  mutating func take(_ name: String) -> (weight: Tensor, share: Float)? {
    // Nothing kept means an exact copy.
    guard kept > 0, waiting.remove(name) != nil, let weight = weights.removeValue(forKey: name) else { return nil }
    return (weight, 1 - kept)
  }

  mutating func give(_ name: String, _ weight: Tensor) {
    weights[name] = weight
  }

  mutating func finish() {
    for (name, tensor) in live where waiting.contains(name) {
      let value = tensor.value
      if kept > 0, (tensor as? Parameter)?.isTrainable ?? false {
        weights[name]!.mix(value, share: 1 - kept)
      } else {
        weights[name] = value
      }
    }
    waiting = []
  }

  /// What `restore` takes.
  public func state() -> [String: Tensor] {
    weights.merging(["updates": .integer(updates)]) { tensor, _ in tensor }
  }

  /// - Throws: `WeightError` when a tensor is missing or has another shape.
  public mutating func restore(_ state: [String: Tensor]) throws {
    let counter = try state.tensor("updates", shape: [2])
    for (name, old) in weights { weights[name] = try state.tensor(name, shape: old.shape) }
    updates = counter.integerValue
  }
}
