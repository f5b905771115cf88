#if Kitchenette
  import Evaluation
  import Foundation
  import Testing

  /// Builds the package that docs/writing-an-encoder.md describes and runs its encoder from a recipe: what it uses is public.
  @Test func anOutsidePackageAddsAnEncoder() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    let scratch = CommandRunner.root + "/.build-outside"
    // The plan of an earlier build does not know of files that were added to this package since.
    try? FileManager.default.removeItem(atPath: scratch + "/release.yaml")
    // And a new plan does not see that what it was compiled against has changed: its objects would read records of this
    // package as they were.
    try? FileManager.default.removeItem(atPath: scratch + "/release/Outside.build")
    let build = try runner.run(
      "swift", "build", "-c", "release", "--package-path", CommandRunner.root + "/Tests/Command/Outside",
      "--scratch-path",
      scratch, executable: "/usr/bin/env")
    #expect(build.status == 0, "\(build.output.suffix(3000)) \(build.errors.suffix(1000))")
    try runner.writeSmallProject()
    let change = "encoder={kind: mean-colour, width: 8}"
    let ours = try runner.run("train", "recipe.yaml", "--dry-run", "--set", change)
    #expect(ours.status != 0 && ours.complaint.contains("unknown kind 'mean-colour'"))
    let theirs = try runner.run(
      "train", "recipe.yaml", "--dry-run", "--set", change, executable: scratch + "/release/Outside")
    #expect(theirs.status == 0 && theirs.errors.contains("mean-colour + bc-transformer"), "\(theirs.errors)")
    let wrong = try runner.run(
      "train", "recipe.yaml", "--dry-run", "--set", "encoder={kind: mean-colour, widht: 8}",
      executable: scratch + "/release/Outside")
    #expect(wrong.complaint.contains("unknown key 'encoder.widht'"))
    try checkSimulator(scratch + "/release/Outside")
  }

  /// A simulator of that package, with one option and no images: it is never given options of another one.
  private func checkSimulator(_ executable: String) throws {
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
      encoder: {kind: mean-colour, width: 8}
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
#endif
