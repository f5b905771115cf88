import ImitationKit

/// A robot without a body: it looks at nothing, and feels its last action.
final class Dummy: Environment {
  let spec: EnvironmentSpec
  private var last: [Float] = []

  init(_ metadata: PolicyMetadata) {
    spec = EnvironmentSpec(
      name: "dummy", schema: metadata.schema, actions: metadata.actions,
      tasks: [SimulatedTask(name: "any", group: "any", horizon: 20)])
  }

  func reset(_ episode: EpisodeSpec) -> Observation {
    last = []
    return seen
  }

  func step(_ action: [Float]) -> Transition {
    last = action
    return Transition(observation: seen, success: false)
  }

  /// Here a robot reads its cameras and joints.
  private var seen: Observation {
    var observation = Observation(instruction: "open the left drawer")
    for (key, size) in spec.schema.images { observation.images[key] = Image(width: size.width, height: size.height) }
    for (key, width) in spec.schema.vectors {
      observation.vectors[key] = (0..<width).map { $0 < last.count ? last[$0] : 0 }
    }
    return observation
  }
}

let client = try PolicyClient(CommandLine.arguments[1])
// On a robot, which moves on while an answer is computed: client.skipsPassedSteps = true
let robot = Dummy(client.metadata)
print(
  "\(client.metadata.policy): \(client.metadata.chunk) actions an answer, \(client.metadata.nActionSteps) carried out")
let result = Rollout(horizon: 20, pool: .evaluation).run(
  Trial(task: "any", policy: client.metadata.policy, episode: 0, seed: 0), in: robot, begin: { client })
if let error = result.error { print("failed: \(error)") }
print(
  "\(result.steps) steps, \(result.latencies?.count ?? 0) requests, the actions' digest is \(result.trace ?? "none")")
client.close()
