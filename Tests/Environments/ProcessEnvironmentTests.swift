import Environments
import Files
import Foundation
import Imitation
import Synchronization
import Testing

@Suite struct ProcessEnvironmentTests {
  @Test func playsRecordsAndRestores() throws {
    let program = try Misbehaving()
    defer { program.remove() }
    let environment = try program.start("")
    let spec = environment.spec
    #expect(spec.name == "small" && spec.versions == ["small": "1.0"])
    #expect(spec.schema == ObservationSchema(images: ["front_image": .init(height: 4, width: 4)], vectors: ["arm": 2]))
    #expect(spec.actions.dimensions[0].name == "push" && spec.actions.controlHertz == 10)
    #expect(spec.recorded.observations["arm"] == VectorSchema(unit: "m", frame: "world"))
    #expect(spec.tasks.map(\.group) == ["counting", "small"] && spec.tasks.map(\.horizon) == [40, 5])

    let played = try Played(environment)
    #expect(played.solved && played.rewards == [1, 2, 3, 4, 5, 6].map { $0 / 8 })
    #expect(played.observations[0].instruction == "count to six" && played.observations[3].vectors["arm"]![0] == 0.3)
    #expect(try Played(environment) == played && Played(program.start("")) == played)

    let arguments = try #require(
      JSONSerialization.jsonObject(with: Data(environment.arguments(task: "six").utf8)) as? [String: Any])
    #expect(arguments["env_name"] as? String == "six" && arguments["type"] as? Int == 2)
    #expect((arguments["env_kwargs"] as? [String: Int]) == ["size": 4])
    let metadata = try #require(
      JSONSerialization.jsonObject(with: Data(environment.description.metadata.utf8)) as? [String: Any])
    #expect(metadata["lang"] as? String == "count to six" && metadata["layout_id"] as? Int == 3)
    #expect(metadata["lamp"] as? [Int] == [1] && environment.description.model == "<m/>")

    let episode = EpisodeSpec(task: "six", seed: 7, pool: .evaluation)
    _ = try environment.reset(episode)
    for _ in 0..<2 { _ = try environment.step([0.5]) }
    let state = try environment.state
    let next = try environment.step([1])
    #expect(state.count == 2 && state[0] == 2)
    #expect(try environment.restore(state, of: episode).vectors["arm"]![0] == 0.2)
    let again = try environment.step([1])
    #expect(again.observation == next.observation && again.reward == next.reward)
  }

  @Test func whatDoesNotFitIsRefusedWithoutAsking() throws {
    let program = try Misbehaving()
    defer { program.remove() }
    let environment = try program.start("")
    #expect(throws: ProcessEnvironmentError.notReset(environment: "small")) { _ = try environment.step([1]) }
    #expect(environment.expert(seed: 1, noise: 0) == nil)
    #expect(try environment.state == [])
    #expect(throws: ProcessEnvironmentError.unknownTask(environment: "small", "sit", known: ["six", "other"])) {
      _ = try environment.reset(EpisodeSpec(task: "sit", seed: 1, pool: .training))
    }
    #expect(throws: ProcessEnvironmentError.seed(environment: "small", 1 << 53)) {
      _ = try environment.reset(EpisodeSpec(task: "six", seed: 1 << 53, pool: .training))
    }
    _ = try environment.reset(EpisodeSpec(task: "six", seed: 1 << 53 - 1, pool: .training))
    for action in [[], [1, 2], [Float.nan], [.infinity]] as [[Float]] {
      #expect(throws: ProcessEnvironmentError.self) { _ = try environment.step(action) }
    }
    #expect(try environment.step([1]).observation.vectors["arm"]![0] == 0.1)
  }

  /// What ends the process: one line that says what and where the log is, and a fresh process that plays as if nothing was.
  @Test(arguments: [
    ("silent", "gave no answer within 2 s"), ("family", "gave no answer within 2 s"),
    ("stopped", "gave no answer within 2 s"), ("killed", "ended (signal 9)"),
    ("dying", "ended (exit code 3): out of luck"), ("deaf", "ended (signal 9)"),
    ("printing", "no message: it begins with 'Loading assets..."), ("garbage", "answered no message"),
    ("header", "a header of 2147483648 bytes"), ("body", "a body of 1125899906842624 bytes"),
    ("half", "ended (exit code 0)"), ("twice", "answered twice"),
    ("memory", "GB of memory, more than memory_gigabytes: 0.3"),
    ("text", "has another type of 'reward'"), ("id", "answered another request"), ("busy", "is working for 5 s"),
  ])
  func oneThatGoesDownIsReplaced(_ how: String, _ words: String) throws {
    let program = try Misbehaving()
    defer { program.remove() }
    let undisturbed = try Played(program.start(""))
    let first = program.started.count
    let environment = try program.start(how, once: true) {
      $0.deadline = how == "memory" ? 30 : how == "busy" ? 0.5 : 2
      $0.memoryGigabytes = 0.3
    }
    let error = try #require(throws: ProcessEnvironmentError.self) { _ = try Played(environment) }
    guard case .down("small", "step", let reason, let log) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(reason.contains(words), "\(reason)")
    #expect(!"\(error)".contains { $0.isNewline } && "\(error)".contains(log))
    #expect(FileManager.default.fileExists(atPath: log) && environment.isDown)
    for process in program.started[first...] { expectGone(process) }
    #expect(throws: ProcessEnvironmentError.notReset(environment: "small")) { _ = try environment.step([0]) }
    #expect(try Played(environment) == undisturbed)
    #expect(!environment.isDown)
    unlink(log)
  }

  /// One that answers once more a while later: found at one of the next steps, never taken for the answer to another request.
  @Test func aLateSecondAnswerIsFound() throws {
    let program = try Misbehaving()
    defer { program.remove() }
    let environment = try program.start("later", once: true)
    let error = try #require(throws: ProcessEnvironmentError.self) {
      _ = try environment.reset(EpisodeSpec(task: "six", seed: 1, pool: .training))
      for _ in 0..<10 {
        _ = try environment.step([0])
        usleep(500_000)
      }
    }
    #expect("\(error)".contains("answered twice"), "\(error)")
  }

  @Test func statesOfAnEpisodeHaveOneWidth() throws {
    let program = try Misbehaving()
    defer { program.remove() }
    let environment = try program.start("growing")
    let episode = EpisodeSpec(task: "six", seed: 1, pool: .training)
    _ = try environment.reset(episode)
    #expect(try environment.state.count == 2)
    _ = try environment.step([0])
    let error = try #require(throws: ProcessEnvironmentError.self) { _ = try environment.state }
    #expect("\(error)".contains("its answer to state has a state of 3 values after one of 2"), "\(error)")
    _ = try environment.reset(episode)
    #expect(try environment.state.count == 2)
  }

  /// Answers that are messages and wrong: the episode has failed, the process is the same.
  @Test(arguments: [
    ("shape", "has 'obs/front_image' as uint8 [4, 3, 3], not uint8 [4, 4, 3]"),
    ("dtype", "has 'obs/arm' as int64 [2], not float32 [2]"), ("lacking", "lacks 'obs/front_image'"),
    ("nan reward", "has a 'reward' that is not a number"), ("no reward", "lacks 'reward'"),
    ("no success", "lacks 'success'"), ("null", "lacks 'success'"),
    ("nan", "has a value in 'obs/arm' that is not a number"),
  ])
  func aWrongAnswerIsAFailedEpisode(_ how: String, _ words: String) throws {
    let program = try Misbehaving()
    defer { program.remove() }
    let environment = try program.start(how)
    for _ in 0..<2 {
      let error = try #require(throws: ProcessEnvironmentError.self) { _ = try Played(environment) }
      #expect(error == .answer(environment: "small", call: "step", reason: words))
    }
    #expect(!environment.isDown && program.started.count == 1)
  }

  @Test func anErrorIsOneLineAndItsTracebackIsInTheLog() throws {
    let program = try Misbehaving()
    defer { program.remove() }
    let environment = try program.start("error")
    let error = try #require(throws: ProcessEnvironmentError.self) { _ = try Played(environment) }
    guard case .refused("small", "step", "the gripper fell off", let log?) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(try String(contentsOfFile: log, encoding: .utf8).contains("Traceback: line 7"))
    #expect("\(error)" == "small: step: the gripper fell off; its log is \(log)")
    unlink(log)
  }

  @Test func aLongAnswerThatIsSaidToBeComingIsWaitedFor() throws {
    let program = try Misbehaving()
    defer { program.remove() }
    let environment = try program.start("working") { $0.deadline = 1.5 }
    let signs = Atomic(0)
    let played = try ProcessEnvironment.$listener.withValue(WaitingListener { signs.add(1, ordering: .relaxed) }) {
      try Played(environment)
    }
    #expect(played.solved && signs.load(ordering: .relaxed) >= 6)
  }

  @Test func aProcessMayAskToBeStartedAgain() throws {
    let program = try Misbehaving()
    defer { program.remove() }
    let environment = try program.start("one task")
    let first = try Played(environment)
    _ = try environment.reset(EpisodeSpec(task: "other", seed: 1, pool: .training))
    #expect(program.started.count == 2)
    #expect(try Played(environment) == first && program.started.count == 3)
    for how in ["always", "restart"] {
      let error = try #require(throws: ProcessEnvironmentError.self) { _ = try Played(program.start(how)) }
      #expect("\(error)".contains("wants to be started again"), "\(error)")
    }
  }

  @Test(arguments: [
    ("protocol 2", "is of protocol 2; this toolkit speaks protocol 1"), ("no tasks", "has no tasks"),
    ("horizon", "has the task 'a' with a horizon of 0"), ("key", "has the image '../a'"), ("size", "of size [4]"),
    ("large", "has the image 'a' of size"), ("nothing", "has no observations"),
    ("wide", "has the vector 'a' of width 0"),
    ("still action", "has actions of 0 dimensions"), ("limits", "has a wrong 'action.dimensions.Index 0.low'"),
    ("action text", "has another type of 'action'"), ("slow start", "gave no answer within 1 s"),
    ("import", "No module named 'a_module_that_nobody_has'"), ("restart hello", "wants to be started again"),
    ("missing", "small is not installed: type  pip install small"),
  ])
  func whatDoesNotStartSaysWhy(_ how: String, _ words: String) throws {
    let program = try Misbehaving()
    defer { program.remove() }
    let error = try #require(throws: ProcessEnvironmentError.self) {
      _ = try program.start(how) { if how == "slow start" { $0.startDeadline = 1 } }
    }
    let line = "\(error)"
    #expect(line.hasPrefix("process: ") && line.contains(words) && !line.contains { $0.isNewline }, "\(line)")
    for process in program.started { expectGone(process) }
  }

  @Test func aProgramThatIsNotThereIsNamed() throws {
    let error = try #require(throws: ProcessEnvironmentError.self) {
      _ = try ProcessEnvironment(kind: "metaworld", command: ["/no/such/python", "a.py"], process: ProcessOptions())
    }
    #expect("\(error)" == "metaworld: /no/such/python: not started: No such file or directory")
  }

  @Test func oneThatEndsBetweenEpisodesCostsNone() throws {
    let program = try Misbehaving()
    defer { program.remove() }
    let environment = try program.start("")
    let first = try Played(environment)
    kill(try #require(pid_t(program.started[0])), SIGKILL)
    usleep(200_000)
    #expect(try Played(environment) == first && program.started.count == 2)
  }

  @Test func oneThatIsAnotherAfterAStartIsRefused() throws {
    let program = try Misbehaving()
    defer { program.remove() }
    let marker = program.folder + "/marker"
    let environment = try ProcessEnvironment(
      kind: "process", command: ["python3", program.folder + "/child.py", "changing", marker], process: ProcessOptions()
    )
    let process = try #require(pid_t(program.started[0]))
    _ = try environment.reset(EpisodeSpec(task: "six", seed: 1, pool: .training))
    kill(process, SIGKILL)
    #expect(throws: ProcessEnvironmentError.self) { _ = try environment.step([0]) }
    let error = try #require(throws: ProcessEnvironmentError.self) { _ = try Played(environment) }
    #expect("\(error)".contains("is another one than before"), "\(error)")
  }

  // MARK: Cameras

  @Test(arguments: [
    ("blank", "shows one color only"), ("dark", "shows one color only for 10 steps"),
    ("stuck", "shows the same image for 8 steps while the robot moves"),
  ])
  func aCameraThatShowsNothingIsFound(_ how: String, _ words: String) throws {
    let program = try Misbehaving()
    defer { program.remove() }
    func play(_ frozenAfter: Int) throws {
      let environment = try program.start(how) { $0.frozenAfter = frozenAfter }
      _ = try environment.reset(EpisodeSpec(task: "six", seed: 1, pool: .training))
      for _ in 0..<30 { _ = try environment.step([0]) }
    }
    let error = try #require(throws: ProcessEnvironmentError.self) { try play(how == "dark" ? 100 : 8) }
    #expect(error == .frozen(environment: "small", camera: "front_image", reason: words))
    #expect("\(error)".contains("frozen_after: 0"))
    try play(0)
  }

  /// A robot that stands still before a camera that sees nothing else is no broken camera.
  @Test func aStillSceneIsNoFailure() throws {
    let program = try Misbehaving()
    defer { program.remove() }
    let environment = try program.start("still") { $0.frozenAfter = 5 }
    _ = try environment.reset(EpisodeSpec(task: "six", seed: 1, pool: .training))
    for _ in 0..<30 { _ = try environment.step([0]) }
  }

  // MARK: The process

  @Test func nothingIsLeftBehind() throws {
    let program = try Misbehaving()
    defer { program.remove() }
    do {
      let environment = try program.start("")
      _ = try Played(environment)
    }
    #expect(program.started.count == 1)
    expectGone(program.started[0])
    let folder = CacheFolder.path + "/logs"
    let number = ProcessInfo.processInfo.processIdentifier
    let logs = try FileManager.default.contentsOfDirectory(atPath: folder)
    #expect(!logs.contains { $0.hasPrefix("small-\(number)-") })
  }

  /// A killed process is still listed for a moment on a busy machine: it gets ten seconds to go.
  func expectGone(_ process: Substring) {
    var facts = ""
    for _ in 0..<1000 {
      facts = (try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)) ?? ""
      if facts.isEmpty || facts.contains(") Z ") { return }
      usleep(10_000)
    }
    Issue.record("still there: \(facts)")
  }

  /// The adapters as they are in the program: none is left out, and a Python finds those that it imports.
  @Test func adaptersAreWrittenWhereAPythonFindsThem() throws {
    let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Sources/Environments/adapters").path
    let names = try FileManager.default.contentsOfDirectory(atPath: sources).filter { $0.hasSuffix(".py") }
    #expect(Set(AdapterFiles.files.map(\.name)) == Set(names))
    for name in names {
      let path = try AdapterFiles.path(of: name)
      #expect(FileManager.default.contents(atPath: path) == FileManager.default.contents(atPath: "\(sources)/\(name)"))
    }
  }

  @Test func programsInPythonAreRunByIt() throws {
    var options = ProgramAdapter()
    options.command = ["serve.py", "x"]
    options.process.python = "/opt/python"
    #expect(options.program == ["/opt/python", "serve.py", "x"])
    options.command = ["./serve"]
    #expect(options.program == ["./serve"])
    #expect(throws: SettingError.self) { _ = try ProgramAdapter(Setting(.map([]))) }
    let given = try ProgramAdapter(
      Setting(json: #"{"command": ["a"], "options": {"depth": 3}, "memory_gigabytes": 4}"#))
    #expect(given.process.options.setting.json == #"{"depth":3}"#)
    #expect(given.own == FreeOptions())
  }
}
