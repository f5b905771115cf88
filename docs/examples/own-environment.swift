import Commands
import ImitationKit

/// A carriage on a rail that is to reach a mark: a simulator with nothing to see and one option of its own.
final class Slider: Simulator, EpisodeRecording, ExpertProviding {
  struct Options: PluginOptions {
    @Key("How far one step goes at most.", .above(0)) var speed = 0.2
  }

  static let name = "slider"
  static let help = "A carriage on a rail that is to reach a mark."

  let spec = EnvironmentSpec(
    name: Slider.name, schema: ObservationSchema(images: [:], vectors: ["carriage": 1, "mark": 1]),
    actions: ActionSchema(dimensions: [.init(name: "carriage", unit: "speed", low: -1, high: 1)], controlHertz: 10),
    tasks: [SimulatedTask(name: "ReachMark", group: "rails", horizon: 40)])
  let description = EpisodeDescription(metadata: "{\"lang\": \"reach the mark\"}", model: "")
  private let speed: Double
  private var (carriage, mark) = (0.0, 0.0)

  init(options: Options) { speed = options.speed }

  func arguments(task: String) -> String {
    "{\"env_name\": \"\(task)\", \"type\": 1, \"env_kwargs\": {\"speed\": \(speed)}}"
  }

  private var observation: Observation {
    Observation(vectors: ["carriage": [Float(carriage)], "mark": [Float(mark)]], instruction: "reach the mark")
  }

  func reset(_ episode: EpisodeSpec) -> Observation {
    var random = Random(seed: episode.seed).split(episode.pool.rawValue)
    (carriage, mark) = (random.uniform(-1 ... -0.5), random.uniform(0.5...1))
    return observation
  }

  func step(_ action: [Float]) -> Transition {
    carriage += speed * Double(min(max(action[0], -1), 1))
    let distance = abs(carriage - mark)
    return Transition(observation: observation, reward: Float(1 - distance / 2), success: distance < speed)
  }

  /// Goes where the mark is.
  private final class Straight: Behavior {
    func begin(seed: UInt64) {}
    func action(for observation: Observation) -> [Float] {
      [observation.vectors["mark"]![0] > observation.vectors["carriage"]![0] ? 0.8 : -0.8]
    }
  }

  func expert(seed: UInt64, noise: Double) -> (any Behavior)? { Straight() }
}

// `imitate` with one more simulator: it records, evaluates and makes videos of recipes with `simulator: {kind: slider}`.
ImitateCommand.main(catalog: .standard.adding(Slider.self))
