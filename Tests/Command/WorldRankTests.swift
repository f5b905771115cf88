import Demonstrations
import Foundation
import GaussianWorld
import Imitation
import ImitationKit
import Tensors
import Testing
import Training

/// World models that several processes train together.
@Suite(.serialized) struct WorldRankTests {
  /// Ranks on processors learn from parts of each batch. The lift, which draws no noise, has the losses of one process; a rank that is
  /// killed ends the other one, and the same command goes on to the bits of a run that was never disturbed.
  @Test func ranksTrainIt() throws {
    let runner = try WorldTests.project()
    defer { runner.remove() }
    try runner.write(WorldTests.recipe.replacing("batch: 2", with: "batch: 6"), to: "world.yaml")
    func losses(_ run: String, _ stage: String) throws -> [Double] {
      let text = String(decoding: runner.bytes("\(run)/\(stage)/metrics.jsonl") ?? Data(), as: UTF8.self)
      return text.matches(of: /"loss":([-0-9.e]+)/).compactMap { Double($0.output.1) }
    }
    func start(_ run: String, of count: Int = 2) throws -> [Process] {
      try (0..<count).map { rank in
        let place = [
          "RANK": "\(rank)", "WORLD_SIZE": "\(count)", "LOCAL_RANK": "\(rank)", "LOCAL_WORLD_SIZE": "\(count)",
        ]
        return try runner.start(
          ["world", "train", "world.yaml", "--run", run], log: "\(run)-\(rank)", environment: place)
      }
    }
    func said(_ run: String, _ rank: Int) throws -> String {
      try String(contentsOfFile: runner.folder + "/\(run)-\(rank).err", encoding: .utf8)
    }
    let alone = try runner.run("world", "train", "world.yaml", "--run", "alone")
    #expect(alone.status == 0, "\(alone.errors)")
    for run in ["one", "two"] {
      for (rank, process) in try start(run).enumerated() {
        process.waitUntilExit()
        let words = try said(run, rank)
        #expect(process.terminationStatus == 0, "\(words)")
      }
      #expect(try said(run, 1) == "", "one reports")
    }
    let expected = try #require(runner.bytes("one/world.safetensors"))
    #expect(runner.bytes("two/world.safetensors") == expected)
    let (mine, parts) = (try losses("alone", "lift"), try losses("one", "lift"))
    #expect(mine.count == 3 && parts.count == 3)
    // AdamW's first steps take the sign of gradients that are rounding alone.
    for (step, (a, b)) in zip(mine, parts).enumerated() {
      #expect(abs(a - b) < (step == 0 ? 1e-4 : 1e-2) * abs(a), "\(a) \(b)")
    }
    for stage in ["codec", "dynamics"] {
      // Noise is each rank's own.
      let (a, b) = (try #require(losses("alone", stage).first), try #require(losses("one", stage).first))
      #expect(a != b && abs(a - b) < 0.5 * abs(a), "\(stage): \(a) \(b)")
    }

    // In every stage.
    for stage in ["lift", "codec", "dynamics"] {
      let processes = try start("killed")
      let checkpoints = "\(runner.folder)/killed/\(stage)/checkpoints"
      while processes[1].isRunning, (try? FileManager.default.contentsOfDirectory(atPath: checkpoints))?.isEmpty ?? true
      {
        usleep(5000)
      }
      kill(processes[1].processIdentifier, SIGKILL)
      processes.forEach { $0.waitUntilExit() }
      let line = try said("killed", 0)
      #expect(processes[0].terminationStatus == 0 || line.contains("imitate: rank 1 has ended"), "\(line)")
    }
    for process in try start("killed") {
      process.waitUntilExit()
      #expect(process.terminationStatus == 0)
    }
    #expect(runner.bytes("killed/world.safetensors") == expected)

    // Every rank needs a pair of frames, and nothing of a run goes before that is clear.
    let file = "one/world.safetensors"
    let place = ["RANK": "0", "WORLD_SIZE": "4", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "4"]
    let few = try runner.run(["world", "train", "world.yaml", "--run", "one", "--restart"], environment: place)
    #expect(few.status == 1 && few.complaint.contains("a batch has 6 rows, and each of 4 ranks needs at least 2"))
    #expect(runner.bytes(file) == expected)
  }

  /// The parts of two ranks are the batch of one process, and no noise comes twice.
  @Test func ranksShareBatches() throws {
    var random = Random(seed: 1)
    var episodes = MemoryEpisodes(
      schema: ObservationSchema(images: ["left_image": .init(height: 16, width: 16)], vectors: [:]), actionWidth: 2)
    for _ in 0..<3 {
      let seen = (0..<8).map { _ in
        Observation(images: [
          "left_image": Image(width: 16, height: 16, pixels: (0..<768).map { _ in UInt8(random.below(256)) })
        ])
      }
      try episodes.append(task: "A", seen, actions: seen.map { _ in [Float(random.uniform()), 0] })
    }
    let data = try WorldFrames(
      episodes, WorldInputs(cameras: ["left"], fieldsOfView: [50]), training: [0, 1, 2], heldOut: [])
    let options = try GaussianWorldModel.Options(
      Setting(
        json: """
          {"cameras": ["left"], "field_of_view": 50, "lift": {"kind": "splatter", "channels": 8},
           "codec": {"kind": "vae", "points": 64, "tokens": 8, "latent": 6, "width": 16, "heads": 4, "decoder_layers": 1, "per_token": 4},
           "dynamics": {"width": 16, "layers": 1, "heads": 2, "horizon": 2}}
          """))
    let model = try GaussianWorldModel(
      options: options, blueprint: data.blueprint, parts: Catalog.standard, random: &random)
    func batch(_ stage: String, _ rank: Int?) throws -> [String: Any] {
      data.rows = { batch in
        rank.map { RankPlace(rank: $0, count: 2, local: $0, isOneMachine: true).rows(of: batch) } ?? 0..<batch
      }
      func made<O: Objective>(_ objective: O) throws -> [String: Any] {
        let found = Mirror(reflecting: try objective.batch(3, random: Random(seed: 4)))
        return Dictionary(uniqueKeysWithValues: found.children.map { ($0.label!, $0.value) })
      }
      let kept = Precomputation(keeps: { _, _, _ in true }, progress: { _, _, _ in })
      let objective = try #require(try model.objective(of: stage, data, batch: 6, seed: 1, kept))
      return try made(objective)
    }
    func values<Value>(_ stage: String, _ name: String, _: Value.Type) throws -> (whole: Value, parts: [Value]) {
      let found = try [nil, 0, 1].map { try #require(batch(stage, $0)[name] as? Value) }
      return (found[0], Array(found[1...]))
    }
    let images = try values("lift", "images", [Tensor].self)
    #expect(images.whole[0].scalars == images.parts.flatMap { $0[0].scalars } && images.whole[0].shape[0] == 6)
    // Three pairs: of one rank one, of the other two.
    let frames = try values("codec", "frames", [EpisodeStep].self)
    #expect(frames.whole.count == 6 && frames.parts.map(\.count) == [2, 4])
    #expect(Array(frames.whole.prefix(3)) == frames.parts.flatMap { $0.prefix($0.count / 2) })
    let clips = try values("dynamics", "chosen", [Int].self)
    #expect(clips.whole == clips.parts.flatMap(\.self) && clips.parts.map(\.count) == [3, 3])
    for stage in ["codec", "dynamics"] {
      let streams = try values(stage, "random", Random.self)
      #expect(streams.parts[0] != streams.parts[1])
    }
  }
}
