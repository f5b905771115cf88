import Imitation

/// What a recipe may set of Diffusion Policy, whichever its network. The defaults are the reference's for image experiments.
public struct DiffusionOptions: PluginOptions {
  @Key("Actions denoised together; those before the present are among them.", 1...1000) public var horizon = 16
  @Key("Frames of history; at most horizon.", 1...1000) public var context = 2
  @Key("How noise grows over the diffusion steps.") public var schedule = NoiseSchedule.Shape.squaredCosine
  @Key("What the network predicts.") public var prediction = NoiseSchedule.Prediction.epsilon
  @Key("Diffusion steps of training.", 1...10_000) public var timesteps = 100
  @Key("How actions are drawn.") public var sampler = DiffusionSampler.Kind.ddpm
  @Key("Diffusion steps when acting; as many as timesteps when left out.", 1...10_000) public var inferenceSteps: Int?
  @Key("Keep the estimated actions within -1...1 at each step; actions must be normalized to that range.")
  public var clipSample = true
  @Key("DDIM's fraction of DDPM's noise.", 0...1) public var eta = 0.0
  @Key(
    "With how many noises each window is learned in a step; the encoder sees it once. The reference has one.", 1...1000)
  public var noiseDraws = 1
  @Key("Leave actions that repeat an episode's ends out of the loss; the original learns them.")
  public var maskPadding = false

  public init() {}

  public func validate() throws {
    try $context.refuse(unless: context <= horizon, "must be from 1 to horizon (\(horizon))")
    try $inferenceSteps.refuse(
      unless: inferenceSteps ?? 1 <= timesteps,
      "must be from 1 to timesteps (\(timesteps)): there are no more steps to take")
  }

  func makeSampler() -> DiffusionSampler {
    DiffusionSampler(
      sampler, schedule: NoiseSchedule(schedule, steps: timesteps), prediction: prediction,
      count: inferenceSteps ?? timesteps, clips: clipSample, eta: eta)
  }
}
