import Tensors

/// Regresses what is known of frames on their features, phase by phase.
package struct LinearProbe: Sendable {
  /// A frame's values and where it belongs.
  package struct Frame: Sendable {
    /// Of all targets, one after the other.
    package var values: [Double]
    package var demonstration: Int
    /// Counted from 0; indices of `phases`.
    package var phases: [Int]

    package init(values: [Double], demonstration: Int, phases: [Int]) {
      (self.values, self.demonstration, self.phases) = (values, demonstration, phases)
    }
  }

  package let targets: [ProbeResult.Target]
  package let phases: [ProbeResult.Phase]
  private let frames: [Frame]
  private let training: Int
  private let meanErrors: [[Double]?]

  /// - Parameters:
  ///   - frames: those to learn from first.
  ///   - training: how many those are.
  package init(_ frames: [Frame], training: Int, targets: [ProbeResult.Target], phases: [String]) {
    (self.frames, self.training, self.targets) = (frames, training, targets)
    let rows = phases.indices.map { phase in frames.indices.filter { frames[$0].phases.contains(phase) } }
    self.phases = zip(phases, rows).map { name, rows in
      let known = rows.count { $0 < training }
      return .init(name: name, training: known, heldOut: rows.count - known)
    }
    let columns = LinearProbe.columns(targets)
    meanErrors = zip(rows, self.phases).map { rows, phase in
      RidgeRegression.errorsOfMean(rows.map { frames[$0].values }, training: phase.training, targets: columns)
    }
  }

  private static func columns(_ targets: [ProbeResult.Target]) -> [Range<Int>] {
    var end = 0
    return targets.map { target in
      defer { end += target.width }
      return end..<end + target.width
    }
  }

  /// What the mean of the training frames is off by.
  package var mean: ProbeResult.Row {
    row("training mean", width: 0, isBaseline: true) { phase in
      meanErrors[phase]?.map { .init(error: $0, penalty: 0) }
    }
  }

  /// What a regression on features is off by.
  ///
  /// - Parameters:
  ///   - beside: the rows of what is known without them, `[frames, width]`; nil for nothing.
  ///   - features: the rows of some frames as `[frames, width]`.
  package func row(
    _ stage: String, width: Int, isBaseline: Bool = false, beside: ((_ frames: [Int]) -> Tensor)? = nil,
    features: (_ frames: [Int]) -> Tensor
  ) -> ProbeResult.Row {
    row(stage, width: width, isBaseline: isBaseline) { phase in
      let rows = frames.indices.filter { frames[$0].phases.contains(phase) }
      let known = phases[phase].training
      guard known > 0 else { return nil }
      return RidgeRegression(features(rows), beside: beside?(rows), training: known).outcomes(
        rows.map { frames[$0].values }, targets: LinearProbe.columns(targets),
        groups: rows[..<known].map { frames[$0].demonstration })
    }
  }

  private func row(
    _ stage: String, width: Int, isBaseline: Bool, _ outcomes: (_ phase: Int) -> [RidgeRegression.Outcome]?
  ) -> ProbeResult.Row {
    let cells = phases.indices.flatMap { phase -> [ProbeResult.Cell] in
      guard let found = outcomes(phase), let means = meanErrors[phase] else { return [] }
      return targets.indices.map { target in
        let share = means[target] > 0 ? found[target].error / means[target] : 1
        return .init(
          target: targets[target].name, phase: phases[phase].name, error: found[target].error,
          explained: 1 - share * share, penalty: width > 0 ? found[target].penalty : nil)
      }
    }
    return .init(stage: stage, width: width, isBaseline: isBaseline, cells: cells)
  }
}
