import ArgumentParser
import ImitationKit

/// `imitate export`: a run's policy as a folder for others.
struct ExportPolicy: Verb {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Export a run's policy: weights, schemas, statistics and a golden example.")

  @Argument(help: "The run folder.") var runFolder: String
  @Option(help: "Where to put the package; RUN/policy when left out.") var output: String?

  func run(in session: Session) throws {
    let folder = RunFolder(runFolder)
    let policy = try TrainedPolicy(run: runFolder, catalog: session.catalog)
    var evaluation: EvaluationResult?
    do {
      evaluation = try folder.result(folder.toldRecipe())
    } catch EvaluationError.missing {
    } catch {
      tell("note: \(CommandFailure.line(error)); exported without results")
    }
    let output = output ?? folder.path + "/policy"
    let package = try PolicyPackage(policy, evaluation: evaluation)
    try package.write(to: output)
    if let unknown = package.unknown { tell("note: \(output): unknown: \(unknown)") }
    print(output)
  }
}

/// `imitate verify`: whether an exported policy is whole and answers as it did.
struct Verify: Verb {
  static let configuration = CommandConfiguration(
    abstract: "Load an exported policy afresh and reproduce its golden output.")

  @Argument(help: "The exported folder.") var folder: String

  func run(in session: Session) throws {
    let package = try PolicyPackage(folder: folder)
    let policy = try TrainedPolicy(package, path: folder + "/policy.json", catalog: session.catalog)
    try package.golden.check(package.golden.answer(of: policy.agent()))
    if let unknown = package.unknown { tell("note: \(folder): unknown: \(unknown)") }
    print("\(folder): whole; \(policy.recipe.encoder.kind) + \(policy.recipe.policy.kind) reproduces its golden output")
  }
}
