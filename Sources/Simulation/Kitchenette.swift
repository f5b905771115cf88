#if Kitchenette
  import Imitation
  import Tensors

  /// An embedded kitchen: a mobile arm, furniture and objects on MuJoCo's physics, with RoboCasa's task names, observation
  /// keys and action layout. It is a simulator of its own: its scores are not RoboCasa scores.
  ///
  /// The seed of an episode decides layout, style, object, poses and instruction; the same task, seed, pool and actions
  /// give the same bits, whatever ran before. Training and evaluation draw from disjoint styles and objects.
  public final class Kitchenette: Simulator {
    public static let name = "kitchenette"
    public static let help =
      "The embedded kitchen on MuJoCo; a simulator of its own, its scores are not RoboCasa scores."
    public static var tasks: [SimulatedTask] { KitchenTasks.all.map(\.summary) }

    private let options: Options
    private var world: World?
    private var renderer: Renderer?

    public init(options: Options) throws {
      self.options = options
    }

    public var actionSchema: ActionSchema { options.control == .relative ? .roboCasa : .roboCasaAbsolute }

    public var recordedSchema: DemonstrationSchema {
      DemonstrationSchema(
        actions: ["actions": .roboCasa, "actions_abs": .roboCasaAbsolute],
        observations: Robot.meanings.merging(options.depth ? geometry : [:]) { $1 })
    }

    private var geometry: [String: VectorSchema] {
      var meanings: [String: VectorSchema] = [:]
      for keys in options.cameras.map({ CameraKeys($0.rawValue) }) {
        meanings[keys.depth] = VectorSchema(unit: "m")
        meanings[keys.calibration] = VectorSchema(unit: "4 in pixels, 12 in m", frame: "robot base")
      }
      return meanings
    }

    public var schema: ObservationSchema {
      let size = ObservationSchema.ImageSize(height: options.imageSize, width: options.imageSize)
      var vectors = Robot.widths
      vectors["object"] = 14
      if options.depth {
        for camera in options.cameras {
          let keys = CameraKeys(camera.rawValue)
          vectors[keys.depth] = size.height * size.width
          vectors[keys.calibration] = CameraCalibration.width
        }
      }
      return ObservationSchema(
        images: Dictionary(uniqueKeysWithValues: options.cameras.map { ($0.key, size) }), vectors: vectors)
    }

    public func reset(task: String, seed: UInt64, pool: ScenePool) throws -> Observation {
      let task = try KitchenTasks.named(task)
      var random = Random(seed: seed).split("kitchenette").split(task.summary.name).split(pool.rawValue)
      var scene = Scene(pool: pool, random: &random)
      task.stage(&scene, pool: pool, random: &random)
      let world = try World(task: task, scene: scene, imageSize: options.imageSize * options.smoothing)
      self.world = world
      if !options.cameras.isEmpty { try prepareRenderer().show(world) }
      return try observe(world)
    }

    public func step(_ action: [Float]) throws -> EnvironmentStep {
      let world = try running
      let schema = actionSchema
      guard action.count == schema.count else {
        throw KitchenetteError.actionWidth(expected: schema.count, found: action.count)
      }
      if let index = action.firstIndex(where: { !$0.isFinite }) {
        throw KitchenetteError.actionNotFinite(index: index, name: schema.label(index))
      }
      world.robot.carryOut(relative(action.map(Double.init), world).map { min(max($0, -1), 1) })
      try world.physics.checkStability()
      return EnvironmentStep(observation: try observe(world), success: world.isSuccessful)
    }

    private func relative(_ action: [Double], _ world: World) -> [Double] {
      options.control == .relative ? action : world.robot.relative(action)
    }

    /// An action of a robot's step in the form that `step` takes.
    func inOurForm(_ action: [Float], _ world: World) -> [Float] {
      options.control == .relative ? action : world.robot.absolute(action.map(Double.init)).map(Float.init)
    }

    public func recorded(_ action: [Float]) -> (relative: [Float], absolute: [Float]?) {
      guard let world, action.count == actionSchema.count else { return (action, nil) }
      let values = action.map(Double.init)
      switch options.control {
      case .relative: return (action, world.robot.absolute(values).map(Float.init))
      case .absolute: return (world.robot.relative(values).map(Float.init), action)
      }
    }

    public var state: [Double] { world?.state ?? [] }

    public func expert(seed: UInt64, noise: Double) -> (any Behavior)? {
      world == nil ? nil : ScriptedExpert(kitchenette: self, seed: seed, noise: noise)
    }

    public func arguments(task: String) throws -> String {
      try EnvironmentArguments(task: KitchenTasks.named(task).summary, options: options).json
    }

    public var description: EpisodeDescription {
      guard let world else { return EpisodeDescription(metadata: "{}", model: "") }
      return EpisodeDescription(metadata: EpisodeMetadata(world: world).json, model: world.mjcf)
    }

    /// An image of the running episode at any size, for example for a page about it.
    ///
    /// - Parameter smoothing: draws so many times larger and averages; 2 or 3 for images that people look at. What
    ///   policies see is drawn with 1.
    package func image(from viewpoint: Viewpoint, width: Int, height: Int, smoothing: Int = 1) throws -> Image {
      let world = try running
      if renderer == nil { try prepareRenderer().show(world) }
      let large = try prepareRenderer().renderings(
        from: [viewpoint], width: width * smoothing, height: height * smoothing)[0].image
      return smoothing == 1 ? large : large.reduced(by: smoothing)
    }

    /// The episode that is running.
    var running: World {
      get throws {
        guard let world else { throw KitchenetteError.notStarted }
        return world
      }
    }

    /// The depths in the middle of what becomes one pixel: their mean would lie between a thing and what is behind it.
    private func sampled(_ depths: [Float]) -> [Float] {
      let (size, factor) = (options.imageSize, options.smoothing)
      guard factor > 1 else { return depths }
      return (0..<size * size).map { pixel in
        depths[(pixel / size * factor + factor / 2) * size * factor + pixel % size * factor + factor / 2]
      }
    }

    private func prepareRenderer() throws -> Renderer {
      if let renderer { return renderer }
      let created = try Renderer()
      renderer = created
      return created
    }

    func observe(_ world: World) throws -> Observation {
      var vectors = world.robot.proprioception
      vectors["object"] = world.objectReading
      var images: [String: Image] = [:]
      if !options.cameras.isEmpty {
        let side = options.imageSize * options.smoothing
        let renderings = try prepareRenderer().renderings(
          from: options.cameras.map { .robot($0.rawValue) }, width: side, height: side, depth: options.depth)
        for (camera, rendering) in zip(options.cameras, renderings) {
          images[camera.key] = options.smoothing == 1 ? rendering.image : rendering.image.reduced(by: options.smoothing)
          guard options.depth else { continue }
          let keys = CameraKeys(camera.rawValue)
          vectors[keys.depth] = sampled(rendering.depth)
          vectors[keys.calibration] = world.calibration(of: camera.rawValue, size: options.imageSize).numbers
        }
      }
      return Observation(images: images, vectors: vectors, instruction: world.scene.instruction)
    }
  }
#endif
