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
  private var log: GradientLog
  /// Those that learn from the other rows of a batch.
  private let ranks: (any Collective)?
  /// Of how many parts a batch's loss is the mean.
  private let parts: Int
  /// Steps whose losses nobody has looked at: a device may not have computed them yet.
  private var unread: Range<Int>?

  init(_ settings: TrainingSettings, of objective: some Objective, with ranks: (any Collective)? = nil) {
    self.ranks = ranks
    self.settings = settings
    parts = objective.parts(of: settings.batch)
    module = objective.module
    parameters = module.parameters().filter { $0.parameter.isEverTrained }
    late = parameters.map(\.parameter).filter { $0.firstStep > 0 }
    optimizer = AdamW(
      objective.parameterGroups(weightDecay: Float(settings.weightDecay)),
      betas: (Float(settings.betas[0]), Float(settings.betas[1])))
    average = settings.averaging.map { ExponentialMovingAverage($0, of: objective.module) }
    log = GradientLog(rows: settings.logEvery)
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

  /// Step `index`, counted from 0: gradient, clipping, weights, average. No weight changes from a step on whose loss or gradients
  /// are not finite, which `read` finds.
  mutating func step(_ index: Int, random: Random, loss: () throws -> Tensor) throws {
    for parameter in late { parameter.isTrainable = index >= parameter.firstStep }
    func gradients() throws -> (Tensor, Gradients) { try withGradients(random: stream(random, index), loss) }
    if let ranks {
      // Two graphs: the sum is between them, as one rank may have to do without a graph where another one has it.
      let (mine, present) = try Device.repeated("part of a training step") {
        let (value, gradients) = try gradients()
        // All that learn, since what a rank's rows did not use (an embedding of a dropped action, say) another one's may have.
        let present = parameters.filter(\.parameter.isTrainable)
        // Means over rows: each counts by how many it has.
        let share = Float(ranks.rows(of: parts).count) / Float(parts)
        return (
          ([value] + present.map { gradients[$0.parameter] ?? .zeros($0.parameter.value.shape) })
            .map { $0 * share }, present
        )
      }
      let all = try ranks.sum(mine)
      Device.repeated("update of all parts") {
        update(index, loss: all[0], Gradients(zip(present.map(\.parameter), all.dropFirst())))
      }
    } else {
      try Device.repeated("training step") {
        let (value, gradients) = try gradients()
        update(index, loss: value, gradients)
      }
    }
    try Device.check()
    unread = (unread?.lowerBound ?? index)..<index + 1
  }

  private mutating func update(_ index: Int, loss: Tensor, _ gradients: Gradients) {
    let found = parameters.compactMap { gradients[$0.parameter] }
    let factor = log.clip(found, maximum: Float(settings.clip), loss: loss, step: index)
    optimizer.step(gradients, learningRate: Float(rate(index)), gradientScale: factor, average: &average)
  }

  /// The random numbers of a step: each rank draws its own.
  private func stream(_ random: Random, _ index: Int) -> Random {
    let step = random.split(index)
    return ranks.map { step.split("rank \($0.rank)") } ?? step
  }

  private func rate(_ index: Int) -> Double { settings.learningRate * settings.schedule.factor(at: index) }

  /// Whether the steps since the last time have to be read now: on the processor at once, on a device before they are forgotten.
  var isDue: Bool { unread.map { Device.current == nil || $0.count >= settings.logEvery } ?? false }

  /// The row of the log of the latest step, as far as the step itself goes. Waits for a device.
  ///
  /// - Parameters:
  ///   - lastCheckpoint: for the message when a number is none.
  ///   - loss: of a step once more, to find what was none.
  /// - Throws: `TrainingError.notANumber`, or what `loss` throws.
  @discardableResult
  mutating func read(
    random: Random, lastCheckpoint: @autoclosure () -> String?, loss: (Int) throws -> Tensor
  ) throws -> TrainingMetrics? {
    guard let steps = unread else { return nil }
    let (values, hasFailed) = log.read()
    try Device.check()
    if hasFailed {
      let first = steps.first { !values($0).loss.isFinite || !values($0).norm.isFinite } ?? steps.upperBound - 1
      let (value, gradients) = try withGradients(random: stream(random, first)) { try loss(first) }
      throw TrainingError.notANumber(
        step: first + 1, tensor: cause(loss: value, gradients), lastCheckpoint: lastCheckpoint())
    }
    unread = nil
    let last = steps.upperBound - 1
    return TrainingMetrics(
      step: last + 1, loss: Double(values(last).loss), gradientNorm: Double(values(last).norm),
      learningRate: rate(last))
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
