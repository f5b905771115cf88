#if Kitchenette
  import Evaluation
  import Export
  import Foundation
  import ImitationKit
  import Testing

  /// The programs of docs/examples, built with the tests as ones that see no more than another package would.
  @Suite struct ExampleTests {
    private static let examples = CommandRunner.root + "/docs/examples"

    /// The built example of this name.
    private func executable(_ name: String) -> String {
      (CommandRunner.executable as NSString).deletingLastPathComponent + "/" + name
    }

    private func text(_ name: String) throws -> String {
      try String(contentsOfFile: "\(ExampleTests.examples)/\(name).swift", encoding: .utf8)
    }

    @Test func aPackageIsLoadedAndActs() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject()
      #expect(try runner.run("train", "recipe.yaml", "--run", "run", "--set", "training.steps=4").status == 0)
      #expect(try runner.run("export", "run", "--output", "policy").status == 0)
      let printed = try runner.run("policy", executable: executable("load-and-act"))
      #expect(printed.status == 0, "\(printed.errors)")
      let policy = try TrainedPolicy(package: runner.folder + "/policy")
      let observation = Observation(
        images: policy.schema.images.mapValues { Image(width: $0.width, height: $0.height) },
        vectors: policy.schema.vectors.mapValues { .init(repeating: 0, count: $0) },
        instruction: "open the left drawer")
      let action = try policy.agent(seed: 0).action(for: observation)
      #expect(printed.output == "\(action)\n" && action.count == policy.actionSchema.count)
      let missing = try runner.run("nowhere", executable: executable("load-and-act"))
      #expect(missing.status != 0 && missing.errors.contains("not a policy package"))
    }

    /// The example's actions, through a server of this process, are those of an agent here that sees the same.
    @Test func aClientActsThroughAServer() throws {
      #expect(try text("act-through-a-server").split(separator: "\n", omittingEmptySubsequences: false).count <= 61)
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject()
      #expect(try runner.run("train", "recipe.yaml", "--run", "run", "--set", "training.steps=4").status == 0)
      let policy = try TrainedPolicy(run: runner.folder + "/run")
      var options = ServingOptions()
      options.port = 0
      let server = try PolicyServer(policy, options: options)
      let port = try server.start()
      defer { server.stop() }
      let printed = try runner.run("ws://127.0.0.1:\(port)", executable: executable("act-through-a-server"))
      #expect(printed.status == 0, "\(printed.errors)")
      let agent = policy.agent(seed: 0)
      var (last, trace): ([Float], StableHash) = ([], .init())
      for _ in 0..<20 {
        last = try agent.action(
          for: Observation(
            images: policy.schema.images.mapValues { Image(width: $0.width, height: $0.height) },
            vectors: policy.schema.vectors.mapValues { width in (0..<width).map { $0 < last.count ? last[$0] : 0 } },
            instruction: "open the left drawer"))
        trace.add(last)
      }
      let digest = String(trace.value, radix: 16)
      #expect(
        printed.output == """
          small: 4 actions an answer, 2 carried out
          20 steps, 10 requests, the actions' digest is \(digest)

          """)
    }

    @Test func aPolicyIsTrainedInCode() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      let printed = try runner.run(executable: executable("train-in-code"))
      #expect(printed.status == 0, "\(printed.errors)")
      #expect(printed.output == "a mark at 0.8, a carriage at 0: drive right\n")
      // The run is one that the verbs read, and it is finished: another time nothing is trained.
      let weights = try #require(runner.bytes("runs/rails/checkpoints/step-0001000.safetensors"))
      #expect(try runner.run("export", "runs/rails").status == 0)
      #expect(try runner.run(executable: executable("train-in-code")).output == printed.output)
      #expect(runner.bytes("runs/rails/checkpoints/step-0001000.safetensors") == weights)
    }

    @Test func theReadmeShowsTheFirstTwo() throws {
      let readme = try String(contentsOfFile: CommandRunner.root + "/README.md", encoding: .utf8)
      for name in ["load-and-act", "train-in-code"] { #expect(try readme.contains("```swift\n\(text(name))```\n")) }
      #expect(try text("load-and-act").split(separator: "\n").count <= 10)
    }

    /// A run, its checkpoint and its package are the same policy.
    @Test func aPolicyIsTheSameWhereverItIsLoadedFrom() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject()
      #expect(try runner.run("train", "recipe.yaml", "--run", "run", "--set", "training.steps=4").status == 0)
      let run = RunFolder(runner.folder + "/run")
      let policies = [
        try TrainedPolicy(run: run.path), try TrainedPolicy(run: run.path, step: 4),
        try TrainedPolicy(checkpoint: run.checkpoint(step: 4)),
      ]
      try PolicyPackage(policies[0]).write(to: runner.folder + "/policy")
      let packed = try TrainedPolicy(package: runner.folder + "/policy")
      let golden = try PolicyPackage(folder: runner.folder + "/policy").golden
      for policy in policies + [packed] {
        #expect(policy.schema == packed.schema && policy.actionSchema == packed.actionSchema)
        #expect(try golden.answer(of: policy.agent()).scalars == golden.actions.scalars)
      }
      func weights(_ policy: TrainedPolicy) -> [String: [Float]] { policy.policy.snapshot().mapValues(\.scalars) }
      #expect(weights(policies[0]) == weights(packed))
      #expect(try weights(TrainedPolicy(run: run.path, step: 2)) != weights(packed))
      #expect(throws: RunError.noCheckpoint(folder: "nowhere")) { _ = try TrainedPolicy(run: "nowhere") }
    }

    @Test func anEncoderIsAdded() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject()
      let executable = executable("own-encoder")
      let change = "encoder={kind: mean-color, width: 8}"
      let ours = try runner.run("train", "recipe.yaml", "--dry-run", "--set", change)
      #expect(ours.status != 0 && ours.complaint.contains("unknown kind 'mean-color'"))
      let theirs = try runner.run("train", "recipe.yaml", "--dry-run", "--set", change, executable: executable)
      #expect(theirs.status == 0 && theirs.errors.contains("mean-color + bc-transformer"), "\(theirs.errors)")
      let wrong = try runner.run(
        "train", "recipe.yaml", "--dry-run", "--set", "encoder={kind: mean-color, widht: 8}", executable: executable)
      #expect(wrong.complaint.contains("unknown key 'encoder.widht'"))
    }

    /// A simulator with one option and no images: it is never given options of another one.
    @Test func anEnvironmentIsAdded() throws {
      let executable = executable("own-environment")
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.write(
        """
        name: rails
        about: for tests
        sources:
          some: {path: "files/{task}.hdf5", about: recorded}
        splits: [some-4]
        tasks:
          - {name: ReachMark, group: rails, horizon: 40}

        """, to: "Datasets/rails.yaml")
      try runner.write(
        """
        name: rails
        data: {registry: rails, split: some-4, tasks: [ReachMark], validation: 0.25}
        observations: {vectors: [carriage, mark], normalization: gaussian}
        actions: {normalization: min_max}
        encoder: {kind: small}
        policy: {kind: bc-transformer, context: 2, horizon: 2, width: 16, layers: 1, heads: 2}
        training: {steps: 4, batch: 4, checkpoint_every: 2}
        evaluation: {simulator: {kind: slider, speed: 0.25}, episodes: 2}

        """, to: "recipe.yaml")
      func run(_ arguments: String...) throws -> CommandRunner.Result {
        let result = try runner.run(arguments, executable: executable)
        #expect(result.status == 0, "\(arguments): \(result.errors)")
        return result
      }
      _ = try run("record", "recipe.yaml")
      _ = try run("train", "recipe.yaml", "--run", "run")
      _ = try run("evaluate", "run", "--with", "expert,random")
      let result = try EvaluationResult.read(runner.folder + "/run/evaluation.json")
      #expect(result.episodes.count == 6 && result.episodes.allSatisfy { $0.error == nil }, "\(result.episodes)")
      #expect(result.mean(of: "expert") == 1)
      #expect(try run("evaluate", "run", "--replay", "ReachMark/0").output.contains("no video"))
      _ = try run("report", "run")
      let other = try runner.run(
        ["record", "recipe.yaml", "--set", "evaluation.simulator.cameras=[]"], executable: executable)
      #expect(other.complaint.contains("unknown key 'simulator.cameras'; allowed here: speed"), "\(other.errors)")
    }

    @Test func aWorldModelForetells() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject(size: 24)
      try runner.write(WorldTests.recipe, to: "world.yaml")
      #expect(try runner.run("world", "train", "world.yaml", "--run", "run").status == 0)
      let printed = try runner.run(
        "run/world.safetensors", "last.png", executable: executable("use-a-world-model"))
      #expect(printed.status == 0, "\(printed.errors)")
      let lines = printed.output.split(separator: "\n")
      #expect(lines.count == 5 && lines.allSatisfy { $0.contains(": brightness 0.") && $0.contains(", reward ") })
      #expect(runner.bytes("last.png")?.prefix(4) == Data([0x89, 0x50, 0x4e, 0x47]))
    }
  }
#endif
