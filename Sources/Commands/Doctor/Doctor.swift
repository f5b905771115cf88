import ArgumentParser
import Foundation
import ImitationKit

/// `imitate doctor`: what works here, and what to do about the rest.
struct Doctor: Verb {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract:
      "Check this build, a Python with simulators and the GPU; say in one line each what is wrong and what to do.",
    discussion: """
      Simulators are started, reset and drawn for a test, each in a process of its own that is ended when it takes too \
      long. The exit status is 1 when something is broken that was asked for: the Python of --python, and of the simulators in \
      it those whose versions fit; or the one simulator of --environment.
      """)

  @OptionGroup var environment: EnvironmentChoice
  @Option(help: ArgumentHelp("Seconds after which a check is ended.", valueName: "seconds")) var deadline = 180.0
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    guard deadline > 0, deadline.isFinite else { throw ValidationError("--deadline must be above 0") }
  }

  func run(in session: Session) throws {
    var findings = BuildCheck.findings
    if session.catalog.has(Choice(kind: "kitchenette"), as: .simulator) {
      findings.append(SimulatorCheck(deadline: deadline).finding(Choice(kind: "kitchenette"), named: "kitchenette"))
    } else {
      findings.append(
        Finding(
          "kitchenette", .absent, "not in this build; apt-get install libmujoco-dev libosmesa6-dev, then ./run build"))
    }
    let check = PythonCheck(
      python: environment.python ?? ProcessOptions().python, isAsked: environment.python != nil, deadline: deadline,
      catalog: session.catalog)
    findings += try environment.environment == nil ? check.findings() : asked(check, session.catalog)
    findings.append(GraphicsProcessor.finding(deadline: deadline))
    print(json ? try OutputFormat.json(findings) : Finding.table(findings))
    let broken = findings.filter { $0.isAsked && $0.state != .ok }.map(\.name)
    if !broken.isEmpty { throw CommandFailure("not usable: \(broken.joined(separator: ", "))") }
  }

  /// Of the simulator that is named, and of its Python where it has one.
  private func asked(_ check: PythonCheck, _ catalog: Catalog) throws -> [Finding] {
    let choice = try environment.simulator(catalog)
    try catalog.check(choice, as: .simulator, path: "simulator")
    let survey = catalog.processEnvironment(choice.kind)?.needs == nil ? nil : check.survey()
    var finding = SimulatorCheck(deadline: deadline).finding(choice, task: environment.task, named: choice.kind)
    finding.isAsked = true
    return (survey.map(check.findings) ?? []) + [finding]
  }
}
