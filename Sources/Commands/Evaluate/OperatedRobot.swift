import ImitationKit

/// A robot with a person beside it, who can end what it does.
struct OperatedRobot {
  let robot: any RealTimeEnvironment
  let task: SimulatedTask
  let horizon: Int
  let console: OperatorConsole

  init(_ robot: any RealTimeEnvironment, task: SimulatedTask, horizon: Int, _ console: OperatorConsole) {
    (self.robot, self.task, self.horizon, self.console) = (robot, task, horizon, console)
  }

  /// What came of an attempt before anybody judged it.
  struct Played {
    var pace: PaceReport
    /// Why it broke.
    var error: String?
    var line: String { (error.map { "\($0)\n" } ?? "") + pace.line }
  }

  /// Has a policy act until the horizon, the robot or the person ends it. However it ends, the robot is asked to hold.
  func play(_ policy: any Behavior, seed: UInt64, instruction: String?) -> Played {
    var error = attempting {
      var observation = try robot.reset(EpisodeSpec(task: task.name, seed: seed, pool: .evaluation))
      policy.begin(seed: seed)
      console.forgetTyped()
      for _ in 0..<horizon {
        if console.wantsEnd { return }
        if let instruction { observation.instruction = instruction }
        let transition = try robot.step(policy.action(for: observation))
        if transition.isLast { return }
        observation = transition.observation
      }
    }
    let failure = attempting { try robot.hold() }
    error = error ?? failure
    return Played(pace: robot.pace, error: error)
  }

  /// - Returns: what went wrong.
  private func attempting(_ body: () throws -> Void) -> String? {
    do {
      try body()
      return nil
    } catch {
      return CommandFailure.line(error)
    }
  }
}

extension OperatedRobot {
  /// Has a person lead the robot until the horizon, the robot, the person's button or Enter ends it.
  ///
  /// - Returns: what was done, as the robot got it: clipped.
  /// - Throws: when the robot fails; it has been asked to hold, as after any episode.
  func led(seed: UInt64) throws -> RecordedEpisode {
    guard let robot = robot as? any TeleoperatedEnvironment else {
      throw CommandFailure("\(robot.spec.name) cannot be led by a person, so there is nothing to record")
    }
    do {
      var observation = try robot.reset(EpisodeSpec(task: task.name, seed: seed, pool: .training))
      var episode = RecordedEpisode(actionWidth: robot.spec.actions.count, description: robot.description)
      episode.seed = seed
      console.forgetTyped()
      while episode.length < horizon, !console.wantsEnd {
        let asked = try robot.teleoperate()
        let transition = try episode.take(asked.action, seeing: observation, in: robot)
        observation = transition.observation
        if asked.isLast || transition.isLast { break }
      }
      try robot.hold()
      return episode
    } catch {
      try? robot.hold()
      throw error
    }
  }
}
