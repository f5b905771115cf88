import Tensors

extension Tensor {
  /// Coordinates as they are, and their sines and cosines at wavelengths 4, 2, 1, ...: what small distances are learned from,
  /// since a layer of raw coordinates hardly changes over them.
  ///
  /// - Returns: for `[..., n]`, `[..., n * (1 + 2 * octaves)]`.
  package func fourierFeatures(octaves: Int) -> Tensor {
    let waves = (0..<octaves).map { self * (Float.pi / 2 * Float(1 << $0)) }
    return .concatenated([self] + waves.flatMap { [$0.sin(), $0.cos()] }, axis: rank - 1)
  }
}
