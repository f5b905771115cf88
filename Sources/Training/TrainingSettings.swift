import Imitation
import Layers
import Tensors

/// How the weights are found: steps, batch, optimizer, schedule, averaging, and when to look.
package struct TrainingSettings: PluginOptions {
  @Key("Training steps.", 1...) package var steps: Int
  @Key("Windows a step.", 1...65_536) package var batch = 16
  @Key("The largest learning rate.", .above(0)) package var learningRate = 1e-4
  @Key("Decoupled weight decay.", 0...) package var weightDecay = 0.01
  @Key("The decay of the encoder's parameters, all of them; that of the others when left out.", 0...)
  package var encoderWeightDecay: Double?
  @Key("AdamW's two betas, each from 0 to below 1.") package var betas = [0.9, 0.999]
  @Key("How the learning rate goes on after the warm-up.", name: "schedule") private var shape = Shape.constant
  @Key("Steps of linear warm-up; at most steps.", 0...) private var warmup = 0
  @Key("The largest global gradient norm.", KeyRule("above 0") { $0 > 0 }) package var clip = 100.0
  @Key("Keep averaged weights, by Diffusion Policy's power rule; none when left out.", .above(0, upTo: 1))
  private var averagePower: Double?
  @Key("How products round on a GPU; tf32 when left out. A processor does not round.")
  package var precision: ProductPrecision?
  @Key("Steps between rows of the log.", 1...) package var logEvery = 50
  @Key("Steps between validations.", 1...) package var validateEvery = 500
  @Key("Steps between checkpoints.", 1...) package var checkpointEvery = 500

  package init() {}

  private enum Shape: String, CaseIterable, SettingValue { case constant, cosine }

  package var schedule: LearningRateSchedule {
    shape == .constant ? .constant(warmup: warmup) : .cosine(warmup: warmup, total: steps)
  }

  /// How weights are averaged, if they are.
  package var averaging: AverageDecay? { averagePower.map { .power($0) } }

  package func validate() throws {
    try $betas.refuse(
      unless: betas.count == 2 && betas.allSatisfy { (0..<1).contains($0) }, "must be two numbers from 0 to below 1")
    try $warmup.refuse(unless: warmup <= steps, "must be from 0 to steps (\(steps))")
  }
}

extension ProductPrecision: SettingValue {}
