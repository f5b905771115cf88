import Foundation
import Testing
import Training

/// What recipes of version 0.1 wrote, and what recipes say of themselves.
@Suite struct RecipeKindTests {
  /// Keys by their old names are read, one line each says the new one, and it is the same recipe.
  @Test func oldKeysAreRead() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try runner.writeSmallProject()
    let new = String(decoding: try #require(runner.bytes("recipe.yaml")), as: UTF8.self)
    let old = new.replacingOccurrences(of: "n_action_steps", with: "execute")
    #expect(old != new)
    try runner.write(old, to: "old.yaml")
    let trained = try runner.run("train", "old.yaml", "--run", "run", "--set", "training.steps=2")
    #expect(trained.status == 0, "\(trained.errors)")
    #expect(trained.errors.contains("'execute' is called 'n_action_steps' now; the old name is still read"))
    let again = try runner.run("train", "recipe.yaml", "--run", "run", "--set", "training.steps=2")
    #expect(again.status == 0 && again.errors.contains("run: trained, 2 steps"), "\(again.errors)")
    #expect(!again.errors.contains("is called"))
    // By both names it is written twice.
    let both = old.replacingOccurrences(of: "execute: 2", with: "execute: 2, n_action_steps: 3")
    try runner.write(both, to: "both.yaml")
    let refused = try runner.run("train", "both.yaml", "--run", "other")
    #expect(refused.status == 1 && refused.complaint.contains("both.yaml, line"), "\(refused.errors)")
    let changed = try runner.run("train", "recipe.yaml", "--run", "run", "--set", "actions.execute=2", "--dry-run")
    #expect(changed.errors.contains("--set: 'actions.execute' is called 'actions.n_action_steps' now"))
    let noted = SettingsFile.oldKeys(runner.folder + "/recipe.yaml", changes: ["actions={learned: [0]}", "seed=2"])
    #expect(noted == ["--set: 'learned' is called 'active_dimensions' now; the old name is still read"])
    let set = try Recipe(path: runner.folder + "/recipe.yaml", changes: ["actions.execute=1"])
    #expect(set.actions.nActionSteps == 1)
    let group = try Recipe(path: runner.folder + "/old.yaml", changes: ["actions={learned: [0, 1], constants: [0]}"])
    #expect(group.actions.activeDimensions == [0, 1])
  }

  /// A policy's recipe that says it is a world model's is refused, and the other way round, before any data is opened.
  @Test func recipesSayWhatTheyTrain() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try runner.writeSmallProject()
    let text = String(decoding: try #require(runner.bytes("recipe.yaml")), as: UTF8.self)
    try runner.write("trains: world\n" + text, to: "world.yaml")
    let wrong = try runner.run("train", "world.yaml")
    #expect(wrong.status == 1 && wrong.complaint.contains("world.yaml, line"), "\(wrong.errors)")
    let policy = try runner.run("world", "train", "recipe.yaml")
    #expect(policy.status == 1 && policy.complaint.contains("a policy's recipe, for `imitate train`"))
    try runner.write("trains: nothing\n" + text, to: "nothing.yaml")
    let unknown = try runner.run("train", "nothing.yaml")
    #expect(unknown.status == 1 && unknown.complaint.contains("'trains'"), "\(unknown.errors)")
    try runner.write("trains: policy\n" + text, to: "policy.yaml")
    let fine = try runner.run("train", "policy.yaml", "--dry-run")
    #expect(fine.status == 0, "\(fine.errors)")
  }

  /// A reader that insists on its layout says so; one that does not exist is refused.
  @Test func readersAreChosen() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try runner.writeSmallProject()
    let dry = ["train", "recipe.yaml", "--dry-run", "--set"]
    #expect(try runner.run(dry + ["data.reader={kind: hdf5}"]).status == 0)
    let other = try runner.run(dry + ["data.reader={kind: aloha}"])
    #expect(other.status == 1 && other.complaint.contains("not in the layout of 'aloha'"), "\(other.errors)")
    let unknown = try runner.run(dry + ["data.reader={kind: rlds}"])
    #expect(unknown.status == 1 && unknown.complaint.contains("unknown kind 'rlds'"), "\(unknown.errors)")
  }
}
