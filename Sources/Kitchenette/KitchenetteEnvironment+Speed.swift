#if Kitchenette
  import Imitation

  extension KitchenetteEnvironment {
    /// Control steps per second over `steps` steps of an expert in one episode, without the reset before them.
    package static func stepsPerSecond(options: Options, task: String, steps: Int) throws -> Double {
      let kitchen = try KitchenetteEnvironment(options: options)
      var seen = try kitchen.reset(EpisodeSpec(task: task, seed: 0, pool: .training))
      guard let expert = kitchen.expert(seed: 0, noise: 1) else { throw KitchenetteError.notStarted }
      let time = try ContinuousClock().measure {
        for _ in 0..<steps { seen = try kitchen.step(expert.action(for: seen)).observation }
      }
      return Double(steps) / (time / .seconds(1))
    }
  }
#endif
