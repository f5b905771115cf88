import Demonstrations
import Evaluation
import Foundation
import Imitation
import ImitationKit
import Testing

/// `imitate probe`: where things are in the features of policies and world models, and what is asked for.
@Suite(.serialized) struct ProbeTests {
  /// Where a demonstration's robot stands.
  private static func base(_ demo: Int) -> Pose {
    Pose(position: SIMD3(Double(demo), -1, 0.5), rotation: Rotation(yaw: 0.3 * Double(demo)))
  }

  /// Demonstrations in which images show where an object is, in a frame that turns from one to the next.
  ///
  /// - Parameter info: whether files have `datagen_info`.
  private func project(info: Bool = true) throws -> CommandRunner {
    let runner = try CommandRunner()
    try runner.writeSmallProject(demos: 8, size: 24) { episode, demo in
      let rows = episode.length
      let x = (0..<rows).map { episode.vectors["robot0_base_to_eef_pos"]!.values[3 * $0] }
      let base = ProbeTests.base(demo)
      func world(_ position: SIMD3<Double>) -> Pose { Pose(position: position, rotation: .identity).placed(in: base) }
      func record(_ key: String, _ values: [[Double]]) {
        episode.vectors[key] = .init(width: values[0].count, values: values.flatMap { $0.map(Float.init) })
      }
      let objects = x.map { world(SIMD3(0.5 + 0.1 * Double($0), 0.2, 0.9)) }
      let sink = world(SIMD3(0.1 * Double(demo), 0, 1))
      let (p, r) = (base.position, base.rotation)
      record("object", objects.map { [$0.position.x, $0.position.y, $0.position.z, 1] })
      record("robot0_base_pos", x.map { _ in [p.x, p.y, p.z] })
      record("robot0_base_quat", x.map { _ in [r.vector.x, r.vector.y, r.vector.z, r.w] })
      // Closes in row 4 of 12; the object is lifted in row 6.
      record("robot0_gripper_qpos", (0..<rows).map { $0 < 4 ? [0.04, -0.04] : [0.01, -0.01] })
      guard info else { return }
      episode.targets = objects
      episode.generation = (0..<rows).map { row in
        GenerationInfo(
          gripper: .identity, frames: ["obj": objects[row], "sink": sink, "wall": world(SIMD3(1, 1, 1))],
          signals: ["lifted": (6..<10).contains(row), "placed": row > 10])
      }
    }
    return runner
  }

  private func targets(_ runner: CommandRunner, _ names: [String]? = nil) throws -> ProbeTargets {
    func open(_ keys: [String]) throws -> any EpisodeReader {
      try Demonstrations(
        EpisodeRequest(
          [.init(path: runner.folder + "/Datasets/small/files/OpenDrawer.hdf5", task: "OpenDrawer")], images: [],
          vectors: keys, memory: 0))
    }
    return try ProbeTargets(names, training: [0, 1, 2], of: open([]).episodes, open: open)
  }

  private func probe(_ runner: CommandRunner, _ arguments: String...) throws -> [ProbeResult] {
    let result = try runner.run(["probe"] + arguments + ["--format", "json"])
    #expect(result.status == 0, "\(result.errors)")
    return try JSONDecoder().decode([ProbeResult].self, from: Data(result.output.utf8))
  }

