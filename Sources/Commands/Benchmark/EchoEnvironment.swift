import ImitationKit

/// Three images of 128x128 and a few numbers at once, whatever the action: what the link alone costs.
final class EchoEnvironment: Environment {
  let spec = EnvironmentSpec(
    name: "echo",
    schema: ObservationSchema(
      images: Dictionary(uniqueKeysWithValues: (0..<3).map { ("camera\($0)_image", .init(height: 128, width: 128)) }),
      vectors: ["arm": 7]),
    actions: ActionSchema(dimensions: (0..<7).map { .init(name: "joint\($0)", unit: "rad", low: -1, high: 1) }),
    tasks: [SimulatedTask(name: "echo", group: "echo", horizon: 1000)])
  private var observation = Observation()

  func reset(_ episode: EpisodeSpec) -> Observation {
    var random = Random(seed: episode.seed)
    observation.vectors["arm"] = [Float](repeating: 0, count: 7)
    for (key, size) in spec.schema.images {
      let pixels = (0..<size.height * size.width * 3).map { _ in UInt8(random.below(256)) }
      observation.images[key] = Image(width: size.width, height: size.height, pixels: pixels)
    }
    return observation
  }

  func step(_ action: [Float]) -> Transition {
    observation.vectors["arm"] = action
    return Transition(observation: observation, success: false)
  }
}
