import Foundation
import ImitationKit

/// What a Python has, and which simulators of it work.
struct PythonCheck {
  let python: String
  /// Whether the user has named it.
  let isAsked: Bool
  /// Seconds.
  let deadline: Double
  let catalog: Catalog

  /// What it says of itself, or why it does not.
  struct Survey: Decodable {
    var version: String
    var executable: String
    /// The versions of the packages that were asked for and are installed.
    var packages: [String: String]
    /// numpy's version as it is imported, or why it is not.
    var numpy: String?
    var problem: String?

    /// What to type to install something.
    func command(_ install: String) -> String { "\(executable.quotedForShell) -m pip install \(install)" }
  }

  private static let program = """
    import importlib.metadata, json, platform, sys
    packages, numpy, problem = {}, None, None
    for name in sys.argv[1:]:
        try:
            packages[name] = importlib.metadata.version(name)
        except Exception:
            pass
    try:
        import numpy as module
        numpy = str(module.__version__)
    except BaseException as error:
        problem = f"{type(error).__name__}: {error}"
    print(json.dumps({"version": platform.python_version(), "executable": sys.executable, "packages": packages,
                      "numpy": numpy, "problem": problem}))
    """

  /// The kinds of simulators that a Python may have.
  private var kinds: [(name: String, type: ProcessEnvironment.Type, needs: PythonNeeds)] {
    catalog.plugins(.simulator).compactMap { plugin in
      guard let type = plugin as? ProcessEnvironment.Type, let needs = type.needs else { return nil }
      return (plugin.name, type, needs)
    }
  }

  /// Asks it, in one process.
  func survey() -> Result<Survey, CommandFailure> {
    let packages = Set(kinds.flatMap { $0.needs.packages + $0.needs.trials.map(\.package) }.map(\.name))
    do {
      let output = try PipedChild.output(
        of: python.expandingTilde, ["-c", PythonCheck.program] + packages.sorted(), seconds: deadline)
      // What a start-up file prints comes before it.
      let line = output.split(separator: "\n").last.map(String.init) ?? ""
      guard let survey = try? JSONDecoder().decode(Survey.self, from: Data(line.utf8)) else {
        throw CommandFailure("is no Python: it answers '\(line.prefix(80))'")
      }
      return .success(survey)
    } catch {
      return .failure(CommandFailure("\(error)"))
    }
  }

  /// The Python itself.
  func findings(_ survey: Result<Survey, CommandFailure>) -> [Finding] {
    switch survey {
    case .failure(let failure):
      let text = "\(failure)"
      return [
        Finding(
          "python", isAsked ? .broken : .absent, text.hasPrefix(python) ? text : "\(python) \(text)", isAsked: isAsked)
      ]
    case .success(let survey):
      let numpy =
        survey.numpy.map { Finding("numpy", .ok, $0, isAsked: isAsked) }
        ?? Finding(
          "numpy", survey.problem?.hasPrefix("ModuleNotFoundError") == true ? .absent : .broken,
          "\(survey.problem ?? "not importable"); \(survey.command("numpy"))", isAsked: isAsked)
      return [Finding("python", .ok, "\(survey.version) (\(survey.executable))", isAsked: isAsked), numpy]
    }
  }

  /// All of it: every simulator that is installed is tried.
  func findings() -> [Finding] {
    let survey = survey()
    var findings = findings(survey)
    guard case .success(let found) = survey else { return findings }
    let simulators = kinds.map { finding($0.name, $0.type, $0.needs, found) }
    findings += simulators
    if isAsked, !simulators.contains(where: { $0.state == .ok || $0.isAsked }) {
      findings.append(Finding("simulators", .absent, "none works in this Python", isAsked: true))
    }
    return findings
  }

  private func finding(
    _ name: String, _ type: ProcessEnvironment.Type, _ needs: PythonNeeds, _ survey: Survey
  ) -> Finding {
    let command =
      needs.install.map(survey.command)
      ?? "imitate doctor --environment \(name) --python \(python.quotedForShell) says what to type"
    guard let simulator = needs.packages.first, survey.packages[simulator.name] != nil else {
      return Finding(name, .absent, "not installed; \(command)")
    }
    let versions = survey.packages.filter { found in needs.packages.contains { $0.name == found.key } }
    let trial = needs.trials.first { survey.packages[$0.package.name] != nil }
    let wanted = needs.packages + (trial.map { [$0.package] } ?? [])
    let others = wanted.filter { survey.packages[$0.name].map($0.fits) != true }
    let difference = others.isEmpty ? nil : "tested with \(others.map(\.description).joined(separator: ", "))"
    if trial == nil, !needs.trials.isEmpty {
      return Finding(
        name, .untried,
        ["\(versions.listed)", difference, "imitate doctor --environment \(name):ID --python ... tries one of yours"]
          .compactMap(\.self).joined(separator: "; "), versions: versions)
    }
    var options = ["kind": name.setting, "python": python.expandingTilde.setting]
    if let trial { options.merge(type.options(naming: trial.task)) { $1 } }
    let choice = try? Choice(FreeOptions(options).setting, path: "simulator")
    var finding = SimulatorCheck(deadline: deadline).finding(
      choice ?? Choice(kind: name), task: trial?.task, named: name)
    finding.versions = finding.versions ?? versions
    switch (finding.state, difference) {
    case (.ok, let difference?): finding.text += "; \(difference)"
    case (.ok, nil): break
    case (_, let difference?):
      finding.state = .unfit
      finding.text = "\(versions.listed), \(difference): \(finding.text)"
      if !finding.text.contains("pip install") { finding.text += "; \(command)" }
      finding.text += " (in a Python environment of its own, if another simulator needs what is there)"
    // Installed as it should be, and it does not work.
    case (_, nil): finding.isAsked = isAsked
    }
    return finding
  }
}
