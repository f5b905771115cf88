import Imitation
import Layers
import Tensors

/// The weights under training: one step of theirs, their average, and what a checkpoint must hold of both.
struct Optimization {
  /// What a step did.
  struct Outcome {
    var loss: Double
    /// Of all gradients together, before clipping.
    var gradientNorm: Double
    var learningRate: Double
  }

  private let settings: TrainingSettings
  private let module: any Module
  private let parameters: [(name: String, parameter: Parameter)]
  private var optimizer: AdamW
  private var average: ExponentialMovingAverage?

  /// - Parameter groups: the parameters with their decay; all trainable ones with the settings' decay when left out.
  init(_ settings: TrainingSettings, of module: any Module, groups: [AdamW.Group]? = nil) {
    self.settings = settings
    self.module = module
    parameters = module.parameters().filter { $0.parameter.isTrainable }
    optimizer = AdamW(
      groups ?? [.init(parameters, weightDecay: Float(settings.weightDecay))],
      betas: (Float(settings.betas[0]), Float(settings.betas[1])))
    average = settings.averaging.map { ExponentialMovingAverage($0, of: module) }
  }

  /// Goes on from what a checkpoint holds.
  mutating func restore(
    weights: [String: Tensor], optimizer state: [String: Tensor], average averaged: [String: Tensor]
  )
    throws
  {
    try module.load(weights)
    try optimizer.restore(state)
    try average?.restore(averaged)
  }

  var weights: [String: Tensor] { module.snapshot() }
  var optimizerState: [String: Tensor] { optimizer.state() }
  var averageState: [String: Tensor] { average?.state() ?? [:] }

  /// Step `index`, counted from 0: gradient, clipping, weights, average.
  /// - Parameter lastCheckpoint: for the message when a number is none.
  /// - Throws: `TrainingError.notANumber` before any weight has changed, or what `loss` throws.
  mutating func step(
    _ index: Int, random: Random, lastCheckpoint: @autoclosure () -> String?, loss: () throws -> Tensor
  ) throws -> Outcome {
    let rate = settings.learningRate * settings.schedule.factor(at: index)
    let (value, gradients) = try withGradients(random: random.split(index), loss)
    let (factor, norm) = clippingFactor(gradients, of: parameters, maximum: Float(settings.clip))
    guard value.item.isFinite, norm.isFinite else {
      throw TrainingError.notANumber(
        step: index + 1, tensor: culprit(loss: value, gradients), lastCheckpoint: lastCheckpoint())
    }
    optimizer.step(gradients, learningRate: Float(rate), gradientScale: factor, average: &average)
    return Outcome(loss: Double(value.item), gradientNorm: Double(norm), learningRate: rate)
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
  private func culprit(loss: Tensor, _ gradients: Gradients) -> String {
    for (name, parameter) in parameters where !parameter.value.isFinite { return name }
    guard loss.item.isFinite else { return "loss" }
    for (name, parameter) in parameters where gradients[parameter].map({ !$0.isFinite }) ?? false {
      return "gradient of \(name)"
    }
    return "gradient norm"
  }
}
