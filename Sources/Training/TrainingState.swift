import Layers
import Tensors

/// Where training stands: all that has to be kept to go on with the same bits. Random numbers and the order of the data follow
/// from the seed and the step.
package struct TrainingState {
  package static let groups = ["weights", "average", "optimizer"]

  /// Steps done.
  package var step: Int
  package var weights: [String: Tensor]
  /// The averaged weights; empty without averaging.
  package var average: [String: Tensor]
  package var optimizer: [String: Tensor]

  package init(step: Int, weights: [String: Tensor], average: [String: Tensor], optimizer: [String: Tensor]) {
    self.step = step
    self.weights = weights
    self.average = average
    self.optimizer = optimizer
  }

  /// - Throws: `ArchiveError`.
  package init(_ archive: TensorArchive, path: String) throws {
    guard let step = archive.metadata["step"].flatMap(Int.init) else { throw ArchiveError(path: path, lacks: "step") }
    self.init(
      step: step, weights: archive["weights"], average: archive["average"], optimizer: archive["optimizer"])
  }

  /// An archive with this state in it.
  package func added(to archive: TensorArchive) -> TensorArchive {
    var archive = archive
    archive.metadata["step"] = String(step)
    for (group, tensors) in zip(TrainingState.groups, [weights, average, optimizer]) { archive.groups[group] = tensors }
    return archive
  }

  /// The weights to act with: the averaged ones where there are any.
  package var actingWeights: [String: Tensor] {
    weights.merging(average.filter { weights[$0.key] != nil }) { _, averaged in averaged }
  }
}
