import Imitation
import Layers
import Tensors

/// The weights under training: one step of theirs, and their average.
struct Optimization {
  private let settings: TrainingSettings
  private let module: any Module
  private let parameters: [(name: String, parameter: Parameter)]
  /// What is frozen in the first steps.
  private let late: [Parameter]
  private var optimizer: AdamW
  private var average: ExponentialMovingAverage?

  init(_ settings: TrainingSettings, of objective: some Objective) {
    self.settings = settings
    module = objective.module
    parameters = module.parameters().filter { $0.parameter.isEverTrained }
    late = parameters.map(\.parameter).filter { $0.firstStep > 0 }
    optimizer = AdamW(
      objective.parameterGroups(weightDecay: Float(settings.weightDecay)),
      betas: (Float(settings.betas[0]), Float(settings.betas[1])))
    average = settings.averaging.map { ExponentialMovingAverage($0, of: objective.module) }
  }

  /// Goes on from where training stood.
  mutating func restore(_ state: TrainingState) throws {
    try module.load(state.weights)
    try optimizer.restore(state.optimizer)
    try average?.restore(state.average)
  }

  /// All that has to be kept to go on.
  func state(step: Int) -> TrainingState {
    TrainingState(
      step: step, weights: module.snapshot(), average: average?.state() ?? [:], optimizer: optimizer.state())
  }

  /// Step `index`, counted from 0: gradient, clipping, weights, average.
  /// - Parameter lastCheckpoint: for the message when a number is none.
  /// - Returns: the row of the log as far as the step itself goes.
  /// - Throws: `TrainingError.notANumber` before any weight has changed, or what `loss` throws.
  mutating func step(
    _ index: Int, random: Random, lastCheckpoint: @autoclosure () -> String?, loss: () throws -> Tensor
  ) throws -> TrainingMetrics {
    for parameter in late { parameter.isTrainable = index >= parameter.firstStep }
    let rate = settings.learningRate * settings.schedule.factor(at: index)
    let (value, gradients) = try withGradients(random: random.split(index), loss)
    let (factor, norm) = clippingFactor(gradients, of: parameters, maximum: Float(settings.clip))
    try Device.check()
    guard value.item.isFinite, norm.isFinite else {
      throw TrainingError.notANumber(
        step: index + 1, tensor: cause(loss: value, gradients), lastCheckpoint: lastCheckpoint())
    }
    optimizer.step(gradients, learningRate: Float(rate), gradientScale: factor, average: &average)
    return TrainingMetrics(
      step: index + 1, loss: Double(value.item), gradientNorm: Double(norm), learningRate: rate)
  }

  /// Runs `body` with the averaged weights in the module; nil without averaging.
  func withAverage<Result>(_ body: () throws -> Result) throws -> Result? {
    guard let average else { return nil }
    let live = module.snapshot()
    try module.load(live.merging(average.weights) { _, averaged in averaged })
    defer { try! module.load(live) }  // they came from here
    return try body()
  }

  /// The first tensor that went wrong, for the message.
  private func cause(loss: Tensor, _ gradients: Gradients) -> String {
    for (name, parameter) in parameters where !parameter.value.isFinite { return name }
    guard loss.item.isFinite else { return "loss" }
    for (name, parameter) in parameters where gradients[parameter].map({ !$0.isFinite }) ?? false {
      return "gradient of \(name)"
    }
    return "gradient norm"
  }
}
