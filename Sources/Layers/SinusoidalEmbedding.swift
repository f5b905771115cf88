import Foundation
import Tensors

/// Numbers (diffusion steps, noise levels) as waves of many lengths (Vaswani et al. 2017), half sines and half cosines.
public struct SinusoidalEmbedding: Sendable {
  let width: Int
  /// Sines before cosines, and frequencies spread so that the last one is exactly 1 / 10,000 (Diffusion Policy); else
  /// cosines first and the last one just above it (DiT).
  let sinesFirst: Bool

  /// - Parameter sinesFirst: whether sines fill the first half and cosines the second, or cosines do.
  public init(width: Int, sinesFirst: Bool) {
    precondition(width >= 4 && width % 2 == 0, "SinusoidalEmbedding: width \(width)")
    self.width = width
    self.sinesFirst = sinesFirst
  }

  /// `[values.count, width]`.
  public func callAsFunction(_ values: [Float]) -> Tensor { GraphTrace.rows(of: values, rows) }

  private func rows(_ values: [Float]) -> Tensor {
    let half = width / 2
    let steps = Double(sinesFirst ? half - 1 : half)
    return Tensor(shape: [values.count, width]) { buffer in
      for (row, value) in values.enumerated() {
        for i in 0..<half {
          let angle = Double(value) * exp(-log(10_000) * Double(i) / steps)
          buffer[row * width + i] = Float(sinesFirst ? sin(angle) : cos(angle))
          buffer[row * width + half + i] = Float(sinesFirst ? cos(angle) : sin(angle))
        }
      }
    }
  }
}