  @Test func positionsAreInTheFrameOfTheBase() throws {
    let runner = try project()
    defer { runner.remove() }
    let targets = try targets(runner)
    // `obj` is the object again, and the wall stands still before the base.
    #expect(
      targets.targets == [.init(name: "object", unit: "cm", width: 3), .init(name: "sink", unit: "cm", width: 3)])
    #expect(targets.gripper?.name == "robot0_base_to_eef_pos")
    #expect(targets.graspBy == "datagen_info/subtask_term_signals")
    #expect(targets.phases == ["before grasp", "after grasp", "near object"])
    for (demo, row) in [(0, 0), (3, 5), (5, 6), (7, 11)] {
      let step = EpisodeStep(episode: demo, step: row)
      let frame = targets.frame(step)
      let x = Double(targets.gripper(step)[0])
      let expected = [50 + 10 * x, 20, 90, 10 * Double(demo), 0, 100]
      #expect(zip(frame.values, expected).allSatisfy { abs($0 - $1) < 1e-3 }, "\(frame.values) for \(expected)")
      #expect(
        frame.demonstration == demo && frame.phases == [row < 6 ? 0 : 1], "a signal that falls again is no matter")
    }
    let named = try self.targets(runner, ["wall", "robot0_base_quat", "obj"])
    #expect(named.targets.map(\.name) == ["wall", "robot0_base_quat", "obj"])
    #expect(named.targets.map(\.unit) == ["cm", "", "cm"] && named.targets.map(\.width) == [3, 4, 3])
    let frame = named.frame(EpisodeStep(episode: 2, step: 0))
    #expect(zip(frame.values, [100, 100, 100, 0, 0, sin(0.3), cos(0.3)]).allSatisfy { abs($0 - $1) < 1e-3 })
  }

  /// The last centimeters before the grasp count apart, too: from 12 cm to where the gripper is there.
  @Test func framesNearTheObjectAreAPhaseOfTheirOwn() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    let distances: [Float] = [0.3, 0.13, 0.11, 0.05, 0.005, 0.02, 0.02, 0.02, 0.3, 0.3, 0.3, 0.3]
    try runner.writeSmallProject(demos: 8, size: 24) { episode, _ in
      let rows = distances.indices
      episode.vectors["object"] = .init(width: 3, values: rows.flatMap { [0.1 * Float($0), 0.2, 0.9] })
      episode.vectors["robot0_base_to_eef_pos"] = .init(
        width: 3, values: rows.flatMap { [0.1 * Float($0), 0.2 - distances[$0], 0.9] })
      episode.vectors["robot0_gripper_qpos"] = .init(
        width: 2, values: rows.flatMap { $0 < 6 ? [0.04, -0.04] : [0.01, -0.01] })
    }
    let targets = try targets(runner)
    let phases = distances.indices.map { targets.frame(EpisodeStep(episode: 1, step: $0)).phases }
    #expect(phases == [[0], [0], [0, 2], [0, 2], [0], [0, 2]] + Array(repeating: [1], count: 6))
    #expect(try runner.run("train", "recipe.yaml", "--run", "run", "--set", "training.steps=2").status == 0)
    let result = try #require(try probe(runner, "run").first)
    #expect(result.phases.map(\.name) == ["before grasp", "after grasp", "near object"])
    #expect(result.phases.map(\.training) == [36, 36, 18] && result.phases.map(\.heldOut) == [12, 12, 6])
    #expect(result.rows.allSatisfy { $0.cells.count == 3 })
  }

  @Test func withoutSignalsTheGripperTells() throws {
    let runner = try project(info: false)
    defer { runner.remove() }
    let targets = try targets(runner)
    #expect(targets.targets.map(\.name) == ["object"] && targets.graspBy == "the closing of robot0_gripper_qpos")
    #expect(
      (0..<12).map { targets.frame(EpisodeStep(episode: 1, step: $0)).phases } == [[0], [0], [0], [0]]
        + Array(repeating: [1], count: 8))
    // Halfway from the widest to the narrowest, after it was open; never when it hardly moves.
    #expect(ProbeTargets.closing([0.01, 0.01, 0.08, 0.08, 0.05, 0.03, 0.01, 0.08]) == 5)
    #expect(ProbeTargets.closing([0.01, 0.079, 0.03, 0.01, 0.085]) == 2, "it lets go wider open than it came")
    #expect(ProbeTargets.closing([0.08, 0.079, 0.08]) == 3 && ProbeTargets.closing([]) == 0)
    do {
      _ = try self.targets(runner, ["sink"])
      Issue.record("there is no sink")
    } catch let problem as ProbeTargets.Problem {
      #expect("\(problem)".contains("no 'sink' among") && "\(problem)".contains("may name: object, robot0_base_pos"))
    }
  }

  @Test func aPolicyIsProbedBeforeAndAfterTraining() throws {
    let runner = try project()
    defer { runner.remove() }
    #expect(try runner.run("train", "recipe.yaml", "--run", "run", "--set", "training.steps=4").status == 0)
    let results = try probe(runner, "run")
    let result = try #require(results.first)
    #expect(result.run == "run" && result.step == 4 && result.training == 6 && result.heldOut == 2)
    // The gripper is never near the object, and no phase of it is reported.
    #expect(result.phases.map(\.training) == [36, 36] && result.phases.map(\.heldOut) == [12, 12])
    #expect(
      result.rows.map(\.stage) == [
        "training mean", "gripper position", "image features, untrained", "image features, trained",
      ])
    // The low-dimensional observations that the encoder hands through are not among them.
    #expect(result.rows.map(\.width) == [0, 3, 64, 64] && result.rows.map(\.isBaseline) == [true, true, false, false])
    #expect(result.rows[2].cells != result.rows[3].cells, "training changes the encoder")
    // The object moves with the gripper, and images show it.
    let (object, before) = (result.targets[0], result.phases[0])
    let errors = try result.rows.map { try #require($0[object, before]).error }
    #expect(errors[0] > 3 && errors[1] < 0.5 && errors[3] < errors[0] / 2, "\(errors)")
    // Where the gripper itself is to be found, it does not stand beside the features: they have to say it.
    let itself = try #require(try probe(runner, "run", "--targets", "robot0_base_to_eef_pos").first)
    let own = try itself.rows.map { try #require($0[itself.targets[0], before]).error }
    #expect(own[1] < 0.01 * own[0] && own[3] > 0.03 * own[0], "\(own)")
    #expect(try probe(runner, "run").first == result)
    // Kept, charted, and part of the run's report.
    let kept = try JSONDecoder().decode(ProbeResult.self, from: #require(runner.bytes("run/probe.json")))
    #expect(kept == result)
    let page = String(decoding: try #require(runner.bytes("run/probe.html")), as: UTF8.self)
    #expect(page.components(separatedBy: "<svg class=\"probe\"").count == 3)
    let text = try runner.run("probe", "run", "run", "--targets", "object,robot0_gripper_qpos", "--output", "page.html")
    #expect(text.status == 0 && text.output.contains("object before grasp, cm") && runner.bytes("page.html") != nil)
    #expect(text.output.contains("robot0_gripper_qpos after grasp\n") && text.errors.contains("page.html"))
    // More training makes it another policy.
    #expect(try runner.run("train", "recipe.yaml", "--run", "run", "--set", "training.steps=6").status == 0)
    #expect(try probe(runner, "run", "--targets", "object").first?.step == 6)
    // Of other demonstrations it learned from some that would be held out now.
    try runner.writeSmallProject(demos: 8, size: 24) { _, _ in }
    let changed = try runner.run("probe", "run")
    #expect(
      changed.status == 1 && changed.complaint.contains("the demonstrations changed since it was trained"),
      "\(changed.errors)")
  }

  @Test func aWorldModelIsProbedStageByStage() throws {
    let runner = try project()
    defer { runner.remove() }
    try runner.write(WorldTests.recipe.replacingOccurrences(of: "some-4", with: "some-8"), to: "world.yaml")
    let early = try runner.run("probe", "world")
    #expect(early.status == 1 && early.complaint.contains("world: "))
    #expect(try runner.run("world", "train", "world.yaml", "--run", "world").status == 0)
    let world = try #require(try probe(runner, "world").first)
    #expect(world.rows.dropFirst(2).map(\.stage) == ["Gaussians", "latents", "block 0", "block 1"])
    #expect(world.rows.dropFirst(2).map(\.width) == [64 * 14, 8 * 12, 8 * 16, 8 * 16] && world.step == nil)
    let encoder = "encoder={kind: gaussian-world, world: world, features: 8, pools: 2}"
    let trained = try runner.run(
      "train", "recipe.yaml", "--run", "run", "--set", encoder, "--set", "training.steps=4", "--set",
      "evaluation.simulator={kind: kitchenette, image_size: 24}")
    #expect(trained.status == 0, "\(trained.errors)")
    let policy = try #require(try probe(runner, "run", "--targets", "object").first)
    #expect(
      policy.rows.dropFirst(2).map(\.stage) == [
        "frozen tokens", "pooled world feature, untrained", "pooled world feature, trained",
      ])
    // The frozen tokens are those of the world's last block.
    let (mine, theirs) = (policy.rows[2], world.rows[5])
    #expect(mine.width == theirs.width)
    for phase in policy.phases {
      let errors = [mine, theirs].compactMap { $0[policy.targets[0], phase]?.error }
      #expect(errors.count == 2 && abs(errors[0] - errors[1]) < 1e-3 * errors[1], "\(errors)")
    }
    // Without the world's file there is no telling what the encoder was before training.
    try FileManager.default.removeItem(atPath: runner.folder + "/world")
    let alone = try runner.run("probe", "run")
    #expect(alone.status == 0 && alone.errors.contains("untrained features are left out"))
    #expect(!alone.output.contains(", untrained") && alone.output.contains("pooled world feature, trained"))
  }

  /// Features that do not fit into memory together are computed in parts, with the same result.
  @Test func partsChangeNothing() throws {
    let runner = try project()
    defer { runner.remove() }
    #expect(
      try runner.run(
        "train", "recipe.yaml", "--run", "run", "--set", "training.steps=2", "--set", "policy.observe=tokens"
      ).status == 0)
    let policy = try TrainedPolicy(run: runner.folder + "/run")
    var registry = try DatasetRegistry(SettingsFile.read(runner.folder + "/Datasets/small.yaml").setting)
    registry.root = runner.folder + "/Datasets/small"
    let data = try TrainingData(policy.recipe, registry, .standard)
    let stages = try FeatureStages(policy, untrained: policy.untrained(.standard), data)
    #expect(stages.stages.map(\.name) == ["tokens, untrained", "tokens, trained"])
    let targets = try targets(runner)
    var totals: [Int] = []
    let results = try [1, 1 << 30].map { memory in
      try stages.probe(targets, run: "run", step: 2, frames: 30, memory: memory) { totals.append($1) }
    }
    #expect(results[0] == results[1] && results[0].phases.map(\.training).reduce(0, +) == 30)
    #expect(Set(totals) == [45, 90])
  }

  @Test func refusals() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try runner.writeSmallProject()
    let missing = try runner.run("probe", "nowhere")
    #expect(
      missing.status == 1 && missing.complaint.contains("no checkpoint")
        || missing.complaint.contains("not a run folder"))
    let arguments = ["train", "recipe.yaml", "--set", "training.steps=2", "--run"]
    #expect(try runner.run(arguments + ["run"]).status == 0)
    let nothing = try runner.run("probe", "run")
    #expect(nothing.status == 1 && nothing.complaint.contains("says nowhere where things are"), "\(nothing.errors)")
    let unknown = try runner.run("probe", "run", "--targets", "object")
    #expect(unknown.status == 1 && unknown.complaint.contains("may name: robot0_base_to_eef_pos"))
    #expect(try runner.run(arguments + ["whole", "--set", "data.validation=0"]).status == 0)
    let whole = try runner.run("probe", "whole", "--targets", "robot0_base_to_eef_pos")
    #expect(whole.status == 1 && whole.complaint.contains("whole: no demonstration was held out"))
    let blind = arguments + ["blind", "--set", "observations.images=[]"]
    #expect(try runner.run(blind).status == 0)
    let seen = try runner.run("probe", "blind", "--targets", "robot0_base_to_eef_pos")
    #expect(seen.status == 1 && seen.complaint.contains("blind: its encoder gives no features of images"))
    for page in ["run/probe.html", "run/probe.json", "whole/probe.json"] { #expect(runner.bytes(page) == nil) }
  }
}
