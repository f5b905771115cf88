import Foundation
import Layers
import Tensors

/// Numbers in ±`scale` that look random and are a formula of place and `k`: the inputs and weights that the golden scripts
/// use as well, so that none are stored. A plain sine would make matrices of rank two.
package func wave(_ shape: [Int], _ k: Int, scale: Double = 0.1, offset: Double = 0) -> Tensor {
  let values = (0..<shape.reduce(1, *)).map { place in
    let x = sin(12.9898 * Double(place) + 78.233 * Double(k)) * 43758.5453
    return Float(Double(Float(scale * (2 * (x - floor(x)) - 1))) + offset)
  }
  return Tensor(values, shape: shape)
}

extension Module {
  /// Gives parameter number k the wave k; scales are around 1, running statistics as they start.
  package func fillWithWaves() {
    for (k, (name, tensor)) in state().enumerated() {
      guard let parameter = tensor as? Parameter, parameter.isTrainable else { continue }
      parameter.value = wave(parameter.value.shape, k, offset: name.hasSuffix("scale") ? 1 : 0)
    }
  }

  /// The Euclidean norm of each trainable parameter's gradient, in order.
  package func gradientNorms(_ gradients: Gradients) -> Tensor {
    let norms = parameters().filter { $0.parameter.isTrainable }.map { entry -> Float in
      guard let gradient = gradients[entry.parameter] else { return .nan }
      return Float(gradient.scalars.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot())
    }
    return Tensor(norms, shape: [norms.count])
  }
}

/// The largest difference of two lists of norms, each in proportion to its own size.
package func largestRelativeDifference(_ found: Tensor, _ expected: Tensor) -> Float {
  guard found.shape == expected.shape else { return .infinity }
  let largest = expected.scalars.max() ?? 1
  return zip(found.scalars, expected.scalars).map { a, b in
    a.isFinite ? abs(a - b) / max(abs(b), 1e-4 * largest) : .infinity
  }.max() ?? 0
}
