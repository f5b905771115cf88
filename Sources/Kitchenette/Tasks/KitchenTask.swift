#if Kitchenette
  import Imitation
  import Tensors

  /// A task: what the scene looks like, when it is done, and how someone who sees the state would do it.
  protocol KitchenTask: Sendable {
    var summary: SimulatedTask { get }
    /// The furniture that it is about.
    var fixture: Fixture { get }
    /// Draws what this task adds to a scene: which side, the object, where the robot stands, the instruction.
    func stage(_ scene: inout Scene, pool: ScenePool, random: inout Random)
    func isSuccessful(in world: World) -> Bool
    /// How far it is done, 0 to 1, by the task's own measure; 1 is no more than close to solved.
    func progress(in world: World) -> Double
    /// Meters that the gripper still has to go to where it can act.
    func distance(in world: World) -> Double
    /// The thing that the task is about, in the world.
    func target(in world: World) -> Pose
    /// Where the gripper should go from here; depends on the state of the world only, not on what was done before.
    func waypoint(in world: World, deviation: Deviation) -> Waypoint
    /// How demonstrations of it are cut for generating others.
    var subtasks: [Subtask] { get }
    /// The things that its subtasks are about, in the world.
    func frames(in world: World) -> [String: Pose]
    /// Which of its subtasks' signals are up.
    func signals(in world: World) -> [String: Bool]
  }

  extension KitchenTask {
    func distance(in world: World) -> Double {
      (target(in: world).position - world.robot.gripper.position).length
    }

    func signals(in world: World) -> [String: Bool] { [:] }
  }

  /// What an expert's present aim is.
  struct Waypoint {
    /// Where the gripper should be, meters in the world.
    var position: Vector
    /// At most so many meters per control step.
    var speed: Double
    var gripper: Gripper
    /// Nothing is left to do.
    var isFinished = false

    enum Gripper: Double {
      case open = -1
      case close = 1
    }
  }

  /// How one episode of an expert differs from the ideal.
  struct Deviation {
    /// Meters, added to waypoints where there is room.
    var offset: Vector
    /// Times the ideal speed.
    var pace: Double
  }

  /// The four tasks.
  enum KitchenTasks {
    static let all: [any KitchenTask] = [OpenDrawer(), CloseDrawer(), TurnOnStove(), PnPCounterToSink()]

    /// - Throws: `KitchenetteError.unknownTask`.
    static func named(_ name: String) throws -> any KitchenTask {
      guard let task = all.first(where: { $0.summary.name == name }) else {
        throw KitchenetteError.unknownTask(name, known: all.map(\.summary.name))
      }
      return task
    }
  }
#endif
