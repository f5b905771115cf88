#if Kitchenette
  import Demonstrations
  import Evaluation
  import Foundation
  import Layers
  import Reports
  import Tensors
  import Testing
  import Training

  @Suite(.serialized) struct AblateTests {
    private static let head = "{kind: diffusion-unet, horizon: 4, context: 1, widths: [16, 32], step_width: 8}"
    private static let grid = [
      "ablate", "recipe.yaml", "--encoder", "small,{kind: small, crop: 16, channels: 32}", "--policy",
      "bc-transformer,\(head)", "--seed", "1,2", "--run", "grid", "--set", "training.steps=4", "--set",
      "evaluation.episodes=2", "--set", "evaluation.pool=training",
    ]

    /// Two encoders of one kind, two policies, two seeds: eight runs and one report; then nothing is done again.
    @Test func gridsAreRunOnceAndReported() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject()
      // Two cells of one kind need names of their own.
      let clash = try runner.run(AblateTests.grid)
      #expect(clash.status == 1 && clash.complaint.contains("would both be called"), "\(clash.errors)")

      try runner.write(
        CommandRunner.recipe.replacingOccurrences(of: "crop: 18, channels: 16", with: "crop: 16, channels: 32"),
        to: "tiny.yaml")
      let grid = AblateTests.grid.map { $0.hasPrefix("small,") ? "small,tiny.yaml,small" : $0 }
      let planned = try runner.run(grid + ["--dry-run"])
      #expect(planned.status == 0, "\(planned.errors)")
      #expect(planned.output.components(separatedBy: "not begun").count == 9)

      try runner.write("mine", to: "taken.sbatch")
      let taken = try runner.run(grid + ["--slurm", "taken.sbatch"])
      #expect(taken.status == 1 && taken.complaint.contains("is there already"), "\(taken.errors)")
      let array = try runner.run(grid + ["--slurm", "grid.sbatch"])
      #expect(array.status == 0 && array.output.contains("8 cells"))
      let script = String(decoding: try #require(runner.bytes("grid.sbatch")), as: UTF8.self)
      #expect(script.contains("--array=0-7") && script.contains("'bc-transformer,{kind: diffusion-unet"))

      // One cell as an array job runs it; the report of a half-finished grid has it, and names the others.
      let one = try runner.run(grid + ["--cell", "0"])
      #expect(one.status == 0, "\(one.errors)")
      let half = try runner.run(grid + ["--report-only"])
      #expect(half.status == 0 && half.output.contains("Not there yet:"), "\(half.errors)")

      // Killed at any moment, it goes on.
      var random = Random(seed: 5)
      for attempt in 0..<CommandRunner.kills {
        try runner.kill(grid, attempt, after: random.uniform(0.05...0.7))
      }
      let whole = try runner.run(grid)
      #expect(whole.status == 0, "\(whole.errors)")
      let comparison = try JSONDecoder().decode(
        Comparison.self, from: #require(runner.bytes("grid/report/report.json")))
      #expect(comparison.columns.count == 4 && comparison.missing.isEmpty)
      // What is called the same is distinguished by what differs.
      let names = ["small (channels: 16, crop: 18)", "small (channels: 32, crop: 16)"]
      #expect(Set(comparison.columns.map(\.encoder)) == Set(names))
      for column in comparison.columns {
        #expect(column.seeds.map(\.seed) == [1, 2])
        var successes = 0
        for run in column.runs {
          let result = try EvaluationResult.read(runner.folder + "/" + run + "/evaluation.json")
          #expect(result.episodes.map(\.episode) == [0, 1] && result.step == 4)
          successes += result.episodes.count(where: \.success)
        }
        let cell = try #require(comparison.rows.last?.cells[comparison.columns.firstIndex(of: column)!])
        #expect(cell.episodes == 4 && cell.successes == successes)
      }
      for ending in ["html", "md", "csv", "tex"] { #expect(runner.bytes("grid/report/report.\(ending)") != nil) }
      let again = try runner.run(grid)
      #expect(again.status == 0 && again.errors.contains("8 cells, 8 finished"))
    }

    /// An evaluation that is killed again and again tries every episode, and none twice.
    @Test func evaluationsLoseNothing() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject()
      #expect(try runner.run("train", "recipe.yaml", "--run", "run", "--set", "training.steps=4").status == 0)
      let arguments = ["evaluate", "run", "--episodes", "12", "--with", "random"]
      let recipe = try Recipe(path: runner.folder + "/run/recipe.yaml").evaluation
      let conditions = EvaluationConditions(
        simulator: recipe.simulator.kind, options: recipe.simulator.options.json, seed: recipe.seed,
        pool: recipe.pool.rawValue)
      var random = Random(seed: 6)
      for attempt in 0..<CommandRunner.kills {
        let before = EpisodeJournal.read(folder: runner.folder + "/run", step: 4, conditions: conditions)
        try runner.kill(arguments, attempt, after: random.uniform(0.05...0.5))
        let after = EpisodeJournal.read(folder: runner.folder + "/run", step: 4, conditions: conditions)
        #expect(Array(after.prefix(before.count)) == before)
      }
      #expect(try runner.run(arguments).status == 0)
      let result = try EvaluationResult.read(runner.folder + "/run/evaluation.json")
      for policy in ["bc-transformer", "random"] {
        #expect(result.episodes.filter { $0.policy == policy }.map(\.episode) == Array(0..<12))
      }
      #expect(result.episodes.allSatisfy { $0.error == nil })
      let journal = EpisodeJournal.read(folder: runner.folder + "/run", step: 4, conditions: conditions)
      #expect(journal.count == 24, "an episode was tried twice")

      // One of them again, exactly.
      let replay = try runner.run("evaluate", "run", "--replay", "OpenDrawer/7")
      #expect(replay.status == 0 && replay.output.contains("the same actions"), "\(replay.output) \(replay.errors)")
      #expect(runner.bytes("run/replays/bc-transformer-OpenDrawer-7.avi")?.prefix(4) == Data("RIFF".utf8))
      #expect(runner.bytes("run/videos/bc-transformer-OpenDrawer-0.avi") != nil)
      #expect(try runner.run("evaluate", "run", "--replay", "OpenDrawer/99").complaint.contains("no episode"))

      // Judged otherwise, nothing of that counts, and none of it is lost.
      let otherwise = ["--set", "training.steps=4", "--set", "evaluation.pool=training"]
      #expect(try runner.run(["train", "recipe.yaml", "--run", "run"] + otherwise).status == 0)
      // Until it is evaluated again there is nothing to show.
      for stale in [["report", "run"], ["evaluate", "run", "--replay", "OpenDrawer/7"]] {
        #expect(try runner.run(stale).complaint.contains("tried with another simulator"))
      }
      #expect(try runner.run("evaluate", "run", "--episodes", "2").status == 0)
      let other = try EvaluationResult.read(runner.folder + "/run/evaluation.json")
      #expect(other.pool == "training" && other.episodes.count == 2)
      #expect(EpisodeJournal.read(folder: runner.folder + "/run", step: 4, conditions: conditions).count == 24)
      // And the backward pass: all are known.
      #expect(try runner.run("train", "recipe.yaml", "--run", "run", "--set", "training.steps=4").status == 0)
      #expect(try runner.run(arguments).status == 0)
      let back = try EvaluationResult.read(runner.folder + "/run/evaluation.json")
      #expect(back.pool == "evaluation" && back.episodes.count == 24)
      // What an earlier checkpoint could do is not what the last one can.
      let steps = runner.folder + "/run/checkpoints/step-000000"
      try FileManager.default.copyItem(atPath: steps + "4.safetensors", toPath: steps + "5.safetensors")
      #expect(
        try runner.run("report", "run").complaint.contains("tried after 4 steps of training, and now there are 5"))
      try FileManager.default.removeItem(atPath: steps + "5.safetensors")
      #expect(EpisodeJournal.read(folder: runner.folder + "/run", step: 4, conditions: conditions).count == 24)
    }
  }
#endif
