#if Kitchenette
  import Foundation
  import Reports
  import Testing
  import Training

  /// What would be compared although it cannot be: told, or kept apart.
  @Suite(.serialized) struct ComparabilityTests {
    /// `--set` of a grid goes over what a policy's recipe brings along, and what that recipe leaves out is not the base's.
    @Test func everyCellHasWhatTheGridSays() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject()
      var other = CommandRunner.recipe.replacingOccurrences(of: "steps: 24", with: "steps: 30")
      other = other.replacingOccurrences(of: "actions: {normalization: min_max, n_action_steps: 2}\n", with: "")
      other = other.replacingOccurrences(of: "split: some", with: "split: some-4")
      try runner.write(other.replacingOccurrences(of: "width: 16", with: "width: 24"), to: "other.yaml")
      let grid = ["ablate", "recipe.yaml", "--policy", "bc-transformer,other.yaml", "--run", "grid"]
      let refused = try runner.run(grid + ["--encoder", "small,resnet18", "--set", "encoder.channels=16", "--dry-run"])
      #expect(refused.status == 1 && refused.complaint.contains("channels"), "\(refused.errors)")
      let varied = try runner.run(grid + ["--set", "policy={kind: diffusion-unet}", "--dry-run"])
      #expect(varied.status == 1 && varied.complaint.contains("the grid varies 'policy'"), "\(varied.errors)")
      for cell in ["0", "1"] {
        let run = try runner.run(
          grid + ["--set", "training.steps=2", "--set", "evaluation.pool=training", "--cell", cell])
        #expect(run.status == 0, "\(run.errors)")
      }
      for (name, width, carriedOut) in [("bc-transformer", 16, 2), ("other", 24, 1)] {
        let recipe = try Recipe(path: "\(runner.folder)/grid/some-4_small_\(name)_seed-1/recipe.yaml")
        #expect(recipe.training.steps == 2 && recipe.policy.options["width"]?.json == "\(width)", "\(recipe.text)")
        #expect(recipe.actions.nActionSteps == carriedOut, "what its file leaves out is not the base recipe's")
      }
    }

    /// Policies of two world models that stood in one place after each other are no seeds of one column, and what is measured of the
    /// later one says nothing of the earlier policy.
    @Test func columnsAreOfTheSameWorldModel() throws {
      let runner = try WorldTests.project()
      defer { runner.remove() }
      func run(_ arguments: String...) throws {
        let result = try runner.run(arguments)
        #expect(result.status == 0, "\(result.errors)")
      }
      for (policy, world) in [("one", "1"), ("two", "2"), ("three", "2")] {
        try run("world", "train", "world.yaml", "--run", "world", "--set", "seed=\(world)", "--restart")
        try run("world", "evaluate", "world", "--steps", "3", "--clips", "2")
        let seed = ["one": 1, "two": 2, "three": 3][policy]!
        try run(
          "train", "recipe.yaml", "--run", policy, "--set", "training.steps=2", "--set", "seed=\(seed)", "--set",
          "encoder={kind: gaussian-world, world: world, features: 8, pools: 2}", "--set",
          "evaluation.simulator={kind: kitchenette, image_size: 24}")
        try run("evaluate", policy)
      }
      let result = try runner.run("report", "one", "two", "three", "--output", "report")
      #expect(result.status == 0, "\(result.errors)")
      let found = try JSONDecoder().decode(Comparison.self, from: #require(runner.bytes("report/report.json")))
      #expect(found.columns.map(\.runs.count) == [1, 2])
      #expect(found.columns.map { $0.prediction == nil } == [true, false])
    }

    /// One recipe on two sets of demonstrations, or trained in part, is not one column of two seeds.
    @Test func columnsAreOfTheSameDemonstrationsAndSteps() throws {
      let (runner, another) = (try CommandRunner(), try CommandRunner())
      defer {
        runner.remove()
        another.remove()
      }
      try runner.writeSmallProject()
      try another.writeSmallProject(damage: { episode, _ in episode.actions = episode.actions.map { -$0 } })
      func trained(_ runner: CommandRunner, _ run: String, seed: Int, steps: Int = 2) throws {
        for arguments in [
          ["train", "recipe.yaml", "--set", "seed=\(seed)", "--set", "training.steps=\(steps)", "--run", run],
          ["evaluate", run],
        ] {
          let result = try runner.run(arguments)
          #expect(result.status == 0, "\(result.errors)")
        }
      }
      try trained(runner, "one", seed: 1)
      try trained(runner, "two", seed: 2)
      try trained(another, "three", seed: 3)
      // A finished run is told that there are other demonstrations now.
      func again() throws -> String {
        let result = try runner.run(
          "train", "recipe.yaml", "--set", "seed=1", "--set", "training.steps=2", "--run", "one")
        #expect(result.status == 0, "\(result.errors)")
        return result.errors
      }
      #expect(try !again().contains("has changed"))
      let file = "/Datasets/small/files/OpenDrawer.hdf5"
      let old = try #require(runner.bytes(String(file.dropFirst())))
      try Data(contentsOf: URL(fileURLWithPath: another.folder + file)).write(
        to: URL(fileURLWithPath: runner.folder + file))
      #expect(try again().contains("OpenDrawer.hdf5 has changed since; train with --restart"))
      try old.write(to: URL(fileURLWithPath: runner.folder + file))
      func columns(_ runs: [String]) throws -> [Comparison.Column] {
        let result = try runner.run(["report"] + runs + ["--output", "report"])
        #expect(result.status == 0, "\(result.errors)")
        return try JSONDecoder().decode(Comparison.self, from: #require(runner.bytes("report/report.json"))).columns
      }
      #expect(try columns(["one", "two"]).map(\.runs.count) == [2])
      let apart = try columns(["one", "two", another.folder + "/three"])
      #expect(apart.map(\.runs.count).sorted() == [1, 2] && apart.allSatisfy { $0.encoder.contains("demonstrations") })

      // The second stopped after 2 of 4 steps.
      try trained(runner, "four", seed: 4, steps: 4)
      let manager = FileManager.default
      try manager.removeItem(atPath: runner.folder + "/four/checkpoints/step-0000004.safetensors")
      let partly = try runner.run("evaluate", "four")
      #expect(partly.status == 0 && partly.errors.contains("trained for 2 of 4 steps"), "\(partly.errors)")
      try trained(runner, "five", seed: 5, steps: 4)
      #expect(try columns(["four", "five"]).map(\.runs.count) == [1, 1])
    }

    /// What is evaluated in other scenes does not take the place of the videos that reports show, and can be replayed.
    @Test func otherConditionsAreKeptApart() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject()
      for arguments in [["train", "recipe.yaml", "--set", "training.steps=2", "--run", "run"], ["evaluate", "run"]] {
        let result = try runner.run(arguments)
        #expect(result.status == 0, "\(result.errors)")
      }
      let shown = try #require(runner.bytes("run/videos/bc-transformer-OpenDrawer-0.jpg"))
      let other = ["--set", "evaluation.seed=5"]
      let evaluated = try runner.run(["evaluate", "run"] + other)
      #expect(evaluated.status == 0, "\(evaluated.errors)")
      #expect(runner.bytes("run/videos/bc-transformer-OpenDrawer-0.jpg") == shown)
      let replayed = try runner.run(["evaluate", "run", "--replay", "OpenDrawer/0"] + other)
      #expect(replayed.status == 0 && replayed.output.contains("the same actions"), "\(replayed.errors)")
      let refused = try runner.run("evaluate", "run", "--replay", "OpenDrawer/0")
      #expect(refused.status == 1, "the file holds episodes of another seed")
    }

    /// A tanh never gives what a mean of 0 and a deviation of 1 ask for.
    @Test func actionsThatThePolicyCannotGiveAreRefused() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject()
      let run = try runner.run("train", "recipe.yaml", "--set", "actions.normalization=gaussian", "--run", "run")
      #expect(run.status == 1 && run.complaint.contains("the policy only from -1.0 to 1.0"), "\(run.errors)")
    }
  }
#endif
