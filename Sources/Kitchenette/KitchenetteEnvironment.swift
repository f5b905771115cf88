#if Kitchenette
  import Imitation
  import Tensors

  /// An embedded kitchen: a mobile arm, furniture and objects on MuJoCo's physics, with RoboCasa's task names, observation
  /// keys and action layout. It is a simulator of its own: its scores are not RoboCasa scores.
  ///
  /// The seed of an episode decides layout, style, object, poses and instruction; the same task, seed, pool and actions
  /// give the same bits, whatever ran before. Training and evaluation draw from disjoint styles and objects.
  ///
  /// The reward of a step is 1 when the task is solved. Before, it is `0.3 (1 - tanh 5d) + 0.6 p`: `d` is the distance from the
  /// gripper to what it has to reach, meters, and `p` how far the task is done: of the drawer's way, of the knob's turn; for
  /// an object a quarter for the grasp, half for the way to the basin, a quarter for leaving it there. Episodes end by success
  /// or by the horizon only. Of all in a process, one may draw.
  public final class KitchenetteEnvironment: Simulator, ExpertProviding, GenerativeEnvironment {
    public static let name = "kitchenette"
    public static let help =
      "The embedded kitchen on MuJoCo; a simulator of its own, its scores are not RoboCasa scores."
    public let spec: EnvironmentSpec
    private let options: Options
    private var world: World?
    private var episode: EpisodeSpec?
    private var renderer: Renderer?

    public init(options: Options) throws {
      self.options = options
      spec = EnvironmentSpec(options)
    }

    public func reset(_ episode: EpisodeSpec) throws -> Observation {
      let task = try KitchenTasks.named(episode.task)
      var random = Random(seed: episode.seed).split("kitchenette").split(task.summary.name).split(episode.pool.rawValue)
      var scene = Scene(pool: episode.pool, random: &random)
      task.stage(&scene, pool: episode.pool, random: &random)
      let world = try World(task: task, scene: scene, imageSize: options.imageSize * options.smoothing)
      (self.world, self.episode) = (world, episode)
      if !options.cameras.isEmpty { try prepareRenderer().show(world) }
      return try observe(world)
    }

    public func step(_ action: [Float]) throws -> Transition {
      let world = try running
      let schema = spec.actions
      guard action.count == schema.count else {
        throw KitchenetteError.actionWidth(expected: schema.count, found: action.count)
      }
      if let index = action.firstIndex(where: { !$0.isFinite }) {
        throw KitchenetteError.actionNotFinite(index: index, name: schema.label(index))
      }
      world.robot.carryOut(relative(action.map(Double.init), world).map { min(max($0, -1), 1) })
      try world.physics.checkStability()
      return Transition(observation: try observe(world), reward: world.reward, success: world.isSuccessful)
    }

    /// The arm stands still there: its servos are meant to be where they are.
    public func restore(_ state: [Double], of episode: EpisodeSpec) throws -> Observation {
      if self.episode != episode { _ = try reset(episode) }
      let world = try running
      try world.restore(state)
      return try observe(world)
    }

    private func relative(_ action: [Double], _ world: World) -> [Double] {
      options.control == .relative ? action : world.robot.relative(action)
    }

    /// An action of a robot's step in the form that `step` takes.
    func inOurForm(_ action: [Float], _ world: World) -> [Float] {
      options.control == .relative ? action : world.robot.absolute(action.map(Double.init)).map(Float.init)
    }

    public func recorded(_ action: [Float]) -> (relative: [Float], absolute: [Float]?) {
      guard let world, action.count == spec.actions.count else { return (action, nil) }
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
