import Demonstrations
import Evaluation
import Foundation
import ImitationKit
import Support
import Testing

@Suite struct RobotCommandTests {
  private static let robot =
    "{kind: robot, command: [./robot.py], workspace: {low: [0, -1, 0], high: [1, 1, 1]}, max_speed: 5}"

  private static let definition = """
    name: small
    horizon: 5
    groups:
      - name: cup
        setup: The plate on its mark.
        variations:
          - {setup: A red cup., count: 2}
          - {setup: A blue cup.}
      - name: table
        variations: [{setup: A cloth.}]

    """

  /// Led, judged and assembled; what is discarded is gone, what nobody has judged is asked for again.
  private func record(_ runner: CommandRunner) throws {
    let fake = try FakeRobot(folder: runner.folder)
    let arguments = [
      "record", "--environment", "robot", "--set", "evaluation.simulator=\(Self.robot)", "--episodes", "4", "--output",
      "Datasets/small/files/pick.hdf5",
    ]
    // One kept, one discarded, one kept, one without an answer.
    let first = try runner.run(arguments, input: "\nk\n\nd\n\nk\n\n")
    #expect(
      first.status == 1 && first.complaint.contains("3 of 4 recorded, in Datasets/small/files/pick.hdf5.parts"),
      "\(first.errors)")
    // An answer that fits no key stops: those after it may belong to other questions.
    let wrong = try runner.run(arguments, input: "x\nd\n")
    #expect(
      wrong.status == 1 && wrong.errors.contains("answer with one of: k, d, q; stopped"), "\(wrong.errors)")
    let second = try runner.run(arguments, input: "d\nq\n")
    #expect(
      second.status == 1 && second.errors.contains("not judged") && second.complaint.contains("2 of 4"),
      "\(second.errors)")
    let third = try runner.run(arguments, input: "\nq\n")
    #expect(third.status == 1 && third.complaint.contains("3 of 4"), "\(third.errors)")
    let last = try runner.run(arguments, input: "\nk\n")
    #expect(
      last.status == 0 && last.errors.contains("4 demonstrations in Datasets/small/files/pick.hdf5"), "\(last.errors)")
    #expect(runner.bytes("Datasets/small/files/pick.hdf5.parts/identity") == nil)
    // Each command connected to the robot once.
    #expect(fake.calls.count { $0 == "hello" } == 5)
    // However an episode ended, the robot was asked to hold.
    #expect(fake.calls.count { $0 == "reset" } == fake.calls.count { $0 == "hold" })
    let file = try DemonstrationFile(path: runner.folder + "/Datasets/small/files/pick.hdf5")
    #expect(file.demos.count == 4 && file.task == "pick")
    for demo in file.demos {
      // The person's button ends it with the sixth action; who keeps it says that it is solved.
      #expect(try file.hdf5.doubles("data/\(demo)/rewards") == [0, 0, 0, 0, 0, 1])
      #expect(try file.hdf5.doubles("data/\(demo)/actions").prefix(4).map(Float.init) == [0.2, 0, 0.1, -1])
      #expect(try file.metadata(demo).instruction == "pick it up")
    }
    #expect(try file.actionSchema(of: "actions", width: 4).control == "step in the base frame")
  }

  private func project() throws -> CommandRunner {
    let runner = try CommandRunner()
    try record(runner)
    try runner.write(
      """
      name: small
      about: for tests
      sources:
        some: {path: "files/{task}.hdf5", about: a robot}
      splits: [some-4]
      tasks:
        - {name: pick, group: pick, horizon: 8}

      """, to: "Datasets/small.yaml")
    let recipe = [
      ("split: some", "split: some-4"), ("OpenDrawer", "pick"), ("robot0_agentview_left_image", "front_image"),
      ("robot0_base_to_eef_pos", "robot0_eef_pos"), ("{kind: kitchenette, image_size: 20}", Self.robot),
    ].reduce(CommandRunner.recipe) { $0.replacingOccurrences(of: $1.0, with: $1.1) }
    try runner.write(recipe, to: "recipe.yaml")
    try runner.write(Self.definition, to: "small-protocol.yaml")
    let trained = try runner.run("train", "recipe.yaml", "--run", "run", "--set", "training.steps=2")
    #expect(trained.status == 0, "\(trained.errors)")
    return runner
  }

  /// An operator's session that is stopped and goes on has the table of one that was not.
  @Test func aSessionThatIsStoppedGoesOn() throws {
    let runner = try project()
    defer { runner.remove() }
    try FileManager.default.copyItem(atPath: runner.folder + "/run", toPath: runner.folder + "/other")
    func evaluate(_ run: String, _ answers: String, _ more: String...) throws -> CommandRunner.Result {
      try runner.run(["evaluate", run, "--protocol", "small-protocol.yaml"] + more, input: answers)
    }
    let whole = try evaluate("run", "\ns\n\nf\n\ns\n\nf\n")
    #expect(whole.status == 0, "\(whole.errors)")
    #expect(whole.output.contains("small  solved  rate  95 % interval"), "\(whole.output)")
    #expect(whole.output.contains("cup       2/3  67 %   21 % to 94 %"), "\(whole.output)")
    #expect(whole.output.contains("table     0/1   0 %    0 % to 79 %"), "\(whole.output)")
    #expect(whole.output.contains("all       2/4  50 %   15 % to 85 %"), "\(whole.output)")
    for line in ["1 of 4, cup:", "The plate on its mark.", "A blue cup.", "4 of 4, table:", "A cloth."] {
      #expect(whole.errors.contains(line), "\(line): \(whole.errors)")
    }
    // Stopped before an attempt, in its judgement, and after one that was repeated.
    let first = try evaluate("other", "\ns\n\nr\n\nf\nq\n")
    #expect(
      first.status == 0 && first.output.contains("2 to go") && first.errors.contains("goes on with the rest"),
      "\(first.errors)")
    #expect(try evaluate("other", "\nq\n").output == first.output)
    // A line that a kill has cut short is no attempt.
    let journal = runner.folder + "/other/protocols/small.jsonl"
    try (String(contentsOfFile: journal, encoding: .utf8) + "{\"identity\":").write(
      toFile: journal, atomically: true, encoding: .utf8)
    #expect(try evaluate("other", "\ns\n").output.contains("1 to go"))
    let last = try evaluate("other", "\nf\n")
    #expect(last.output == whole.output && last.status == 0, "\(last.output)")
    #expect(try evaluate("other", "").output == whole.output)
    let result = try JSONDecoder().decode(
      ProtocolResult.self, from: #require(runner.bytes("other/protocols/small.json")))
    #expect(
      result.attempts.map(\.repeated) == [0, 1, 1, 0] && result.attempts.map(\.success) == [true, false, true, false])
    #expect(result.pace.steps == 20 && result.pace.clippedByRobot == 4 && result.pace.rate != nil)
    #expect(result.attempts[1].seed != result.attempts[0].seed)
    // Another file is another protocol: nothing of before counts.
    try runner.write(Self.definition.replacingOccurrences(of: "blue", with: "green"), to: "small-protocol.yaml")
    let changed = try evaluate("other", "")
    #expect(
      changed.output.contains("0/0") && changed.errors.contains("4 attempts of another policy, protocol, task or robot")
    )
    try refusals(runner)
  }

  /// What was judged of other weights, though of as many steps, is not this policy's; what was repeated is known after a stop.
  @Test func attemptsBelongToThePolicyThatMadeThem() throws {
    let runner = try project()
    defer { runner.remove() }
    func evaluate(_ answers: String) throws -> CommandRunner.Result {
      try runner.run(["evaluate", "run", "--protocol", "small-protocol.yaml"], input: answers)
    }
    #expect(try evaluate("\nr\n\nr\nq\n").output.contains("0/0"))
    #expect(try evaluate("\ns\nq\n").output.contains("1/1"))
    func result() throws -> ProtocolResult {
      try JSONDecoder().decode(ProtocolResult.self, from: #require(runner.bytes("run/protocols/small.json")))
    }
    #expect(try result().attempts.map(\.repeated) == [2] && result().task == "pick")
    let again = try runner.run(
      "train", "run/recipe.yaml", "--run", "run", "--restart", "--set", "seed=9", "--set", "training.steps=2")
    #expect(again.status == 0, "\(again.errors)")
    let other = try evaluate("q\n")
    #expect(other.output.contains("0/0") && other.errors.contains("1 attempts of another policy"), "\(other.errors)")
    // A whole line that nobody can read is not passed over.
    let journal = runner.folder + "/run/protocols/small.jsonl"
    try (String(contentsOfFile: journal, encoding: .utf8) + "{\"identity\": {}}\n").write(
      toFile: journal, atomically: true, encoding: .utf8)
    let damaged = try evaluate("")
    #expect(
      damaged.status == 1 && damaged.complaint.contains("small.jsonl, line 4: not an attempt"), "\(damaged.errors)")
  }

  /// Runs a command at a pseudo-terminal, at which a script acts, and prints how it ended.
  ///
  /// The script must not be called like one of Python's own modules: it would be imported in the place of that.
  private func atTerminal(
    _ runner: CommandRunner, _ script: String, _ arguments: String...
  ) throws -> CommandRunner.Result {
    let beginning = """
      import os, pty, subprocess, sys, time
      ours, theirs = pty.openpty()
      program = subprocess.Popen(sys.argv[1:], stdin=theirs, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
      seen = b""
      def until(words, count=1):
          global seen
          while seen.count(words) < count:
              part = program.stderr.read1(4096)
              if not part:
                  sys.exit("ended: " + seen.decode())
              seen += part

      """
    try runner.write(beginning + script + "print(program.wait())\n", to: "typist.py")
    return try runner.run(
      ["python3", "typist.py", CommandRunner.executable] + arguments, executable: "/usr/bin/env")
  }

  /// At a terminal: an Enter too many before a question begins nothing, and one during an episode ends it.
  @Test func whatIsTypedTooEarlyBeginsNothing() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    let fake = try FakeRobot(folder: runner.folder)
    let found = try atTerminal(
      runner,
      """
      until(b"Enter to begin")
      os.write(ours, b"\\n")
      until(b"k keep")
      os.write(ours, b"k\\n\\n\\n")
      until(b"Enter to begin", 2)
      time.sleep(1)
      assert seen.count(b"k keep") == 1, seen
      os.write(ours, b"q\\n")

      """,
      "record", "--environment", "robot", "--set", "evaluation.simulator=\(Self.robot)", "--episodes", "2", "--output",
      "pick.hdf5")
    #expect(found.output == "1\n", "\(found.output) \(found.errors)")
    #expect(fake.calls.count { $0 == "reset" } == 1)
  }

  /// At a terminal: Enter ends an attempt at once, and what was typed before the question judges nothing.
  @Test func enterEndsAnAttempt() throws {
    let runner = try project()
    defer { runner.remove() }
    try runner.write(
      Self.definition.replacingOccurrences(of: "horizon: 5", with: "horizon: 400"), to: "small-protocol.yaml")
    let found = try atTerminal(
      runner,
      """
      def steps():
          return open("calls").read().split("\\n").count("step")
      until(b"Enter when it is set up")
      before = steps()
      os.write(ours, b"\\n")
      while steps() < before + 3:
          time.sleep(0.01)
      os.write(ours, b"\\nf\\n")
      until(b"Did it succeed")
      time.sleep(1)
      os.write(ours, b"s\\n")
      until(b"2 of 4")
      os.write(ours, b"q\\n")

      """, "evaluate", "run", "--protocol", "small-protocol.yaml")
    #expect(found.output == "0\n", "\(found.output) \(found.errors)")
    let result = try JSONDecoder().decode(
      ProtocolResult.self, from: #require(runner.bytes("run/protocols/small.json")))
    #expect(result.attempts.map(\.success) == [true] && (3..<400).contains(result.attempts[0].pace.steps))
  }

  private func refusals(_ runner: CommandRunner) throws {
    for (text, complaint) in [
      ("name: a\n", "bad.yaml, line 1: 'groups' is missing"),
      ("name: a\ngroups: []\n", "bad.yaml, line 2: 'groups': must have one at least"),
      ("name: a/b\ngroups: []\n", "line 1: 'name': must be letters, digits"),
      ("name: a\ngroups:\n  - {name: b, variations: []}\n", "line 3: 'groups[0].variations': must have one at least"),
      (
        "name: a\ngroups:\n  - {name: b, variations: [{setup: c, count: 0}]}\n",
        "line 3: 'groups[0].variations[0].count': must be from 1"
      ),
      ("name: a\ngroups:\n  - {name: b, variations: [{count: 1}]}\n", "'groups[0].variations[0].setup' is missing"),
      ("name: a\ngroup: []\n", "line 2: unknown key 'group'"),
      ("name: a\nhorizon: many\ngroups: []\n", "line 2: 'horizon' must be a whole number"),
      (
        "name: a\ngroups:\n  - {name: b, variations: [{setup: c}]}\n  - {name: b, variations: [{setup: c}]}\n",
        "'groups': has two of one name"
      ),
    ] {
      try runner.write(text, to: "bad.yaml")
      let refused = try runner.run("evaluate", "run", "--protocol", "bad.yaml")
      #expect(refused.status == 1 && refused.complaint.contains(complaint), "\(complaint): \(refused.errors)")
    }
    for (words, complaint) in [
      ([], "needs an operator: `imitate evaluate` with --protocol FILE"),
      (["--protocol", "small-protocol.yaml", "--with", "random"], "leave out --with"),
      (["--protocol", "none.yaml"], "none.yaml: no such file"),
      (["--protocol", "small-protocol.yaml", "--set", "training.steps=3"], "--set changes how the policy is judged"),
      (
        ["--protocol", "small-protocol.yaml", "--set", "evaluation.simulator.max_speed=0"],
        "'evaluation.simulator.max_speed': must be above 0"
      ),
      (["--protocol", "small-protocol.yaml", "--environment", "./robot.py"], "--protocol is for robots"),
      (["--protocol", "small-protocol.yaml", "--environment", "robot:fly"], "arm has no task 'fly'"),
    ] as [([String], String)] {
      let refused = try runner.run(["evaluate", "run"] + words)
      #expect(refused.status != 0 && refused.errors.contains(complaint), "\(words): \(refused.errors)")
    }
  }

  /// Nothing moves a robot without somebody beside it.
  @Test func aRobotIsNotReplayedUnattended() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try record(runner)
    let refused = try runner.run(
      "replay", "Datasets/small/files/pick.hdf5", "--environment", "robot:pick")
    #expect(refused.status == 1 && refused.complaint.contains("a real robot needs an operator"), "\(refused.errors)")
  }

  /// A robot that is lost in an attempt: the operator decides, and the next attempt has another process.
  @Test func aLostRobotIsTheOperatorsToJudge() throws {
    let runner = try project()
    defer { runner.remove() }
    let dying = "evaluation.simulator.command=[./robot.py, dying]"
    let result = try runner.run(
      ["evaluate", "run", "--protocol", "small-protocol.yaml", "--set", dying], input: "\nf\n\nr\n\nq\n")
    #expect(result.status == 0 && result.errors.contains("ended (exit code 3)"), "\(result.errors)")
    #expect(result.errors.contains("It broke. f count as failed") && result.output.contains("0/1"), "\(result.output)")
  }

  @Test func theProtocolThatComesAlongHasTwentyAttempts() throws {
    let definition = try TrialProtocol(path: CommandRunner.root + "/Recipes/franka-pnp.yaml")
    #expect(definition.groups.map(\.name) == ["cup", "plate", "table"])
    #expect(definition.groups.map { group in definition.items.count { $0.group == group.name } } == [10, 5, 5])
  }
}
