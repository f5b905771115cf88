import Foundation
import Imitation
import Tensors
import Testing

@Suite struct PoseTests {
  private func someone(_ random: inout Random) -> Pose {
    func vector() -> SIMD3<Double> { SIMD3(random.normal(), random.normal(), random.normal()) }
    return Pose(position: vector(), rotation: Rotation(vector()))
  }

  /// A quarter turn about z takes x to y; a frame there sees what stands before it.
  @Test func framesAreWhatTheyShouldBe() {
    let frame = Pose(position: SIMD3(1, 2, 3), rotation: Rotation(yaw: .pi / 2))
    let placed = Pose(position: SIMD3(1, 0, 0), rotation: .identity).placed(in: frame)
    #expect((placed.position - SIMD3(1, 3, 3)).length < 1e-12)
    let matrix = frame.matrix
    for (found, expected) in zip(matrix, [0, -1, 0, 1, 1, 0, 0, 2, 0, 0, 1, 3, 0, 0, 0, 1] as [Double]) {
      #expect(abs(found - expected) < 1e-12)
    }
  }

  @Test func seeingAndPlacingUndoEachOther() {
    var random = Random(seed: 3)
    for _ in 0..<100 {
      let (a, b) = (someone(&random), someone(&random))
      for back in [a.seen(from: b).placed(in: b), Pose(matrix: a.matrix)] {
        #expect((back.position - a.position).length < 1e-9)
        #expect((back.rotation * a.rotation.inverse).logarithm.length < 1e-7)
      }
    }
  }

  /// Half the way twice is the way, and its turn has one axis.
  @Test func waysAreStraight() {
    var random = Random(seed: 4)
    let (a, b) = (someone(&random), someone(&random))
    let middle = a.moved(to: b, share: 0.5)
    #expect((middle.position * 2 - a.position - b.position).length < 1e-12)
    let first = (middle.rotation * a.rotation.inverse).logarithm
    let second = (b.rotation * middle.rotation.inverse).logarithm
    #expect((first - second).length < 1e-9)
    let end = a.moved(to: b, share: 1)
    #expect((end.rotation * b.rotation.inverse).logarithm.length < 1e-9)
  }
}
