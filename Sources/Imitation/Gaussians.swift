import Tensors

/// Sets of colored 3D Gaussians, as many in each: rows of 14 numbers, in GWM's order.
public struct Gaussians: Sendable {
  /// Mean 3 (meters), scale 3 (standard deviations along its own axes, meters), rotation 4 (quaternion w, x, y, z of any
  /// length), color 3 (coefficients of the spherical harmonic of degree 0), opacity 1 (0...1).
  public static let width = 14
  /// The spherical harmonic of degree 0: red, green and blue are `harmonic * color + 0.5`.
  public static let harmonic: Float = 0.28209479177387814

  /// `[batch, count, 14]`.
  public let values: Tensor

  /// - Parameter values: `[batch, count, 14]`.
  public init(_ values: Tensor) {
    precondition(
      values.rank == 3 && values.shape[2] == Gaussians.width,
      "Gaussians: shape \(values.shape) is not [batch, count, 14]")
    self.values = values
  }

  /// - Parameters: `[batch, count, numbers]` each.
  public init(means: Tensor, scales: Tensor, rotations: Tensor, colors: Tensor, opacities: Tensor) {
    self.init(Tensor.concatenated([means, scales, rotations, colors, opacities], axis: 2))
  }

  /// Sets.
  public var batch: Int { values.shape[0] }
  /// Gaussians of each set.
  public var count: Int { values.shape[1] }
  /// `[batch, count, 3]`.
  public var means: Tensor { values.sliced(axis: 2, 0..<3) }
  /// `[batch, count, 3]`.
  public var scales: Tensor { values.sliced(axis: 2, 3..<6) }
  /// `[batch, count, 4]`.
  public var rotations: Tensor { values.sliced(axis: 2, 6..<10) }
  /// `[batch, count, 3]`.
  public var colors: Tensor { values.sliced(axis: 2, 10..<13) }
  /// `[batch, count, 1]`.
  public var opacities: Tensor { values.sliced(axis: 2, 13..<14) }

  /// One set of the batch.
  public func item(_ index: Int) -> Gaussians { Gaussians(values.sliced(axis: 0, index..<index + 1)) }

  /// Some of each set's Gaussians, `[batch, places]`.
  public func chosen(_ places: IndexTensor) -> Gaussians { Gaussians(values.gathered(perItem: places)) }

  /// Sets of equal batch, put together item by item.
  public static func merged(_ sets: [Gaussians]) -> Gaussians {
    sets.count == 1 ? sets[0] : Gaussians(Tensor.concatenated(sets.map(\.values), axis: 1))
  }

  /// Each set from its own view: `[batch, height, width, 5]` of red, green, blue, depth and alpha, see `Tensor.splatted`.
  public func rendered(from views: [SplattingView], background: SIMD3<Float> = .zero) -> Tensor {
    precondition(views.count == batch, "Gaussians: \(views.count) views for \(batch) sets")
    let rgb = (colors * Gaussians.harmonic + 0.5).relu()
    let images = (0..<batch).map { item in
      func part(_ tensor: Tensor) -> Tensor { tensor.sliced(axis: 0, item..<item + 1).squeezed(0) }
      return Tensor.splatted(
        means: part(means), scales: part(scales), rotations: part(rotations), colors: part(rgb),
        opacities: part(opacities).squeezed(1), view: views[item], background: background)
    }
    return Tensor.stacked(images, axis: 0)
  }
}
