#if Kitchenette
  import Foundation
  import Imitation

  /// RoboCasa's `env_args`: how to make the environment again.
  struct EnvironmentArguments: Encodable {
    struct Keywords: Encodable {
      let robots = "PandaMobile"
      let cameraNames: [String]
      let cameraHeights: Int
      let cameraWidths: Int
      let cameraDepths: Bool
      /// Ours; only there when images are drawn larger first.
      let smoothing: Int?
      let controlFreq: Int
      let horizon: Int
      let controllerConfigs = Controller()
      let ignoreDone = true
      let rewardShaping = false
      let hasRenderer = false
    }

    struct Controller: Encodable {
      let type = "OSC_POSE"
      let inputMax = 1
      let inputMin = -1
      let outputMax = [0.05, 0.05, 0.05, 0.5, 0.5, 0.5]
      let kp = 150
      let damping = 1
      let controlDelta = true
    }

    /// Bumped when the same seed and actions would give other bits.
    static let version = "kitchenette-1"

    let envName: String
    let envVersion = EnvironmentArguments.version
    // Robomimic's number for robosuite and what is built on it.
    let type = 1
    let envKwargs: Keywords

    init(task: SimulatedTask, options: KitchenetteEnvironment.Options) {
      envName = task.name
      envKwargs = Keywords(
        cameraNames: options.cameras.map(\.rawValue), cameraHeights: options.imageSize,
        cameraWidths: options.imageSize, cameraDepths: options.depth,
        smoothing: options.smoothing == 1 ? nil : options.smoothing,
        controlFreq: Int(1 / Robot.controlPeriod), horizon: task.horizon)
    }

    var json: String { roboCasaJSON(self) }
  }

  /// RoboCasa's `ep_meta`: what the episode looked like.
  struct EpisodeMetadata: Encodable {
    struct Object: Encodable {
      struct Info: Encodable {
        let cat: String
        let instance: String
      }
      let name = "obj"
      let type = "object"
      let info: Info
    }
    struct FixtureClass: Encodable {
      let cls: String
    }
    struct Camera: Encodable {
      let parentBody: String
    }

    let lang: String
    let layoutId: Int
    let styleId: Int
    let objectCfgs: [Object]
    let fixtures: [String: FixtureClass]
    let fixtureRefs: [String: String]
    let camConfigs: [String: Camera]
    let genTextures: [String: String] = [:]

    init(world: World) {
      let scene = world.scene
      lang = scene.instruction
      layoutId = scene.layoutIdentifier
      styleId = scene.styleIdentifier
      objectCfgs =
        scene.object.map { [Object(info: Object.Info(cat: $0.category, instance: $0.instance))] } ?? []
      fixtures = Dictionary(
        scene.layout.places.map { ($0.fixture.rawValue, FixtureClass(cls: $0.fixture.className)) },
        uniquingKeysWith: { first, _ in first })
      fixtureRefs = [world.task.summary.group: world.task.fixture.rawValue]
      camConfigs = Dictionary(
        uniqueKeysWithValues: KitchenetteEnvironment.Camera.allCases.map {
          ($0.rawValue, Camera(parentBody: $0 == .hand ? "robot0_hand" : RobotModel.baseBody))
        })
    }

    var json: String { roboCasaJSON(self) }
  }

  // Keys in snake case, sorted, so that the same episode gives the same bytes.
  private func roboCasaJSON(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
    // Records of text and numbers always encode.
    return String(decoding: (try? encoder.encode(value)) ?? Data("{}".utf8), as: UTF8.self)
  }
#endif
