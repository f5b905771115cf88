import Demonstrations
import Files
import Foundation
import Imitation
import Tensors
import Testing
import Training

/// What a reader holds and what a recipe asks for are one thing, or training is refused.
@Suite struct ReaderTests {
  private func episodes(_ count: Int = 10, vectors: [String] = ["x"]) throws -> MemoryEpisodes {
    var episodes = MemoryEpisodes(
      schema: ObservationSchema(images: [:], vectors: Dictionary(uniqueKeysWithValues: vectors.map { ($0, 1) })),
      actionWidth: 2)
    for number in 0..<count {
      let seen = Observation(vectors: Dictionary(uniqueKeysWithValues: vectors.map { ($0, [Float(number)]) }))
      try episodes.append(task: "T", [seen, seen], actions: [[0, 1], [1, 0]])
    }
    return episodes
  }

  private func recipe(_ more: String = "", tasks: String = "T", validation: String = "0.2") throws -> Recipe {
    try Recipe(
      text: """
        name: plain
        data: {registry: none, split: all, tasks: [\(tasks)], validation: \(validation)}
        observations: {vectors: [x]}
        encoder: {kind: plain}
        policy: {kind: plain}
        training: {steps: 2, batch: 3}
        evaluation: {simulator: {kind: none}}
        \(more)
        """, path: "plain.yaml")
  }

  private func complaint(_ recipe: Recipe, _ reader: any EpisodeReader) -> String {
    do {
      _ = try TrainingData(recipe, reader)
      return ""
    } catch { return "\(error)" }
  }

  @Test func whatARecipeDoesNotAskForIsRefused() throws {
    #expect(complaint(try recipe(), try episodes()) == "")
    // A state that no robot has would be learned from.
    #expect(complaint(try recipe(), try episodes(vectors: ["x", "secret"])).contains("the episodes hold secret, x"))
    #expect(complaint(try recipe(tasks: "U"), try episodes()).contains("'data.tasks': there are episodes of T too"))
    for actions in ["{active_dimensions: [0], constants: [0]}", "{active_dimensions: [1, 0]}"] {
      let found = complaint(try recipe("actions: \(actions)"), try episodes())
      #expect(found.contains("the episodes' actions are not chosen"), "\(actions): \(found)")
    }
  }

  /// Episodes that the reader holds out are never trained on, whatever fraction the recipe has.
  @Test func whatAReaderHoldsOutIsHeldOut() throws {
    var episodes = try episodes()
    episodes.heldOut = [3, 7]
    let data = try TrainingData(recipe(), episodes)
    #expect(data.heldOut == [3, 7] && Set(data.training) == Set(0..<10).subtracting([3, 7]))
    // Without that the fraction counts.
    episodes.heldOut = []
    #expect(try TrainingData(recipe(), episodes).heldOut.count == 2)
  }

  /// A share never holds out all of a task.
  @Test func somethingIsLeftToLearnFrom() throws {
    for share in ["0.75", "0.8"] {
      let data = try TrainingData(recipe(validation: share), try episodes(2))
      #expect(data.training.count == 1 && data.heldOut.count == 1, "\(share)")
    }
  }

  /// Told, not silent: demonstrations that give no window, and numbers that 32-bit floats round away.
  @Test func whatIsNotLearnedIsTold() throws {
    var episodes = MemoryEpisodes(schema: ObservationSchema(images: [:], vectors: ["x": 2]), actionWidth: 2)
    for (number, length) in [3, 9, 12].enumerated() {
      // 4.5e6 plus centimeters: floats keep half meters there.
      let seen = (0..<length).map { Observation(vectors: ["x": [Float(number), 4_500_000 + 0.5 * Float($0 % 2)]]) }
      try episodes.append(task: "T", seen, actions: Array(repeating: [0, 1], count: length))
    }
    let window = Window(observations: 0...0, actions: 0...9)
    let padded = try TrainingData(recipe(validation: "0"), episodes)
    #expect(padded.shortNote(window) == nil)
    #expect(try padded.precisionNote()?.contains("'x': value 1 is around 4.5e+06") == true)
    let text = try recipe(validation: "0").text.replacingOccurrences(
      of: "validation: 0}", with: "validation: 0, padding: {end: false}}")
    let whole = try TrainingData(Recipe(text: text, path: "plain.yaml"), episodes)
    #expect(whole.shortNote(window)?.hasPrefix("2 of 3 demonstrations are too short") == true)
    #expect(try TrainingData(recipe(), self.episodes()).precisionNote() == nil)
  }

  /// Keys of version 0.1 within what tells stages and world models apart: another order of keys is no other recipe.
  @Test func oldStagesAreKnown() throws {
    let old = #"{"points":512,"steady_weight":1e-05,"tokens":32}"#
    let new = #"{"consistency_weight":1e-05,"points":512,"tokens":32}"#
    #expect(RenamedKeys.current(json: old) == (try Setting(json: new)).json)
    #expect(RenamedKeys.current(json: "seed 1") == "seed 1")
    let path = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try FileManager.default.createDirectory(atPath: path + "/checkpoints", withIntermediateDirectories: true)
    let folder = RunFolder(path)
    try TensorArchive(
      format: Stage.format, metadata: ["step": "2", "identity": "seed 1\n\(old)\n{\"steps\":2}"],
      groups: ["weights": ["a": .ones([1])]]
    ).write(to: folder.checkpoint(step: 2))
    #expect(try Stage(folder, identity: "seed 1\n\(RenamedKeys.current(json: old))\n{\"steps\":2}").step() == 2)
    #expect(throws: CheckpointError.otherRecipe(path: path)) {
      try Stage(folder, identity: "seed 1\n{\"points\":512}\n{\"steps\":2}").step()
    }
  }
}
