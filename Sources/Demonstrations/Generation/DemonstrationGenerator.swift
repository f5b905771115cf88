import Imitation
import Tensors

/// Makes a demonstration in a new scene out of recorded ones, in MimicGen's manner (Mandlekar et al. 2023, section 4): each
/// subtask of a source is moved along with the thing it is about, joined to what went before by a straight way, and played
/// with noise on the actions. Whether it solved the task is for the simulator to say.
package struct DemonstrationGenerator: Sendable {
  package struct Settings: Codable, Sendable, Equatable {
    /// How the source of a subtask is chosen.
    package enum Selection: String, Codable, Sendable, CaseIterable {
      /// Any.
      case random
      /// One of the few whose thing lay nearest to where it lies now, seen from the robot.
      case nearest
    }

    package var selection = Selection.nearest
    /// Of how many nearest ones.
    package var neighbors = 3
    /// The standard deviation of what is added to the robot's step, of its full scale; MimicGen's.
    package var noise: Float = 0.05
    /// A joining way has at least so many steps, and moves at most so far in one, meters and radians.
    package var joiningSteps = 5
    package var joiningSpeed = 0.02
    package var joiningTurn = 0.1
    /// Steps beyond the last row that go on as it did, in case noise has cost a little.
    package var extraSteps = 10

    package init() {}
  }

  package let sources: [SourceDemonstration]
  package let subtasks: [Subtask]
  package var settings: Settings

  package init(sources: [SourceDemonstration], subtasks: [Subtask], settings: Settings = Settings()) {
    self.sources = sources
    self.subtasks = subtasks
    self.settings = settings
  }

  /// Plays one attempt in the scene that `environment` was reset to.
  ///
  /// - Parameter stepped: called after each step.
  /// - Returns: the episode, whether it solved the task or not: its last row tells.
  package func attempt(
    in environment: any GenerativeEnvironment, from observation: Observation, seed: UInt64, horizon: Int,
    stepped: () -> Void = {}
  ) throws -> (episode: RecordedEpisode, solved: Bool) {
    var random = Random(seed: seed).split("generation")
    var player = Player(
      environment: environment, horizon: horizon, noise: settings.noise, observation: observation,
      random: random.split("noise"),
      episode: RecordedEpisode(actionWidth: environment.spec.actions.count, description: environment.description))
    player.episode.seed = seed
    var last: Pose?
    var step = (move: SIMD3<Double>.zero, action: [Float]())
    for (number, subtask) in subtasks.enumerated() {
      guard let now = environment.generationInfo, let frame = now.frames[subtask.frame] else { break }
      let source = source(for: number, frame, now, random: &random)
      player.episode.sources.append(source.name)
      let rows = source.segments[number]
      let original = source.frames[rows.lowerBound][subtask.frame]!
      let path = rows.map { source.targets[$0].seen(from: original).placed(in: frame) }
      let from = last ?? now.gripper
      let way = joining(from, path[0])
      for share in 1..<max(2, way) where way > 1 {
        try player.go(
          to: from.moved(to: path[0], share: Double(share) / Double(way)), like: source.actions[rows.lowerBound])
        stepped()
      }
      for (pose, row) in zip(path, rows) {
        try player.go(to: pose, like: source.actions[row])
        stepped()
      }
      step = (
        path.count > 1 ? path[path.count - 1].position - path[path.count - 2].position : .zero,
        source.actions[rows.upperBound - 1]
      )
      last = path.last
    }
    guard var pose = last else { return (player.episode, false) }
    for _ in 0..<settings.extraSteps {
      pose.position += step.move
      try player.go(to: pose, like: step.action)
    }
    return (player.episode, player.solved)
  }

  /// How many steps a joining way takes.
  private func joining(_ from: Pose, _ to: Pose) -> Int {
    let distance = (to.position - from.position).length
    let angle = (to.rotation * from.rotation.inverse).logarithm.length
    return max(
      settings.joiningSteps, Int((distance / settings.joiningSpeed).rounded(.up)),
      Int((angle / settings.joiningTurn).rounded(.up)))
  }

  private func source(
    for number: Int, _ frame: Pose, _ now: GenerationInfo, random: inout Random
  ) -> SourceDemonstration {
    guard settings.selection == .nearest else { return random.choice(sources) }
    // What matters is how the thing lies to the gripper when the subtask begins.
    let place = frame.position - now.gripper.position
    let name = subtasks[number].frame
    let ordered = sources.map { source in
      let row = source.segments[number].lowerBound
      let past = source.frames[row][name]!.position - source.targets[row].position
      return (distance: (past - place).length, source: source)
    }.sorted { ($0.distance, $0.source.name) < ($1.distance, $1.source.name) }
    return random.choice(Array(ordered.prefix(max(1, settings.neighbors)))).source
  }
}

/// Carries out what a generated demonstration wants and writes it down, until the task is solved or time is up.
private struct Player {
  let environment: any GenerativeEnvironment
  let horizon: Int
  let noise: Float
  var observation: Observation
  var random: Random
  var episode: RecordedEpisode
  var solved = false
  var isOver = false

  mutating func go(to target: Pose, like action: [Float]) throws {
    guard !isOver, episode.length < horizon, environment.generationInfo != nil else { return }
    let disturbance = (0..<6).map { _ in Float(random.normal()) * noise }
    let action = environment.action(towards: target, like: action, disturbance: disturbance)
    let step = try episode.take(action, seeing: observation, in: environment)
    observation = step.observation
    (solved, isOver) = (step.success, step.isLast)
  }
}
