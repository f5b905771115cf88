#if Kitchenette
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
  }
#endif
