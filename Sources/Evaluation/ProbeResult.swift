/// How far linear regressions on the features of a run are off, stage by stage.
package struct ProbeResult: Codable, Sendable, Equatable {
  /// What is regressed on features.
  package struct Target: Codable, Sendable, Equatable {
    package var name: String
    /// Of errors: "cm" for positions, empty for what is as it was recorded.
    package var unit: String
    /// How many values it has.
    package var width: Int

    package init(name: String, unit: String, width: Int) { (self.name, self.unit, self.width) = (name, unit, width) }
  }

  /// Frames that are regressed on apart from the others.
  package struct Phase: Codable, Sendable, Equatable {
    /// "before grasp", "after grasp", or "all" where nobody says when that is; "near" and what the gripper is near to, for frames
    /// before the grasp that are of the other phase, too.
    package var name: String
    /// Frames.
    package var training, heldOut: Int

    enum CodingKeys: String, CodingKey {
      case name, training
      case heldOut = "held_out"
    }

    package init(name: String, training: Int, heldOut: Int) {
      (self.name, self.training, self.heldOut) = (name, training, heldOut)
    }
  }

  /// What was found of one target in one phase.
  package struct Cell: Codable, Sendable, Equatable {
    package var target, phase: String
    /// Root of the mean squared distance on held-out frames.
    package var error: Double
    /// The fraction of the squared distance from the training mean that is explained.
    package var explained: Double
    /// The ridge penalty that was chosen on training demonstrations; nil for the mean.
    package var penalty: Double?

    package init(target: String, phase: String, error: Double, explained: Double, penalty: Double?) {
      (self.target, self.phase, self.error, self.explained, self.penalty) = (target, phase, error, explained, penalty)
    }
  }

  package struct Row: Codable, Sendable, Equatable {
    package var stage: String
    /// How many numbers are regressed on.
    package var width: Int
    /// Whether it needs no image: what the other stages have to be better than.
    package var isBaseline: Bool
    /// Phase by phase, target by target; where a phase has no frames to compare none.
    package var cells: [Cell]

    enum CodingKeys: String, CodingKey {
      case stage, width, cells
      case isBaseline = "is_baseline"
    }

    package init(stage: String, width: Int, isBaseline: Bool = false, cells: [Cell]) {
      (self.stage, self.width, self.isBaseline, self.cells) = (stage, width, isBaseline, cells)
    }

    package subscript(target: Target, phase: Phase) -> Cell? {
      cells.first { $0.target == target.name && $0.phase == phase.name }
    }
  }

  /// The run's folder, and its last training step where that is one number.
  package var run: String
  package var step: Int?
  /// Demonstrations.
  package var training, heldOut: Int
  /// What says when the grasp is; nil where nothing does.
  package var graspBy: String?
  package var targets: [Target]
  package var phases: [Phase]
  package var rows: [Row]

  enum CodingKeys: String, CodingKey {
    case run, step, training, targets, phases, rows
    case heldOut = "held_out"
    case graspBy = "grasp_by"
  }

  package init(
    run: String, step: Int?, training: Int, heldOut: Int, graspBy: String?, targets: [Target], phases: [Phase],
    rows: [Row] = []
  ) {
    (self.run, self.step, self.training, self.heldOut, self.graspBy) = (run, step, training, heldOut, graspBy)
    (self.targets, self.phases, self.rows) = (targets, phases, rows)
  }

  /// The columns of a table of it.
  package var columns: [(target: Target, phase: Phase)] {
    targets.flatMap { target in phases.map { (target, $0) } }
  }
}
