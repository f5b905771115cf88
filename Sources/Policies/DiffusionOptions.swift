import Imitation

/// What a recipe may set of Diffusion Policy, whichever network it has. The defaults are those of the reference's image
/// experiments.
public struct DiffusionOptions: Codable, Sendable {
  /// Actions denoised together; those before the present are among them.
  public var horizon: Int
  /// Frames of history.
  public var context: Int
  public var schedule: NoiseSchedule.Shape
  public var prediction: NoiseSchedule.Prediction
  /// Diffusion steps of training.
  public var timesteps: Int
  public var sampler: DiffusionSampler.Kind
  /// Steps taken when acting, at most `timesteps`.
  public var inferenceSteps: Int
  /// Keep the estimated actions within -1...1 at each step: actions must be normalised to that range.
  public var clipSample: Bool
  /// DDIM's share of DDPM's noise.
  public var eta: Double
  /// With how many noises each window is learned in a step: the encoder, which costs most, sees it once. The reference has one.
  public var noiseDraws: Int
  /// Leave actions that repeat an episode's ends out of the loss; the original learns them.
  public var maskPadding: Bool

  enum CodingKeys: String, CodingKey, CaseIterable {
    case horizon, context, schedule, prediction, timesteps, sampler, eta
    case inferenceSteps = "inference_steps"
    case clipSample = "clip_sample"
    case noiseDraws = "noise_draws"
    case maskPadding = "mask_padding"
  }

  public init(from decoder: any Decoder) throws {
    let keys = try decoder.container(keyedBy: CodingKeys.self)
    horizon = try keys.decodeIfPresent(Int.self, forKey: .horizon) ?? 16
    context = try keys.decodeIfPresent(Int.self, forKey: .context) ?? 2
    schedule = try keys.decodeIfPresent(NoiseSchedule.Shape.self, forKey: .schedule) ?? .squaredCosine
    prediction = try keys.decodeIfPresent(NoiseSchedule.Prediction.self, forKey: .prediction) ?? .epsilon
    timesteps = try keys.decodeIfPresent(Int.self, forKey: .timesteps) ?? 100
    sampler = try keys.decodeIfPresent(DiffusionSampler.Kind.self, forKey: .sampler) ?? .ddpm
    inferenceSteps = try keys.decodeIfPresent(Int.self, forKey: .inferenceSteps) ?? timesteps
    clipSample = try keys.decodeIfPresent(Bool.self, forKey: .clipSample) ?? true
    eta = try keys.decodeIfPresent(Double.self, forKey: .eta) ?? 0
    noiseDraws = try keys.decodeIfPresent(Int.self, forKey: .noiseDraws) ?? 1
    maskPadding = try keys.decodeIfPresent(Bool.self, forKey: .maskPadding) ?? false
    try keys.refuse(.horizon, unless: (1...1000).contains(horizon), "must be from 1 to 1000")
    try keys.refuse(.context, unless: (1...horizon).contains(context), "must be from 1 to horizon (\(horizon))")
    try keys.refuse(.timesteps, unless: (1...10_000).contains(timesteps), "must be from 1 to 10000")
    try keys.refuse(
      .inferenceSteps, unless: (1...timesteps).contains(inferenceSteps),
      "must be from 1 to timesteps (\(timesteps)): there are no more steps to take")
    try keys.refuse(.noiseDraws, unless: (1...1000).contains(noiseDraws), "must be from 1 to 1000")
    try keys.refuse(.eta, unless: (0...1).contains(eta), "must be from 0 to 1")
  }

  func makeSampler() -> DiffusionSampler {
    DiffusionSampler(
      sampler, schedule: NoiseSchedule(schedule, steps: timesteps), prediction: prediction, count: inferenceSteps,
      clips: clipSample, eta: eta)
  }
}
