import ArgumentParser
import Foundation
import ImitationKit

/// `imitate export`: a run's policy as a folder for others.
struct ExportPolicy: Verb {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Export a run's policy: weights, schemas, statistics and a golden example.")

  @Argument(help: "The run folder.") var runFolder: String
  @Option(help: "Where to put the package; RUN/policy when left out.") var output: String?
  @Flag(help: "Add ONNX graphs: the observation encoder and the head.") var onnx = false
  @Option(help: "How the graphs keep weights: fp32, fp16 or int8; the others are measured on the demonstrations.")
  var precision: WeightPrecision?
  @OptionGroup var place: DatasetPlace

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
    var package = try PolicyPackage(policy, evaluation: evaluation)
    if onnx || precision != nil {
      let precision = precision ?? .fp32
      try package.addGraphs(
        of: policy, precision: precision,
        observations: precision == .fp32 ? nil : recorded(for: policy, session.catalog))
      if !package.isSteady {
        tell("note: \(output): its golden actions hang on rounding; another runtime may not reproduce them")
      }
      if let change = package.description.graphs?.change { print("\(precision.rawValue): \(change.words)") }
    }
    try package.write(to: output)
    if let unknown = package.unknown { tell("note: \(output): unknown: \(unknown)") }
    print(output)
  }
}

extension ExportPolicy {
  /// Observations of the demonstrations; nil when they are not there.
  private func recorded(for policy: TrainedPolicy, _ catalog: Catalog) -> [ObservationBatch]? {
    let recipe = policy.recipe
    do {
      return try policy.observations(TrainingData(recipe, place.registry(recipe.data), catalog), count: 100)
    } catch {
      tell("note: \(CommandFailure.line(error)); how rounded weights change actions was not measured")
      return nil
    }
  }
}

extension WeightPrecision: ExpressibleByArgument {}

/// `imitate verify`: whether an exported policy is whole and answers as it did.
struct Verify: Verb {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Load an exported policy afresh and reproduce its golden output.")

  @Argument(help: "The exported folder.") var folder: String
  @Option(help: "A Python with onnxruntime and numpy, to run the graphs; python3 when left out, if it has them.")
  var python: String?

  func run(in session: Session) throws {
    let package = try PolicyPackage(folder: folder)
    let policy = try TrainedPolicy(package, path: folder + "/policy.json", catalog: session.catalog)
    try package.golden.check(package.golden.answer(of: policy.agent()), package.normalizer)
    if let unknown = package.unknown { tell("note: \(folder): unknown: \(unknown)") }
    print("\(folder): whole; \(policy.recipe.encoder.kind) + \(policy.recipe.policy.kind) reproduces its golden output")
    if let version = try versionOfRuntime(package) { print("\(folder): so do its graphs in ONNX Runtime \(version)") }
  }

  /// Acts by the graphs with our own program: that of a package may be anybody's.
  ///
  /// - Returns: the version of ONNX Runtime; nil where there are no graphs or nobody to run them.
  /// - Throws: `CommandFailure`.
  private func versionOfRuntime(_ package: PolicyPackage) throws -> String? {
    let chosen = python ?? "python3"
    guard !package.graphs.isEmpty, package.golden.draws != nil else {
      if python != nil {
        throw CommandFailure("\(folder): no graphs, or of an older version; `imitate export RUN --onnx` writes them")
      }
      return nil
    }
    if FileManager.default.contents(atPath: folder + "/" + PolicyPackage.runner) != PolicyPackage.program {
      tell(
        "note: \(folder)/\(PolicyPackage.runner): not the program that this version writes; read it before you run it")
    }
    let question = "import numpy, onnxruntime; print(onnxruntime.__version__)"
    let version: String
    do {
      version = try PipedChild.output(of: chosen.expandingTilde, ["-c", question], seconds: 60)
    } catch {
      guard python == nil else {
        let reason = "\(error)".hasPrefix(chosen) ? "\(error)" : "\(chosen) \(error)"
        let isMissing = reason.contains("ModuleNotFoundError")
        throw CommandFailure(
          reason + (isMissing ? "; `\(chosen.quotedForShell) -m pip install onnxruntime numpy`" : ""))
      }
      tell("note: \(folder): graphs not run: no python3 with onnxruntime and numpy; name one that has with --python")
      return nil
    }
    let program = NSTemporaryDirectory() + "/imitate-\(UUID().uuidString).py"
    try AtomicFile.write(PolicyPackage.program, to: program)
    defer { unlink(program) }
    let answer: String
    do {
      answer = try PipedChild.output(of: chosen.expandingTilde, ["-B", program, folder], seconds: 600)
    } catch {
      throw CommandFailure("\(folder): \(chosen) \(error)")
    }
    guard answer.contains("gives the golden actions") else {
      throw CommandFailure("\(folder): \(chosen) does not say that the graphs give the golden actions")
    }
    return version.split(separator: "\n").last.map(String.init)
  }
}
