import Demonstrations
import Imitation
import Testing

/// An environment that can do what every environment can and no more.
private final class Bare: Environment {
  let spec = EnvironmentSpec(
    name: "bare", schema: ObservationSchema(images: [:], vectors: [:]), actions: .unknown(width: 2), tasks: [])
  func reset(_ episode: EpisodeSpec) -> Observation { Observation() }
  func step(_ action: [Float]) -> Transition { Transition(observation: Observation(), success: true) }
}

@Suite struct CapabilityTests {
  @Test func whatAnEnvironmentCannotDoIsSaidByName() {
    let bare = Bare()
    #expect(throws: GenerationError.notRecordable("bare")) { try bare.recording() }
    #expect(throws: GenerationError.notRestorable("bare")) { try bare.restoring() }
    #expect(throws: GenerationError.notGenerative("bare")) { try bare.generative() }
    #expect("\(GenerationError.notRecordable("bare"))".contains("the simulator 'bare'"))
  }

  @Test func whatIsLeftOutIsTheUsual() {
    let bare = Bare()
    #expect(bare.spec.recorded == DemonstrationSchema(actions: ["actions": bare.spec.actions]))
    let last = bare.step([0, 0])
    #expect(last.reward == 1 && last.isLast && !last.terminated && !last.truncated)
    #expect(Transition(observation: Observation(), success: false).reward == 0)
    #expect(!Transition(observation: Observation(), success: false).isLast)
    #expect(Transition(observation: Observation(), success: false, truncated: true).isLast)
  }
}
