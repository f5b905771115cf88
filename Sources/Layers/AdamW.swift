import Tensors

/// One rule for changing parameters.
public protocol Optimizer {
  /// - Parameters:
  ///   - gradientScale: multiplies every gradient first: the factor that clipping found, one number. Nothing changes when it is
  ///     none.
  ///   - average: updated with the new values, in the same pass over memory where the rule allows it.
  mutating func step(
    _ gradients: Gradients, learningRate: Float, gradientScale: Tensor, average: inout ExponentialMovingAverage?)
  /// Everything needed to go on with the same bits.
  func state() -> [String: Tensor]
  /// Takes up what `state` gave.
  mutating func restore(_ state: [String: Tensor]) throws
}

extension Optimizer {
  /// Moves the parameters against their gradients, times `gradientScale`.
  public mutating func step(_ gradients: Gradients, learningRate: Float, gradientScale: Float = 1) {
    var none: ExponentialMovingAverage?
    step(gradients, learningRate: learningRate, gradientScale: Tensor(gradientScale), average: &none)
  }
}

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019), as PyTorch computes it.
public struct AdamW: Optimizer {
  /// Parameters that share a decay.
  public struct Group {
    package var parameters: [(name: String, parameter: Parameter)]
    package var weightDecay: Float

    /// Groups parameters, named as in the module they are of.
    public init(_ parameters: [(name: String, parameter: Parameter)], weightDecay: Float) {
      self.parameters = parameters
      self.weightDecay = weightDecay
    }
  }

  private let groups: [Group]
  private let betas: (Float, Float)
  private let epsilon: Float
  private var moments: [String: (first: Tensor, second: Tensor)] = [:]
  private var steps = 0

  /// Starts at step 0.
  public init(_ groups: [Group], betas: (Float, Float) = (0.9, 0.999), epsilon: Float = 1e-8) {
    self.groups = groups
    self.betas = betas
    self.epsilon = epsilon
    Memory.counting(as: .optimizer) {
      for group in groups {
        for (name, parameter) in group.parameters {
          let shape = parameter.value.shape
          moments[name] = (.zeros(shape), .zeros(shape))
        }
      }
    }
  }

  public mutating func step(
    _ gradients: Gradients, learningRate: Float, gradientScale: Tensor, average: inout ExponentialMovingAverage?
  ) {
    steps += 1
    average?.begin()
    var names: [String] = []
    var targets: [AdamWStep.Target] = []
    for group in groups {
      for (name, parameter) in group.parameters {
        guard let gradient = gradients[parameter], let moment = moments.removeValue(forKey: name) else { continue }
        let mean = average?.take(name)
        names.append(name)
        targets.append(
          .init(
            parameter: parameter, gradient: gradient, first: moment.first, second: moment.second, average: mean?.weight,
            share: mean?.share ?? 0, weightDecay: group.weightDecay, learningRate: learningRate * parameter.rate,
            // What was frozen begins as all others did.
            step: max(1, steps - parameter.firstStep)))
      }
    }
    AdamWStep.update(&targets, betas: betas, epsilon: epsilon, gradientScale: gradientScale)
    for (name, target) in zip(names, targets) {
      moments[name] = (target.first, target.second)
      if let mean = target.average { average?.give(name, mean) }
    }
    average?.finish()
  }

  public func state() -> [String: Tensor] {
    var state = ["steps": Tensor.integer(steps)]
    for (name, moment) in moments {
      state["first/\(name)"] = moment.first
      state["second/\(name)"] = moment.second
    }
    return state
  }

  /// - Throws: `WeightError` when a tensor is missing or has another shape.
  public mutating func restore(_ state: [String: Tensor]) throws {
    steps = try state.tensor("steps", shape: [2]).integerValue
    for (name, moment) in moments {
      let shape = moment.first.shape
      moments[name] = (
        try state.tensor("first/\(name)", shape: shape), try state.tensor("second/\(name)", shape: shape)
      )
    }
  }
}

extension Tensor {
  /// A whole number up to 2^48 as two 32-bit floats, exactly.
  static func integer(_ value: Int) -> Tensor {
    Tensor([Float(value >> 24), Float(value & 0xff_ffff)], shape: [2])
  }

  var integerValue: Int { Int(scalars[0]) << 24 | Int(scalars[1]) }
}

/// The factor that brings all gradients together to a norm of at most `maximum`, and the norm (PyTorch's `clip_grad_norm_`).
public func clippingFactor(
  _ gradients: Gradients, of parameters: [(name: String, parameter: Parameter)], maximum: Float
) -> (factor: Float, norm: Float) {
  let norm = Float(Tensor.sumOfSquares(parameters.compactMap { gradients[$0.parameter] }).squareRoot())
  return (min(1, maximum / (norm + 1e-6)), norm)
}
