import Foundation
import Imitation
import Tensors
import Testing

@Suite struct ActionLayoutTests {
  /// Rotations of every size, half a turn among them, there and back.
  @Test func sixNumbersHoldARotation() {
    var random = Random(seed: 2)
    for angle in [0, 1e-9, 1e-4, 0.5, 2, 3.1, Double.pi - 1e-7] {
      for _ in 0..<50 {
        var axis = (0..<3).map { _ in random.normal() }
        let length = axis.map { $0 * $0 }.reduce(0, +).squareRoot()
        axis = axis.map { $0 / length * angle }
        let six = AxisAngle.firstTwoRows(axis)
        let back = AxisAngle.from(firstTwoRows: six)
        for (found, wanted) in zip(back, axis) { #expect(abs(found - wanted) < 1e-6, "\(angle)") }
        // A network's numbers are neither of length 1 nor orthogonal: the nearest rotation by Gram and Schmidt.
        let loose = six.enumerated().map { $1 * ($0 < 3 ? 2 : 0.5) + ($0 < 3 ? 0 : 0.3 * six[$0 - 3]) }
        for (found, wanted) in zip(AxisAngle.from(firstTwoRows: loose), axis) { #expect(abs(found - wanted) < 1e-6) }
      }
    }
    // A quarter turn about z: the rows of its matrix are (0, -1, 0), (1, 0, 0) and (0, 0, 1).
    let quarter: [Double] = [0, -1, 0, 1, 0, 0]
    for (found, wanted) in zip(AxisAngle.firstTwoRows([0, 0, Double.pi / 2]), quarter) {
      #expect(abs(found - wanted) < 1e-12)
    }
    #expect(AxisAngle.from(firstTwoRows: [0, 0, 0, 0, 0, 0]) == [0, 0, 0])
    #expect(AxisAngle.from(firstTwoRows: [1, 0, 0, 2, 0, 0]) == [0, 0, 0])
    let half: [Double] = [0, Double.pi, 0]
    for (found, wanted) in zip(AxisAngle.from(firstTwoRows: [-1, 0, 0, 0, 1, 0]), half) {
      #expect(abs(found - wanted) < 1e-9)
    }
  }

  @Test func learnsAndRestoresTheWholeAction() {
    // Position, rotation, gripper; the number before the last stands still.
    let layout = ActionLayout(
      learned: [0, 1, 2, 3, 4, 5, 6, 8], template: [0, 0, 0, 0, 0, 0, 0, 0.25, 0], rotations: [3])
    #expect(layout.width == 11 && !layout.isWhole)
    #expect(layout.rotationColumns == [3, 4, 5, 6, 7, 8])
    let action: [Float] = [0.1, 0.2, 0.3, 0.5, -0.4, 0.2, 1, 0.25, -1]
    let learned = layout.learned(from: action)
    #expect(learned.count == 11)
    #expect(Array(learned[..<3]) == [0.1, 0.2, 0.3] && Array(learned[9...]) == [1, -1])
    for (found, wanted) in zip(layout.whole(learned), action) { #expect(abs(found - wanted) < 1e-6) }
  }

  @Test func readsLayoutsThatKnowNoRotations() throws {
    let old = try JSONDecoder().decode(ActionLayout.self, from: Data("{\"learned\": [1], \"template\": [0, 1]}".utf8))
    #expect(old == ActionLayout(learned: [1], template: [0, 1]))
    let new = ActionLayout(learned: [1, 2, 3], template: [0, 0, 0, 0], rotations: [1])
    #expect(try JSONDecoder().decode(ActionLayout.self, from: JSONEncoder().encode(new)) == new)
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(
        ActionLayout.self, from: Data("{\"learned\": [1], \"template\": [0, 1], \"rotations\": [1]}".utf8))
    }
  }
}
