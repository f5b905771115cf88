import Demonstrations
import Evaluation
import Files
import Foundation
import ImageMetrics
import Imitation
import Layers
import Testing

/// World models from the command line: stages, resuming, measuring, showing, and policies on their features.
@Suite(.serialized) struct WorldTests {
  static let recipe = """
    name: small-world
    data:
      registry: small
      split: some-4
      tasks: [OpenDrawer]
      validation: 0.25
    world:
      cameras: [robot0_agentview_left]
      lift: {kind: splatter, channels: 8}
      codec: {kind: vae, points: 64, tokens: 8, latent: 12, width: 16, heads: 4, decoder_layers: 1, per_token: 4}
      dynamics: {width: 16, layers: 1, heads: 2, horizon: 2, steps: 2}
    training:
      lift: {steps: 6, batch: 2, learning_rate: 1.0e-3, checkpoint_every: 2, log_every: 2, validate_every: 4}
      codec: {steps: 6, batch: 2, learning_rate: 1.0e-3, checkpoint_every: 2, log_every: 2, validate_every: 4}
      dynamics: {steps: 6, batch: 2, learning_rate: 1.0e-3, checkpoint_every: 2, log_every: 2, validate_every: 4, average_power: 0.75}

    """

  static func project() throws -> CommandRunner {
    let runner = try CommandRunner()
    try runner.writeSmallProject(size: 24)
    try runner.write(WorldTests.recipe, to: "world.yaml")
    return runner
  }

  /// A model of fewer steps does not stay as if it were the one that was asked for.
  @Test func whatIsStoppedWhileItGoesOnIsNoFinishedModel() throws {
    let runner = try WorldTests.project()
    defer { runner.remove() }
    let arguments = ["world", "train", "world.yaml", "--run", "run"]
    #expect(try runner.run(arguments).status == 0)
    let before = try #require(runner.bytes("run/world.safetensors"))
    let more = arguments + ["--set", "training.dynamics.steps=100000"]
    let process = try runner.start(more, log: "more")
    while process.isRunning, runner.bytes("run/dynamics/checkpoints/step-0000008.safetensors") == nil { usleep(5000) }
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    let measured = try runner.run("world", "evaluate", "run", "--steps", "3")
    #expect(measured.status == 1 && measured.complaint.contains("no finished world model yet"), "\(measured.errors)")
    #expect(runner.bytes("run/world.previous.safetensors") == before, "nothing is lost")
    let end = try runner.run(arguments + ["--set", "training.dynamics.steps=8"])
    let after = runner.bytes("run/world.safetensors")
    #expect(end.status == 0 && after != nil && after != before, "\(end.errors)")
    #expect(runner.bytes("run/world.previous.safetensors") == nil)
  }

  /// Episodes of two filter keys have the same numbers and are others.
  @Test func worldsOfOtherFilterKeysAreNotCompared() throws {
    let runner = try WorldTests.project()
    defer { runner.remove() }
    let path = runner.folder + "/Datasets/small/files/OpenDrawer.hdf5"
    let old = try HDF5File(forReading: path)
    try HDF5File.atomically(path) { file in
      try file.copy("data", from: old, as: "data")
      try file.createGroup("mask")
      try file.write(["demo_0", "demo_1"], to: "mask/better")
      try file.write(["demo_2", "demo_3"], to: "mask/worse")
    }
    for key in ["better", "worse"] {
      let trained = try runner.run(
        "world", "train", "world.yaml", "--run", key, "--set", "data.split=some-\(key)", "--set",
        "data.validation=0.5")
      #expect(trained.status == 0, "\(trained.errors)")
    }
    let against = try runner.run("world", "evaluate", "better", "--against", "worse", "--steps", "3", "--clips", "2")
    #expect(against.status == 1 && against.complaint.contains("worse: its demonstrations"), "\(against.errors)")
    // Two runs of one recipe are told apart.
    let copied = runner.folder + "/copy"
    try FileManager.default.copyItem(atPath: runner.folder + "/better", toPath: copied)
    let rows = try found(
      runner.run(
        "world", "evaluate", "better", "--against", "copy", "--steps", "3", "--clips", "2", "--format", "json")
    ).rows
    let names = rows.compactMap { $0["name"] as? String }
    #expect(Set(names).count == names.count && names.contains("copy: predicted"), "\(names)")
  }

