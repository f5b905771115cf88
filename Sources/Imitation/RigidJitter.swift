import Foundation
import Tensors

/// Moves windows as an `Augmentation` says.
package struct RigidJitter: Sendable {
  /// A turn about the vertical axis of the robot's base, then a shift.
  package struct Motion: Sendable {
    /// Radians.
    package let yaw: Double
    /// Meters.
    package let shift: SIMD3<Double>

    package init(yaw: Double, shift: SIMD3<Double>) { (self.yaw, self.shift) = (yaw, shift) }

    /// Turns the numbers at two places as a vector of the floor's plane, by the yaw or a part of it.
    fileprivate func turn(_ row: inout [Float], _ x: Int, _ y: Int, part: Double = 1) {
      let (a, b, c, s) = (Double(row[x]), Double(row[y]), cos(yaw * part), sin(yaw * part))
      (row[x], row[y]) = (Float(c * a - s * b), Float(s * a + c * b))
    }

    fileprivate func shift(_ row: inout [Float], _ places: [Int]) {
      for (axis, place) in places.enumerated() { row[place] = Float(Double(row[place]) + shift[axis]) }
    }
  }

  private let translation, rotation: Double
  private let moved: Augmentation.Moved
  private let arm: ArmActions
  private let layout: ActionLayout

  /// - Throws: `SettingError` when it is not known how observations or actions move.
  package init(
    _ augmentation: Augmentation, _ recorded: RecordedSchema, observations: ObservationSchema, layout: ActionLayout
  ) throws {
    (translation, rotation) = (augmentation.translation, augmentation.rotation * .pi / 180)
    moved = try augmentation.moved(observations, recorded.vectors)
    arm = try ArmActions(recorded.actions, layout)
    self.layout = layout
  }

  /// A batch that is not normalized yet, each window moved at random.
  /// - Parameter random: the step's stream.
  package func callAsFunction(_ batch: Batch, random: Random) -> Batch {
    var random = random.split("augmentation")
    func drawn(_ most: Double) -> Double { random.uniform(-most...most) }
    return callAsFunction(
      batch,
      by: (0..<batch.observations.count).map { _ in
        Motion(yaw: drawn(rotation), shift: SIMD3(drawn(translation), drawn(translation), drawn(translation)))
      })
  }

  /// The same by given motions, one a window.
  package func callAsFunction(_ batch: Batch, by motions: [Motion]) -> Batch {
    func rows(_ tensor: Tensor, _ move: (inout [Float], Motion) -> Void) -> Tensor {
      let (values, width) = (tensor.scalars, tensor.shape[2])
      var result: [Float] = []
      for start in stride(from: 0, to: values.count, by: width) {
        var row = Array(values[start..<start + width])
        move(&row, motions[start / (tensor.shape[1] * width)])
        result += row
      }
      return Tensor(result, shape: tensor.shape)
    }
    var batch = batch
    func vector(_ key: String, _ move: (inout [Float], Motion) -> Void) {
      batch.observations.vectors[key] = rows(batch.observations.vectors[key]!, move)
    }
    for key in moved.positions {
      vector(key) {
        $1.turn(&$0, 0, 1)
        $1.shift(&$0, [0, 1, 2])
      }
    }
    // The product with the turn's quaternion turns x and y, and w and z, by half its angle.
    for (key, places) in moved.quaternions {
      vector(key) {
        $1.turn(&$0, places[0], places[1], part: 0.5)
        $1.turn(&$0, places[3], places[2], part: 0.5)
      }
    }
    // The rows of a matrix of three axes and a position, after the four numbers of the lens.
    for key in moved.calibrations {
      vector(key) {
        for column in 4..<8 { $1.turn(&$0, column, column + 4) }
        $1.shift(&$0, [7, 11, 15])
      }
    }
    batch.actions = rows(batch.actions) { $0 = layout.learned(from: action(layout.whole($0), $1)) }
    batch.observations.motion = RigidMotion(
      rotation: Tensor(
        motions.flatMap { [Float(cos($0.yaw / 2)), 0, 0, Float(sin($0.yaw / 2))] }, shape: [motions.count, 4]),
      shift: Tensor(motions.flatMap { motion in (0..<3).map { Float(motion.shift[$0]) } }, shape: [motions.count, 3]))
    return batch
  }

  /// A whole action for the moved robot: what is beyond the stated limits no robot carries out, so it is cut there.
  private func action(_ action: [Float], _ motion: Motion) -> [Float] {
    var action = action
    motion.turn(&action, arm.position[0], arm.position[1])
    if arm.isGoal { motion.shift(&action, arm.position) }
    if arm.isGoal, !arm.rotation.isEmpty {
      let own = arm.rotation.map { Double(action[$0]) }
      let turned = (Rotation(yaw: motion.yaw) * Rotation(SIMD3(own[0], own[1], own[2]))).logarithm
      for (axis, place) in arm.rotation.enumerated() { action[place] = Float(turned[axis]) }
    } else if !arm.rotation.isEmpty {
      // Steps turn the gripper about the base's axes, which the motion turns.
      motion.turn(&action, arm.rotation[0], arm.rotation[1])
    }
    for (place, limits) in arm.limits {
      action[place] = min(max(action[place], limits.lowerBound), limits.upperBound)
    }
    return action
  }

  /// Statistics of actions with the range of moved ones, so that normalization by range holds those.
  package func widened(_ statistics: KeyStatistics) -> KeyStatistics {
    var result = statistics
    let places = layout.places
    func widen(_ column: Int, _ low: Double, _ high: Double) {
      let (place, limits) = (places[column]!, arm.limits[column])
      result.minimum[place] = min(statistics.minimum[place], max(low, Double(limits?.lowerBound ?? -.infinity)))
      result.maximum[place] = max(statistics.maximum[place], min(high, Double(limits?.upperBound ?? .infinity)))
    }
    let (cosine, sine) = (cos(rotation), sin(min(rotation, .pi / 2)))
    for (columns, isPosition) in [(arm.position, true), (arm.rotation, false)]
    where !columns.isEmpty && columns.allSatisfy({ places[$0] != nil }) {
      if arm.isGoal, !isPosition {
        if rotation > 0 { for column in columns { widen(column, -.pi, .pi) } }
        continue
      }
      let shift = arm.isGoal ? translation : 0
      for (axis, other) in [1, 0, 2].enumerated() {
        let (mine, theirs) = (places[columns[axis]]!, places[columns[other]]!)
        let (low, high) = (statistics.minimum[mine], statistics.maximum[mine])
        let side = axis == 2 ? 0 : sine * max(abs(statistics.minimum[theirs]), abs(statistics.maximum[theirs]))
        let ends = axis == 2 ? [low, high] : [low, high, low * cosine, high * cosine]
        widen(columns[axis], ends.min()! - side - shift, ends.max()! + side + shift)
      }
    }
    return result
  }
}
