import Encoders
import Imitation
import Layers
import Support
import Tensors
import Testing

/// Encoders that see places from the gripper.
@Suite struct GripperFrameTests {
  private typealias Geometry = GeometryEncoderTests

  /// Cameras and gripper, `[batch, 1, 3]`, moved by so much.
  private static func moved(_ batch: ObservationBatch, cameras: Float, gripper: [Float]) -> ObservationBatch {
    var batch = batch
    let calibrations = batch.vectors["left_calibration"]!
    let columns = Tensor((0..<16).map { [7, 11, 15].contains($0) ? cameras : 0 }, shape: [16])
    batch.vectors["left_calibration"] = calibrations + columns
    batch.unnormalized = ["pose": Tensor(gripper, shape: [2, 1, 3])]
    return batch
  }

  private static let box = "\"workspace\": [-0.4, -0.5, -0.4, 0.5, 0.4, 0.6], \"count\": 64"

  /// The same as cameras that stand where the gripper sees them.
  @Test func placesAreSeenFromTheGripper() throws {
    let (batch, tests) = (Geometry.some(2), GeometryEncoderTests())
    let gripper: [Float] = [0.5, -0.1, 0.2, 0.7, 0.1, 0.3]
    let from = try tests.encoder(PointsEncoder.self, "\"gripper\": \"pose\", \(GripperFrameTests.box)")
    let found = from.points(GripperFrameTests.moved(batch, cameras: 0, gripper: gripper)).scalars
    var numbers = batch.vectors["left_calibration"]!.scalars
    for (place, value) in gripper.enumerated() {
      let (item, axis) = (place / 3, place % 3)
      numbers[16 * item + 4 * axis + 7] -= value
    }
    var shifted = batch
    shifted.vectors["left_calibration"] = Tensor(numbers, shape: [2, 1, 16])
    let plain = try tests.encoder(PointsEncoder.self, GripperFrameTests.box)
    let expected = plain.points(shifted).scalars
    #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-5 })
    #expect(zip(found, plain.points(batch).scalars).contains { abs($0 - $1) > 0.1 })
  }

  @Test func whatMovesWithTheGripperLooksTheSame() throws {
    let tests = GeometryEncoderTests()
    let option = "\"gripper\": \"pose\", \"workspace\": [-0.4, -0.5, -0.4, 0.5, 0.4, 0.6]"
    let encoders: [any ObservationEncoder] = [
      try tests.encoder(PointsEncoder.self, "\(option), \"count\": 64"),
      try tests.encoder(PointMapEncoder.self, "\(option), \"crop\": 32"),
    ]
    let batch = Geometry.some(2)
    let gripper: [Float] = [0.5, -0.1, 0.2, 0.5, -0.1, 0.2]
    for encoder in encoders {
      func features(_ cameras: Float, _ gripper: [Float]) -> [Float] {
        encoder(GripperFrameTests.moved(batch, cameras: cameras, gripper: gripper)).pooled.scalars
      }
      let here = features(0, gripper)
      let together = features(0.25, gripper.map { $0 + 0.25 })
      #expect(zip(here, together).allSatisfy { abs($0 - $1) < 1e-3 })
      #expect(zip(here, features(0.25, gripper)).contains { abs($0 - $1) > 1e-2 })
      try encoder.check(GripperFrameTests.moved(batch, cameras: 0, gripper: gripper))
      #expect(throws: EncoderError.self) {
        try encoder.check(GripperFrameTests.moved(batch, cameras: 0, gripper: gripper.map { $0 + 9 }))
      }
    }
  }

  @Test func aGripperThatNobodyNamesIsRefused() throws {
    for key in ["robot0_base_to_eef_pos", "left_calibration"] {
      #expect(throws: CameraError.self) {
        try GeometryEncoderTests().encoder(PointsEncoder.self, "\"gripper\": \"\(key)\"")
      }
      #expect(throws: CameraError.self) {
        try GeometryEncoderTests().encoder(PointMapEncoder.self, "\"gripper\": \"\(key)\"")
      }
    }
  }
}
