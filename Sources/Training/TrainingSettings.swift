import Imitation
import Layers

/// How the weights are found: steps, batch, optimiser, schedule, averaging, and when to look.
package struct TrainingSettings: Decodable, Sendable {
  private enum Shape: String, Decodable { case constant, cosine }

  package var steps: Int
  package var batch: Int
  package var learningRate: Double
  package var weightDecay: Double
  /// The decay of the encoder's parameters, all of them; that of the others when nil.
  package var encoderWeightDecay: Double?
  package var betas: [Double]
  package var schedule: LearningRateSchedule
  /// The largest global gradient norm.
  package var clip: Double
  /// How weights are averaged, if they are.
  package var averaging: AverageDecay?
  package var logEvery: Int
  package var validateEvery: Int
  package var checkpointEvery: Int

  enum CodingKeys: String, CodingKey, CaseIterable {
    case steps, batch, betas, schedule, warmup, clip
    case learningRate = "learning_rate"
    case weightDecay = "weight_decay"
    case encoderWeightDecay = "encoder_weight_decay"
    case averagePower = "average_power"
    case logEvery = "log_every"
    case validateEvery = "validate_every"
    case checkpointEvery = "checkpoint_every"
  }

  package init(from decoder: any Decoder) throws {
    let keys = try decoder.container(keyedBy: CodingKeys.self)
    steps = try keys.decode(Int.self, forKey: .steps)
    batch = try keys.decodeIfPresent(Int.self, forKey: .batch) ?? 16
    learningRate = try keys.decodeIfPresent(Double.self, forKey: .learningRate) ?? 1e-4
    weightDecay = try keys.decodeIfPresent(Double.self, forKey: .weightDecay) ?? 0.01
    encoderWeightDecay = try keys.decodeIfPresent(Double.self, forKey: .encoderWeightDecay)
    betas = try keys.decodeIfPresent([Double].self, forKey: .betas) ?? [0.9, 0.999]
    let shape = try keys.decodeIfPresent(Shape.self, forKey: .schedule) ?? .constant
    let warmup = try keys.decodeIfPresent(Int.self, forKey: .warmup) ?? 0
    schedule = shape == .constant ? .constant(warmup: warmup) : .cosine(warmup: warmup, total: steps)
    clip = try keys.decodeIfPresent(Double.self, forKey: .clip) ?? 100
    averaging = try keys.decodeIfPresent(Double.self, forKey: .averagePower).map { .power($0) }
    logEvery = try keys.decodeIfPresent(Int.self, forKey: .logEvery) ?? 50
    validateEvery = try keys.decodeIfPresent(Int.self, forKey: .validateEvery) ?? 500
    checkpointEvery = try keys.decodeIfPresent(Int.self, forKey: .checkpointEvery) ?? 500

    guard steps > 0 else { throw keys.refused(.steps, "must be 1 or more") }
    guard (1...65_536).contains(batch) else { throw keys.refused(.batch, "must be from 1 to 65536") }
    guard learningRate > 0, learningRate.isFinite else { throw keys.refused(.learningRate, "must be above 0") }
    guard weightDecay >= 0, weightDecay.isFinite else { throw keys.refused(.weightDecay, "must be 0 or more") }
    if let decay = encoderWeightDecay, !(decay >= 0 && decay.isFinite) {
      throw keys.refused(.encoderWeightDecay, "must be 0 or more")
    }
    guard betas.count == 2, betas.allSatisfy({ (0..<1).contains($0) }) else {
      throw keys.refused(.betas, "must be two numbers from 0 to below 1")
    }
    guard (0...steps).contains(warmup) else { throw keys.refused(.warmup, "must be from 0 to steps (\(steps))") }
    guard clip > 0 else { throw keys.refused(.clip, "must be above 0") }
    if case .power(let power) = averaging, !(power > 0 && power <= 1) {
      throw keys.refused(.averagePower, "must be above 0 and at most 1")
    }
    for (key, every) in [
      (CodingKeys.logEvery, logEvery), (.validateEvery, validateEvery), (.checkpointEvery, checkpointEvery),
    ] where every < 1 { throw keys.refused(key, "must be 1 or more") }
  }
}
