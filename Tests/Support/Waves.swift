import Foundation
import Layers
import Tensors

/// `scale * sin(0.7 i + k)` at place i: the inputs and weights that the golden scripts use, so that none are stored.
package func wave(_ shape: [Int], _ k: Int, scale: Double = 0.1, offset: Double = 0) -> Tensor {
  Tensor(
    (0..<shape.reduce(1, *)).map { Float(Double(Float(scale * sin(0.7 * Double($0) + Double(k)))) + offset) }, shape: shape)
}

extension Module {
  /// Gives parameter number k the wave k; scales are around 1, running statistics as they start.
  package func fillWithWaves() {
    for (k, (name, parameter)) in parameters().enumerated() where parameter.isTrainable {
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
