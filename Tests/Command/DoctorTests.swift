import CUDA
import Environments
import Foundation
import ImitationKit
import Testing

/// `imitate doctor` against Pythons that these tests write: it says what is wrong, and neither crashes nor hangs.
@Suite(.serialized) struct DoctorTests {
  private struct Finding: Decodable {
    var name, state, text: String
    var versions: [String: String]?
    var asked: Bool
  }

  /// A Python with packages that are there by name only, and what it does when it is to run an adapter.
  private func python(
    _ runner: CommandRunner, packages: [String: String], numpy: String? = "2.2.5", adapter: String = "exit 3"
  ) throws -> String {
    for (name, version) in packages {
      let folder = "site/\(name.replacingOccurrences(of: "-", with: "_"))-\(version).dist-info"
      try runner.write("Metadata-Version: 2.1\nName: \(name)\nVersion: \(version)\n", to: folder + "/METADATA")
    }
    if let numpy { try runner.write("__version__ = '\(numpy)'\n", to: "site/numpy.py") }
    try runner.write(
      """
      #!/bin/sh
      if [ "$1" = -c ]; then PYTHONPATH='\(runner.folder)/site' exec python3 -S "$@"; fi
      \(adapter)

      """, to: "python")
    return runner.folder + "/python"
  }

  private func findings(_ result: CommandRunner.Result) throws -> [String: Finding] {
    let all = try JSONDecoder().decode([Finding].self, from: Data(result.output.utf8))
    return Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
  }

  private static let metaworld = ["metaworld": "3.1.1", "mujoco": "3.3.0", "packaging": "24.0"]

