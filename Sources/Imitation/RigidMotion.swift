import Tensors

/// Turns and shifts sets of Gaussians, each item by its own rotation `[batch, 4]` (unit quaternions w, x, y, z) and shift
/// `[batch, 3]`.
package struct RigidMotion {
  package let rotation: Tensor
  package let shift: Tensor

  package init(rotation: Tensor, shift: Tensor) {
    self.rotation = rotation
    self.shift = shift
  }

  /// From the frame of one camera into that of another, item by item.
  package init(_ from: [CameraCalibration], to: [CameraCalibration]) {
    // Seen as a camera's view, `to` of a world whose frame is `from`'s turns points the wanted way.
    let size = ObservationSchema.ImageSize(height: 1, width: 1)
    let views = zip(from, to).map { $1.view(size, from: $0) }
    let what = to.allSatisfy { $0 == .base } ? "to the base" : "between cameras"
    rotation = GraphTrace.operation("rotation " + what, of: from, and: to) {
      Tensor(views.flatMap { RigidMotion.quaternion($0.rotation) }, shape: [views.count, 4])
    }
    shift = GraphTrace.operation("shift " + what, of: from, and: to) {
      Tensor(views.flatMap { [$0.translation.x, $0.translation.y, $0.translation.z] }, shape: [views.count, 3])
    }
  }

  /// From the frame that a view is given in to the camera's own.
  package init(into view: SplattingView) {
    self.init(
      rotation: Tensor(RigidMotion.quaternion(view.rotation), shape: [1, 4]),
      shift: Tensor([view.translation.x, view.translation.y, view.translation.z], shape: [1, 3]))
  }

  package func callAsFunction(_ set: Gaussians) -> Gaussians {
    let (w, v) = (part(0..<1), part(1..<4))
    let own = set.rotations
    let (ownW, ownV) = (own.sliced(axis: 2, 0..<1), own.sliced(axis: 2, 1..<4))
    let real = ownW * w - (ownV * v).sum(axes: [2], keepingDimensions: true)
    let imaginary = ownV * w + ownW * v + cross(v, ownV)
    return Gaussians(
      means: moved(set.means), scales: set.scales, rotations: Tensor.concatenated([real, imaginary], axis: 2),
      colors: set.colors, opacities: set.opacities)
  }

  /// The backward pass.
  package var inverse: RigidMotion {
    let turned = Tensor.concatenated([rotation.sliced(axis: 1, 0..<1), -rotation.sliced(axis: 1, 1..<4)], axis: 1)
    let back = RigidMotion(rotation: turned, shift: .zeros(shift.shape))
    return RigidMotion(rotation: turned, shift: -back.moved(shift.unsqueezed(1)).squeezed(1))
  }

  /// `CameraCalibration.numbers` of cameras that move along, `[batch, time, 16]`.
  package func moved(calibrations: Tensor) -> Tensor {
    let (batch, time) = (calibrations.shape[0], calibrations.shape[1])
    // The three axes turn, the position is shifted, too.
    let columns = calibrations.sliced(axis: 2, 4..<16).reshaped([batch, time, 3, 4]).permuted([0, 1, 3, 2])
    let isPosition = Tensor([0, 0, 0, 1], shape: [1, 1, 4, 1])
    let turned = RigidMotion(rotation: rotation, shift: .zeros(shift.shape))
      .moved(columns.reshaped([batch, time * 4, 3])).reshaped([batch, time, 4, 3])
    let moved = turned + isPosition * shift.reshaped([batch, 1, 1, 3])
    return .concatenated(
      [calibrations.sliced(axis: 2, 0..<4), moved.permuted([0, 1, 3, 2]).reshaped([batch, time, 12])], axis: 2)
  }

  /// Each item's motion `count` times, one after the other.
  package func repeated(_ count: Int) -> RigidMotion {
    guard count > 1 else { return self }
    let rows = (0..<rotation.shape[0]).flatMap { Array(repeating: $0, count: count) }
    return RigidMotion(rotation: rotation.gathered(rows), shift: shift.gathered(rows))
  }

  /// Points `[batch, n, 3]`.
  package func moved(_ points: Tensor) -> Tensor {
    // v' = v + 2 w (q × v) + 2 q × (q × v).
    let (w, v) = (part(0..<1), part(1..<4))
    let turn = cross(v, points)
    return points + (turn * w + cross(v, turn)) * 2 + shift.unsqueezed(1)
  }

  private func part(_ range: Range<Int>) -> Tensor { rotation.sliced(axis: 1, range).unsqueezed(1) }

  private func cross(_ a: Tensor, _ b: Tensor) -> Tensor {
    func axis(_ tensor: Tensor, _ index: Int) -> Tensor { tensor.sliced(axis: 2, index..<index + 1) }
    let parts = [(1, 2), (2, 0), (0, 1)].map { axis(a, $0.0) * axis(b, $0.1) - axis(a, $0.1) * axis(b, $0.0) }
    return Tensor.concatenated(parts, axis: 2)
  }

  /// The unit quaternion of a rotation given by its rows, by its largest component (Shepperd 1978).
  package static func quaternion(_ r: [SIMD3<Float>]) -> [Float] {
    let trace = r[0].x + r[1].y + r[2].z
    let squares = [trace, r[0].x, r[1].y, r[2].z]
    let best = squares.indices.max { squares[$0] < squares[$1] }!
    var q: [Float]
    switch best {
    case 0: q = [1 + trace, r[2].y - r[1].z, r[0].z - r[2].x, r[1].x - r[0].y]
    case 1: q = [r[2].y - r[1].z, 1 + 2 * r[0].x - trace, r[0].y + r[1].x, r[0].z + r[2].x]
    case 2: q = [r[0].z - r[2].x, r[0].y + r[1].x, 1 + 2 * r[1].y - trace, r[1].z + r[2].y]
    default: q = [r[1].x - r[0].y, r[0].z + r[2].x, r[1].z + r[2].y, 1 + 2 * r[2].z - trace]
    }
    let length = q.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return q.map { $0 / length }
  }
}