  /// What `world evaluate` found, as JSON, and its rows.
  private func found(_ result: CommandRunner.Result) throws -> (all: [String: Any], rows: [[String: Any]]) {
    #expect(result.status == 0, "\(result.errors)")
    let all = try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    return (all, try #require(all["worlds"] as? [[String: Any]]))
  }

  @Test func trainsInStagesAndEndsInTheSameBits() throws {
    let (whole, killed) = (try WorldTests.project(), try WorldTests.project())
    defer {
      whole.remove()
      killed.remove()
    }
    let arguments = ["world", "train", "world.yaml", "--run", "run"]
    let result = try whole.run(arguments)
    #expect(result.status == 0, "\(result.errors)")
    for attempt in 0..<8 {
      let process = try killed.start(arguments, log: "kill-\(attempt)")
      Thread.sleep(forTimeInterval: 0.05 + 0.04 * Double(attempt))
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    #expect(try killed.run(arguments).status == 0)
    let expected = try #require(whole.bytes("run/world.safetensors"))
    #expect(killed.bytes("run/world.safetensors") == expected)
    // Another run with other dynamics takes the first two stages over and trains the third alone.
    let other = try whole.run(
      "world", "train", "world.yaml", "--run", "other", "--from", "run", "--set", "world.dynamics.layers=2")
    #expect(other.status == 0)
    #expect(other.errors.contains("lift: taken over from run") && other.errors.contains("codec: taken over from run"))
    #expect(!other.errors.contains("dynamics: taken over"))
    // The same folder with another recipe is refused.
    let kept = whole.bytes("run/recipe.yaml")
    let clash = try whole.run("world", "train", "world.yaml", "--run", "run", "--set", "world.dynamics.layers=2")
    #expect(clash.status == 1 && clash.complaint.contains("belongs to another recipe"))
    #expect(whole.bytes("run/recipe.yaml") == kept && kept != nil, "a refused recipe must not take the run's place")
    // What is trained is not computed again.
    let again = try whole.run(arguments)
    #expect(
      again.status == 0 && again.errors.contains("run: trained") && !again.errors.contains("compute lifted frames"))
    // The other kind of recipe, and a lift that learns without settings for it.
    let mistaken = try whole.run("train", "world.yaml")
    #expect(mistaken.status == 1 && mistaken.complaint.contains("imitate world train world.yaml"))
    try whole.write(
      WorldTests.recipe.split(separator: "\n").filter { !$0.hasPrefix("  lift: {steps") }.joined(separator: "\n"),
      to: "short.yaml")
    let untold = try whole.run("world", "train", "short.yaml", "--run", "short")
    #expect(untold.status == 1 && untold.complaint.contains("'training.lift' is missing"))
    let dry = try whole.run("world", "train", "short.yaml", "--run", "short", "--dry-run")
    #expect(dry.status == 1 && dry.complaint == untold.complaint)
    let nowhere = try whole.run(
      "world", "train", "world.yaml", "--run", "alone", "--from", "nowhere", "--set", "training.lift.steps=1")
    #expect(nowhere.status == 0 && nowhere.errors.contains("lift: not taken over: nowhere has none"))
  }

  /// The shipped world recipes are read whole before their registry is looked for.
  @Test func shippedRecipesAreUnderstood() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    let folder = CommandRunner.root + "/Recipes"
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.contains("-world") }
    #expect(names.count >= 3)
    for name in names {
      let result = try runner.run("world", "train", "\(folder)/\(name)", "--dry-run", "--set", "data.registry=none")
      #expect(result.status == 1 && result.complaint.contains("no such registry"), "\(name): \(result.complaint)")
    }
  }

  @Test func measuresAndShows() throws {
    let runner = try WorldTests.project()
    defer { runner.remove() }
    #expect(try runner.run("world", "train", "world.yaml", "--run", "run").status == 0)
    let early = try runner.run("world", "evaluate", "nowhere")
    #expect(early.status == 1 && early.complaint.contains("`imitate world train RECIPE --run nowhere` makes one"))
    let (object, rows) = try found(
      runner.run("world", "evaluate", "run", "--steps", "4", "--clips", "3", "--format", "json"))
    #expect(
      rows.compactMap { $0["name"] as? String } == [
        "small-world: predicted", "small-world: last state drawn", "small-world: true states drawn",
        "small-world: lift drawn", "last frame copied",
      ])
    #expect((rows[0]["psnr_by_step"] as? [Double])?.count == 4)
    #expect(rows.allSatisfy { ($0["psnr"] as? Double ?? 0) > 1 })
    #expect((object["not_computed"] as? [String])?.count == 2)
    let table = try runner.run("world", "evaluate", "run", "--steps", "4", "--clips", "3")
    #expect(table.output.contains("not computed: LPIPS"))

    let shown = try runner.run("world", "imagine", "run", "--steps", "5")
    #expect(shown.status == 0, "\(shown.errors)")
    let page = try #require(shown.output.split(separator: "\n").last.map(String.init))
    let text = String(decoding: try #require(runner.bytes(page)), as: UTF8.self)
    #expect(
      text.contains("It expects rewards of") && text.contains("5 steps imagined") && text.contains("was held out")
        && text.contains("recorded camera"))
    // The last reward, of an action whose outcome is not in the file, counts for the one before.
    let end = try runner.run("world", "imagine", "run")
    let whole = String(decoding: try #require(runner.bytes(page)), as: UTF8.self)
    #expect(end.status == 0 && whole.contains("in all; 1.00 came") && text.contains("in all; 0.00 came"))
    #expect(try runner.run("world", "imagine", "run", "--demo", "demo_77").status == 1)
    for wrong in [["imagine", "run", "--steps", "0"], ["evaluate", "run", "--steps", "0"]] {
      #expect(try runner.run(["world"] + wrong).status == 64)
    }
    // Only what was held out of the same demonstrations is compared.
    let other = ["world", "train", "world.yaml", "--run", "other", "--set", "data.validation=0.5"]
    #expect(try runner.run(other).status == 0)
    let against = try runner.run("world", "evaluate", "run", "--against", "other", "--steps", "3", "--clips", "2")
    #expect(against.status == 1 && against.complaint.contains("other: its demonstrations, those that are held out"))
    // Other files in the place of those it learned from.
    try runner.writeSmallProject(size: 32)
    for verb in ["evaluate", "imagine"] {
      let changed = try runner.run("world", verb, "run", "--steps", "3")
      #expect(changed.status == 1 && changed.complaint.contains("not those that it was trained on"), "\(changed)")
    }
  }

  @Test(arguments: ["pixels", "gaussians"]) func worksWithoutLatents(_ codec: String) throws {
    let runner = try WorldTests.project()
    defer { runner.remove() }
    let trained = try runner.run(
      "world", "train", "world.yaml", "--run", "run", "--set", "world.codec={kind: \(codec)}")
    #expect(trained.status == 0, "\(trained.errors)")
    #expect(try runner.run("world", "evaluate", "run", "--steps", "3", "--clips", "2").status == 0)
    #expect(try runner.run("world", "imagine", "run", "--steps", "3").status == 0)
  }

  /// The whole of the base's frame: two cameras, fixed anchors, a box from where the gripper went, what does not change drawn as
  /// it was seen; and a policy that attends to its tokens, moved at random while it learns.
  @Test func standsInTheBasesFrame() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try runner.writeSmallProject(size: 32, geometry: true, hand: true)
    try runner.write(WorldTests.recipe, to: "world.yaml")
    let changes = [
      "cameras=[robot0_agentview_left, robot0_eye_in_hand]", "geometry=true", "frame=base",
      "gripper=robot0_base_to_eef_pos", "focus=5", "residual=true", "codec.points=128", "codec.anchors=fixed",
      "codec.outside=2", "dynamics.token_embedding=true", "dynamics.target=next",
    ].flatMap { ["--set", "world." + $0] }
    let trained = try runner.run(["world", "train", "world.yaml", "--run", "world"] + changes)
    #expect(trained.status == 0, "\(trained.errors)")
    let (_, rows) = try found(
      runner.run("world", "evaluate", "world", "--steps", "3", "--clips", "2", "--format", "json"))
    #expect(rows.contains { $0["name"] as? String == "small-world: lift drawn from robot0_eye_in_hand" })
    #expect(try runner.run("world", "imagine", "world", "--steps", "3").status == 0)
    let keys = "robot0_agentview_left_calibration, robot0_eye_in_hand_calibration"
    let policy = [
      "encoder={kind: gaussian-world, world: world, latents: true, block: 0, gripper: robot0_base_to_eef_pos}",
      "observations.images=[robot0_agentview_left_image, robot0_eye_in_hand_image]",
      "observations.vectors=[robot0_base_to_eef_pos, \(keys)]", "policy.observe=tokens",
    ].flatMap { ["--set", $0] }
    let result = try runner.run(["train", "recipe.yaml", "--run", "run"] + policy)
    #expect(result.status == 0, "\(result.errors)")
    #expect(try runner.run("export", "run").status == 0)
    #expect(try runner.run("verify", "run/policy").status == 0)
    let blind = try runner.run(
      ["train", "recipe.yaml", "--run", "blind"] + policy + ["--set", "observations.vectors=[robot0_base_to_eef_pos]"])
    #expect(blind.status == 1 && blind.complaint.contains("needs 'robot0_agentview_left_calibration'"))
  }

  /// Recipes of version 0.1.
  @Test func oldKeysAreRead() throws {
    let runner = try WorldTests.project()
    defer { runner.remove() }
    let old = WorldTests.recipe.replacing("codec: {kind: vae, points", with: "vae: {points")
      .replacing("codec: {steps", with: "vae: {steps")
    #expect(old != WorldTests.recipe)
    for (name, recipe) in [("old", old), ("new", WorldTests.recipe)] {
      try runner.write(recipe, to: "\(name).yaml")
      let result = try runner.run("world", "train", "\(name).yaml", "--run", name)
      #expect(result.status == 0, "\(result.errors)")
      #expect(result.errors.contains("'world.state', 'vae' and 'patch' are 'world.codec' now") == (name == "old"))
    }
    let worlds = ["old", "new"].map { runner.bytes("\($0)/world.safetensors") }
    #expect(worlds[0] != nil && worlds[0]!.count == worlds[1]!.count)
    // What is measured is the file's model on the demonstrations that were held out of it, whatever the recipe says of the model;
    // so runs of version 0.1 can be measured, too.
    try runner.write(
      WorldTests.recipe.replacing("layers: 1, heads: 2", with: "layers: 2, heads: 2"), to: "new/recipe.yaml")
    #expect(try runner.run("world", "evaluate", "new", "--steps", "3", "--clips", "2").status == 0)
    try runner.write("seed: 5\n" + WorldTests.recipe, to: "new/recipe.yaml")
    let divided = try runner.run("world", "evaluate", "new")
    #expect(divided.status == 1 && divided.complaint.contains("or how they are divided"), "\(divided.complaint)")
    // The run of one kind is not replaced by one of the other, and the commands of policies say what it is.
    let over = try runner.run("train", "recipe.yaml", "--run", "new", "--restart")
    #expect(
      over.status == 1 && over.complaint.contains("new: a world model's run, not a policy's"), "\(over.complaint)")
    #expect(
      runner.bytes("new/world.safetensors") != nil
        && runner.bytes("new/dynamics/checkpoints/step-0000006.safetensors") != nil)
    let reported = try runner.run("evaluate", "new")
    #expect(reported.complaint.contains("part of a world model's recipe"), "\(reported.complaint)")
    let other = try runner.run("world", "train", "new.yaml", "--run", "new", "--set", "seed=9")
    #expect(
      other.status == 1 && other.complaint.contains("their choice or the seed are not those"), "\(other.complaint)")
    var weights = try Safetensors.read(runner.folder + "/old/world.safetensors")
    weights.tensors["dynamics.nullAction"] = .filled(weights.tensors["dynamics.nullAction"]!.shape, with: .nan)
    try Safetensors.write(weights.tensors, metadata: weights.metadata, to: runner.folder + "/nan.safetensors")
    let damaged = try runner.run(
      "train", "recipe.yaml", "--set", "encoder={kind: gaussian-world, world: nan.safetensors}")
    #expect(
      damaged.complaint.contains("'dynamics.nullAction' holds values that are not numbers"), "\(damaged.complaint)")
    let number = try runner.run("world", "train", "new.yaml", "--run", "x", "--set", "world.state=3")
    #expect(number.status == 1 && number.complaint.contains("unknown key 'world.state'"), "\(number.complaint)")
    let wrong = try runner.run("world", "train", "new.yaml", "--run", "x", "--set", "training.head={steps: 1}")
    #expect(wrong.status == 1 && wrong.complaint.contains("unknown key 'training.head'"), "\(wrong.complaint)")
    #expect(!wrong.errors.contains("open demonstrations"))
    let unknown = try runner.run("world", "train", "new.yaml", "--run", "x", "--set", "world.codec={kind: voxels}")
    #expect(unknown.status == 1 && unknown.complaint.contains("unknown kind 'voxels'; known: gaussians, pixels, vae"))
  }

  /// A gripper's position must be known from the base: boxes, weights and what policies learn follow from it.
  @Test func theGripperIsSeenFromTheBase() throws {
    var episodes = MemoryEpisodes(
      schema: ObservationSchema(
        images: ["a_image": .init(height: 16, width: 16)], vectors: ["a_calibration": 16, "eef": 3, "q": 4]),
      actionWidth: 2)
    func frames(_ gripper: String) throws -> WorldFrames {
      try WorldFrames(
        episodes,
        WorldInputs(cameras: ["a"], fieldsOfView: [45], calibrations: true, frame: .base, gripper: gripper),
        training: [], heldOut: [])
    }
    #expect(try frames("eef").blueprint.gripper == "eef")
    episodes.recorded.vectors["eef"] = VectorSchema(unit: "m", frame: "robot base")
    #expect(try frames("eef").blueprint.gripper == "eef")
    episodes.recorded.vectors["eef"] = VectorSchema(unit: "m", frame: "world")
    #expect(throws: CameraError.noGripper("eef", reason: "is recorded in the frame of the world")) {
      try frames("eef")
    }
    // A calibration of larger images.
    let image = Image(width: 16, height: 16, red: 1, green: 2, blue: 3)
    var large = CameraCalibration(fieldOfView: 45, size: .init(height: 32, width: 32))
    func observation() -> Observation {
      Observation(
        images: ["a_image": image], vectors: ["a_calibration": large.numbers, "eef": [0, 0, 0], "q": [1, 0, 0, 0]])
    }
    episodes.recorded.vectors = [:]
    try episodes.append(task: "A", [observation()], actions: [[0, 0]])
    func calibrated() throws {
      _ = try WorldFrames(
        episodes, WorldInputs(cameras: ["a"], fieldsOfView: [45], calibrations: true, frame: .base), training: [0],
        heldOut: [])
    }
    #expect(throws: CameraError.self) { try calibrated() }
    large.center = SIMD2(9, 7)
    episodes = MemoryEpisodes(schema: episodes.schema, actionWidth: 2)
    try episodes.append(task: "A", [observation()], actions: [[0, 0]])
    try calibrated()
    #expect(throws: CameraError.noGripper("q", reason: "does not have the 3 numbers of a position")) {
      try frames("q")
    }
  }

  /// Two cameras of which nobody says where they stand, for the world and for a policy; and a metric whose network is there.
  @Test func seesWithTwoCameras() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try runner.writeSmallProject(size: 32, hand: true)
    try runner.write(WorldTests.recipe, to: "world.yaml")
    let cameras = "world.cameras=[robot0_agentview_left, robot0_eye_in_hand]"
    let trained = try runner.run(
      "world", "train", "world.yaml", "--run", "world", "--set", cameras, "--set", "world.codec.points=128")
    #expect(trained.status == 0, "\(trained.errors)")
    let shapes = LPIPS.Trunk.alexNet.shapes
    try Safetensors.write(
      shapes.mapValues { .filled($0, with: 1 / Float($0.reduce(1, *)).squareRoot()) },
      to: runner.folder + "/alex.safetensors")
    let arguments = ["world", "evaluate", "world", "--steps", "3", "--clips", "2", "--format", "json"]
    let (object, rows) = try found(runner.run(arguments + ["--lpips", "alex.safetensors"]))
    #expect(rows.count == 5 && rows.allSatisfy { ($0["lpips"] as? Double ?? -1) >= 0 })
    #expect((object["not_computed"] as? [String])?.count == 1)
    #expect(try runner.run(arguments + ["--i3d", "none.safetensors"]).complaint.contains("none.safetensors"))
    let policy = try runner.run(
      "train", "recipe.yaml", "--run", "run", "--set", "encoder={kind: gaussian-world, world: world}", "--set",
      "observations.images=[robot0_agentview_left_image, robot0_eye_in_hand_image]")
    #expect(policy.status == 0, "\(policy.errors)")
    let half = try runner.run(
      "train", "recipe.yaml", "--run", "half", "--set", "encoder={kind: gaussian-world, world: world}")
    #expect(half.status == 1 && half.complaint.contains("looks through 'robot0_eye_in_hand_image'"))
  }

  /// What has no room in memory is computed again and again, and the model is the same.
  @Test func trainsWithoutMemory() throws {
    let runner = try WorldTests.project()
    defer { runner.remove() }
    #expect(try runner.run("world", "train", "world.yaml", "--run", "kept").status == 0)
    let small = ["world", "train", "world.yaml", "--run", "not-kept", "--set", "data.memory_gigabytes=1e-6"]
    let result = try runner.run(small)
    #expect(result.status == 0, "\(result.errors)")
    #expect(
      result.errors.contains("note: lifted frames would take") && !result.errors.contains("compute lifted frames"))
    #expect(result.errors.contains("note: clips would take"))
    let worlds = try ["kept", "not-kept"].map {
      try Safetensors.read("\(runner.folder)/\($0)/world.safetensors").tensors
    }
    #expect(Set(worlds[0].keys) == Set(worlds[1].keys))
    for (name, tensor) in worlds[0] {
      #expect(zip(tensor.scalars, worlds[1][name]!.scalars).allSatisfy { abs($0 - $1) < 1e-3 }, "\(name)")
    }
  }

  /// From recorded depths: read from the file for the world model, and by the policy's encoder.
  @Test func liftsFromDepth() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try runner.writeSmallProject(size: 24, geometry: true)
    try runner.write(WorldTests.recipe, to: "world.yaml")
    let lift = "world.lift={kind: depth-lift}"
    let trained = try runner.run("world", "train", "world.yaml", "--run", "world", "--set", lift)
    #expect(trained.status == 0, "\(trained.errors)")
    let (_, rows) = try found(
      runner.run("world", "evaluate", "world", "--steps", "4", "--clips", "3", "--format", "json"))
    // Frames of one color, each drawn by Gaussians that stand where the depths say.
    let lifted = try #require(rows.first { ($0["name"] as? String)?.hasSuffix("lift drawn") == true })
    #expect(try #require(lifted["psnr"] as? Double) > 25)
    let keys = "robot0_agentview_left_depth, robot0_agentview_left_calibration"
    let policy = try runner.run(
      "train", "recipe.yaml", "--run", "run", "--set", "encoder={kind: gaussian-world, world: world}", "--set",
      "observations.vectors=[robot0_base_to_eef_pos, \(keys)]")
    #expect(policy.status == 0, "\(policy.errors)")
    let without = try runner.run(
      "train", "recipe.yaml", "--run", "other", "--set", "encoder={kind: gaussian-world, world: world}")
    #expect(without.status == 1 && without.complaint.contains("'gaussian-world' needs 'robot0_agentview_left_depth'"))
  }
}