  @Test func nothingAskedForIsNoFailure() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    let result = try runner.run("doctor", "--deadline", "20")
    #expect(result.status == 0, "\(result.errors)")
    for words in ["version \(Toolkit.version)", "kernels", "HDF5 1.", "OpenBLAS 0.", "jpeg", "kitchenette", "gpu"] {
      #expect(result.output.contains(words), "\(result.output)")
    }
    let findings = try findings(runner.run("doctor", "--json", "--deadline", "20"))
    #expect(findings["imitate"]?.state == "ok" && findings["libraries"]?.state == "ok")
    #expect(findings.values.allSatisfy { !$0.asked })
    #if Kitchenette
      #expect(findings["kitchenette"]?.state == "ok", "\(String(describing: findings["kitchenette"]))")
      #expect(findings["kitchenette"]?.versions?["mujoco"] != nil)
      #expect(findings["kitchenette"]?.text.contains("drawn by 3 cameras of 128x128") == true)
    #else
      #expect(findings["kitchenette"]?.state == "absent")
    #endif
  }

  @Test func aPythonWithoutNumpyIsReported() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    let path = try python(runner, packages: [:], numpy: nil)
    let result = try runner.run("doctor", "--json", "--python", path)
    let findings = try findings(result)
    #expect(result.status == 1 && result.complaint == "imitate: not usable: numpy, simulators", "\(result.errors)")
    #expect(findings["python"]?.state == "ok" && findings["numpy"]?.state == "absent")
    #expect(findings["numpy"]?.text.contains("-m pip install numpy") == true)
    #expect(findings["metaworld"]?.state == "absent")
    #expect(findings["metaworld"]?.text.hasSuffix("-m pip install metaworld==3.1.1 mujoco==3.3.0 packaging") == true)
  }

  @Test func otherVersionsAreReportedWithThoseThatFit() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    let path = try python(runner, packages: ["metaworld": "2.0.0", "mujoco": "4.0.0", "packaging": "24.0"])
    let result = try runner.run("doctor", "--json", "--python", path)
    let finding = try #require(try findings(result)["metaworld"])
    #expect(result.status == 1 && finding.state == "unfit")
    #expect(
      finding.text.hasPrefix(
        "metaworld 2.0.0, mujoco 4.0.0, packaging 24.0, tested with metaworld==3.1.1, mujoco==3.3.0: "))
    #expect(finding.text.contains("-m pip install metaworld==3.1.1 mujoco==3.3.0 packaging"), "\(finding.text)")
  }

  /// Adapters that hang, answer nonsense, crash or are silent for ever behind a child of their own.
  @Test(arguments: [
    ("sleep 1000", "hello: the process gave no answer within 2 s"),
    ("sleep 1000 & wait", "hello: the process gave no answer within 2 s"),
    ("trap '' TERM INT HUP; while :; do :; done", "hello: the process gave no answer within 2 s"),
    ("echo 'Welcome to the simulator, version 3'; sleep 1000", "hello: the process answered "),
    ("cat /dev/zero", "hello: the process answered "),
    ("echo no display >&2; exit 3", "hello: the process ended (exit code 3): no display"),
    ("kill -SEGV $$", "hello: the process ended (signal 11)"),
  ]) func anAdapterThatDoesNotWorkIsReported(_ adapter: String, _ complaint: String) throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    let path = try python(runner, packages: DoctorTests.metaworld, adapter: adapter)
    let start = ContinuousClock.now
    let result = try runner.run("doctor", "--json", "--python", path, "--deadline", "2")
    #expect(ContinuousClock.now - start < .seconds(40))
    let finding = try #require(try findings(result)["metaworld"], "\(result.errors)")
    #expect(finding.state == "broken" && finding.text.contains(complaint), "\(finding.text)")
    #expect(result.status == 1 && result.complaint == "imitate: not usable: metaworld", "\(result.errors)")
  }

  @Test(arguments: [
    ("exit 0", "is no Python: it answers ''"), ("echo Hello there", "is no Python: it answers 'Hello there'"),
    ("sleep 1000", "gave no answer within 2 s"), ("yes", "writes without an end"),
    ("echo bad >&2; exit 4", "ended (exit code 4): bad"),
  ]) func whatIsNoPythonIsReported(_ program: String, _ complaint: String) throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try runner.write("#!/bin/sh\n\(program)\n", to: "python")
    let result = try runner.run("doctor", "--python", "./python", "--deadline", "2")
    #expect(result.status == 1 && result.output.contains(complaint), "\(result.output)")
    #expect(result.complaint == "imitate: not usable: python")
  }

  @Test func whatIsNotThereIsReported() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    let none = try runner.run("doctor", "--python", "/no/python")
    #expect(none.status == 1 && none.output.contains("/no/python: not started: No such file"), "\(none.output)")
    let path = try python(runner, packages: [:], adapter: "echo no module >&2; exit 1")
    let named = try runner.run("doctor", "--json", "--python", path, "--environment", "metaworld:reach-v3")
    #expect(named.status == 1 && named.complaint == "imitate: not usable: metaworld", "\(named.errors)")
    #expect(try findings(named)["robosuite"] == nil)
    let unknown = try runner.run("doctor", "--environment", "none")
    #expect(unknown.status == 1 && unknown.complaint.contains("unknown kind 'none'"), "\(unknown.errors)")
    // Who needs a simulator that does not start hears where to look.
    let record = try runner.run(
      "record", "--output", "a.hdf5", "--episodes", "1", "--environment", "metaworld:reach-v3", "--python", path)
    #expect(record.status == 1 && record.complaint.hasSuffix("; `imitate doctor --python \(path)` says more"))
  }

  @Test func packagesFitOrNot() throws {
    let needs = try #require(AdapterEnvironment<GymnasiumAdapter>.needs)
    #expect(needs.packages.map(\.description) == ["gymnasium==1.2.3"] && needs.packages[0].fits("1.2.3"))
    #expect(!needs.packages[0].fits("1.4.0") && needs.trials[0].task == "gym_pusht/PushT-v0")
    #expect(AdapterEnvironment<ProgramAdapter>.needs == nil)
    #expect(
      KernelDriver.version(in: "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue") == "550.54.15")
    #expect(
      KernelDriver.version(
        in:
          "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build  (gcc version 12.3)")
        == "570.86.15")
  }
}
