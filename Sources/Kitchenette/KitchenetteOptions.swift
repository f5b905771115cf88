#if Kitchenette
  import CMuJoCo
  import Imitation

  extension KitchenetteEnvironment {
    /// A camera of the robot.
    public enum Camera: String, CaseIterable, SettingValue {
      /// Over the left shoulder.
      case left = "robot0_agentview_left"
      /// Over the right shoulder.
      case right = "robot0_agentview_right"
      /// On the hand.
      case hand = "robot0_eye_in_hand"

      /// Its key in an observation.
      public var key: String { rawValue + "_image" }

      /// By RoboCasa's name, with or without `_image`.
      public init(_ setting: Setting, path: String) throws {
        let name = try String(setting, path: path)
        guard let camera = Camera.allCases.first(where: { $0.rawValue == name || $0.key == name }) else {
          let known = Camera.allCases.map(\.rawValue).joined(separator: ", ")
          throw SettingError.invalid(path: path, line: setting.line, reason: "no camera '\(name)'; known: \(known)")
        }
        self = camera
      }
    }

    public static func withoutImages(_ options: Options) -> Options {
      var options = options
      options.cameras = []
      return options
    }

    /// What a recipe may set under `simulator: {kind: kitchenette}`.
    public struct Options: PluginOptions, Equatable {
      @Key("Width and height of every image, pixels.", 16...1024) public var imageSize = 128
      @Key("Which cameras are drawn, by RoboCasa's names with or without _image; none is allowed and fast.")
      public var cameras = Camera.allCases
      @Key("What the arm's six values of an action are: a step in -1...1, or a goal of the gripper in the base frame.")
      public var control = Control.relative
      @Key("Whether depths and calibrations of the cameras are observed too.") public var depth = false
      @Key("Images are drawn so many times larger and averaged, as a camera's pixels do.", 1...4) public var smoothing =
        1

      /// What the arm's numbers are.
      public enum Control: String, CaseIterable, SettingValue {
        /// A step, -1...1 of what one step can be (`actions`).
        case relative
        /// A goal of the gripper seen from the base, meters and an axis times radians (`actions_abs`).
        case absolute
      }

      public init() {}

      public func validate() throws {
        try $cameras.refuse(unless: Set(cameras).count == cameras.count, "names a camera twice")
      }
    }
  }

  extension EnvironmentSpec {
    /// Kitchenette's with these options.
    init(_ options: KitchenetteEnvironment.Options) {
      let size = ObservationSchema.ImageSize(height: options.imageSize, width: options.imageSize)
      var vectors = Robot.widths
      var meanings = Robot.meanings
      vectors["object"] = 14
      for keys in options.cameras.map({ CameraKeys($0.rawValue) }) where options.depth {
        vectors[keys.depth] = size.height * size.width
        vectors[keys.calibration] = CameraCalibration.width
        meanings[keys.depth] = VectorSchema(unit: "m")
        meanings[keys.calibration] = VectorSchema(unit: "4 in pixels, 12 in m", frame: "robot base")
      }
      self.init(
        name: KitchenetteEnvironment.name,
        schema: ObservationSchema(
          images: Dictionary(uniqueKeysWithValues: options.cameras.map { ($0.key, size) }), vectors: vectors),
        actions: options.control == .relative ? .roboCasa : .roboCasaAbsolute,
        recorded: DemonstrationSchema(
          actions: ["actions": .roboCasa, "actions_abs": .roboCasaAbsolute], observations: meanings),
        tasks: KitchenTasks.all.map(\.summary),
        versions: ["kitchenette": EnvironmentArguments.version, "mujoco": String(cString: mj_versionString())])
    }
  }
#endif
