import Imitation
import Layers
import Tensors

// The statistics that standardize states, their changes and actions: they belong to dynamics.
extension GaussianWorldModel {
  /// All of them, saved with the dynamics.
  public var statistics: [Buffer] {
    [stateOffset, stateScale, changeScale, actionOffset, actionScale] + (camera.map { [$0] } ?? [])
  }

  /// Makes states of standard deviation EDM's, number by number.
  public func standardize(rawStates: [Tensor]) {
    let (mean, deviation) = GaussianWorldModel.moments(rawStates)
    stateOffset.value = mean
    stateScale.value = deviation.maximum(Tensor(1e-4)) / dynamics.diffusion.dataDeviation
  }

  /// Makes changes of standard deviation EDM's.
  ///
  /// - Parameter changes: `[batch, tokens, numbers]` differences of states that follow each other.
  public func standardize(changes: [Tensor]) {
    let squares = changes.reduce(Tensor(0)) { $0 + $1.square().mean(axes: [0, 1]) } / Float(max(1, changes.count))
    changeScale.value = squares.sqrt().maximum(Tensor(1e-4)) / dynamics.diffusion.dataDeviation
  }

  /// Makes actions even.
  public func standardize(actions affine: Normalizer.Affine) {
    actionOffset.value = Tensor(affine.offset, shape: [affine.offset.count])
    actionScale.value = Tensor(affine.scale, shape: [affine.scale.count])
  }

  /// Takes the first camera of the demonstrations for its own.
  func stand(at calibration: CameraCalibration) {
    camera?.value = Tensor(calibration.numbers, shape: [CameraCalibration.width])
  }

  private static func moments(_ states: [Tensor]) -> (mean: Tensor, deviation: Tensor) {
    let share = 1 / Float(max(1, states.count))
    let mean = states.reduce(Tensor(0)) { $0 + $1.mean(axes: [0, 1]) } * share
    let variance = states.reduce(Tensor(0)) { $0 + ($1 - mean).square().mean(axes: [0, 1]) } * share
    return (mean, variance.sqrt())
  }
}
