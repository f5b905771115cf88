#if Kitchenette
  import Imitation

  extension KitchenetteEnvironment {
    public func subtasks(of task: String) throws -> [Subtask] { try KitchenTasks.named(task).subtasks }

    public var generationInfo: GenerationInfo? {
      guard let world = try? running else { return nil }
      return GenerationInfo(
        gripper: world.robot.gripper, frames: world.task.frames(in: world), signals: world.task.signals(in: world))
    }

    public func target(of action: [Float]) -> Pose {
      guard let world = try? running, action.count == spec.actions.count else { return .identity }
      return Pose(numbers: recorded(action).absolute!.map(Double.init)).placed(in: world.robot.basePose)
    }

    public func action(towards target: Pose, like action: [Float], disturbance: [Float]) -> [Float] {
      guard let world = try? running, action.count == spec.actions.count else { return action }
      let goal = target.seen(from: world.robot.basePose).numbers
      var step = world.robot.relative(goal + action[6...].map(Double.init)).map(Float.init)
      for (place, value) in disturbance.prefix(6).enumerated() { step[place] = min(max(step[place] + value, -1), 1) }
      return inOurForm(step, world)
    }
  }
#endif
