import Demonstrations
import Foundation
import Imitation
import Tensors

/// Runs the real executable in a folder of its own.
struct CommandRunner {
  struct Result {
    var status: Int32
    var output: String
    var errors: String
    /// The complaint: the line that starts with the command's name.
    var complaint: String { errors.split(separator: "\n").last.map(String.init) ?? "" }
  }

  let folder: String

  init() throws {
    folder = FileManager.default.temporaryDirectory.path + "/imitate-tests-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  func remove() {
    try? FileManager.default.removeItem(atPath: folder)
  }

  /// How often what must survive being killed is killed; IMITATE_TEST_KILLS=20 looks longer.
  static let kills = ProcessInfo.processInfo.environment["IMITATE_TEST_KILLS"].flatMap(Int.init) ?? 8

  /// The command built beside these tests.
  static let executable = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    .deletingLastPathComponent().appending(path: "imitate").path

  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  /// - Parameter input: what stands on its standard input.
  func start(
    _ arguments: [String], executable: String = CommandRunner.executable, log: String, input: String = "",
    environment: [String: String] = [:]
  ) throws -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: executable)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.environment = ProcessInfo.processInfo.environment.merging(["IMITATE_CACHE": folder + "/cache"]) { $1 }
      .merging(environment) { $1 }
    for (name, isErrors) in [(log + ".out", false), (log + ".err", true)] {
      _ = FileManager.default.createFile(atPath: folder + "/" + name, contents: nil)
      let handle = FileHandle(forWritingAtPath: folder + "/" + name)
      if isErrors { process.standardError = handle } else { process.standardOutput = handle }
    }
    try write(input, to: log + ".in")
    process.standardInput = FileHandle(forReadingAtPath: folder + "/" + log + ".in")
    // Tests run on threads that block all signals, and children inherit that; those of a shell do not.
    var (none, old) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &old)
    defer { pthread_sigmask(SIG_SETMASK, &old, nil) }
    try process.run()
    return process
  }

  func changed(_ path: String) throws -> Date? {
    try FileManager.default.attributesOfItem(atPath: folder + "/" + path)[.modificationDate] as? Date
  }

  /// Starts a command and, after so many seconds, kills it (even attempts) or one of its workers (odd ones); it goes on
  /// without that one and is ended as long after.
  func kill(_ arguments: [String], _ attempt: Int, after seconds: Double) throws {
    let process = try start(arguments, log: "kill-\(attempt)")
    Thread.sleep(forTimeInterval: seconds)
    if attempt % 2 == 0 {
      Foundation.kill(process.processIdentifier, SIGKILL)
    } else {
      if let worker = firstChild(of: process.processIdentifier) { Foundation.kill(worker, SIGKILL) }
      Thread.sleep(forTimeInterval: seconds)
      Foundation.kill(process.processIdentifier, SIGTERM)
    }
    process.waitUntilExit()
  }

  private func firstChild(of parent: Int32) -> Int32? { children(of: parent).first }

  /// The processes that a process has started and that run.
  func children(of parent: Int32) -> [Int32] {
    let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return processes.compactMap { Int32($0) }.filter { child in
      let text = (try? String(contentsOfFile: "/proc/\(child)/stat", encoding: .utf8)) ?? ""
      // pid (name) state parent: names may hold spaces.
      let facts = text.split(separator: ")").last?.split(separator: " ") ?? []
      return facts.count > 1 && Int32(facts[1]) == parent && facts[0] != "Z"
    }
  }

  /// Sends a signal to each of the first `count` children of a running command that serve `verb`, as soon as it is there.
  func stop(_ count: Int, _ verb: String, of process: Process, by signal: Int32 = SIGSTOP) {
    var stopped: Set<Int32> = []
    while stopped.count < count, process.isRunning {
      for child in children(of: process.processIdentifier) where !stopped.contains(child) {
        // Not before it has become what it is to be: who starts it waits for that.
        let words = (try? String(contentsOfFile: "/proc/\(child)/cmdline", encoding: .utf8))?.split(separator: "\0")
        guard words?.dropFirst().first == Substring(verb) else { continue }
        Foundation.kill(child, signal)
        stopped.insert(child)
        if stopped.count == count { break }
      }
      usleep(500)
    }
  }

  @discardableResult
  func run(_ arguments: String..., executable: String = CommandRunner.executable) throws -> Result {
    try run(arguments, executable: executable)
  }

  @discardableResult
  func run(
    _ arguments: [String], executable: String = CommandRunner.executable, input: String = "",
    environment: [String: String] = [:]
  ) throws -> Result {
    let log = UUID().uuidString
    let process = try start(
      arguments, executable: executable, log: log, input: input, environment: environment)
    process.waitUntilExit()
    func text(_ ending: String) -> String {
      (try? String(contentsOfFile: "\(folder)/\(log).\(ending)", encoding: .utf8)) ?? ""
    }
    return Result(status: process.terminationStatus, output: text("out"), errors: text("err"))
  }

  /// What begins with `#!` can be run.
  func write(_ text: String, to name: String) throws {
    let path = folder + "/" + name
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    guard text.hasPrefix("#!") else { return }
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
  }

  #if Kitchenette
    /// A recipe whose simulator is served, and a script `serve.sh` that serves it.
    func serveKitchenette(cameras: String = "[robot0_agentview_left]") throws {
      try write(
        "evaluation: {simulator: {kind: kitchenette, image_size: 20, cameras: \(cameras)}}\n", to: "served.yaml")
      try write(
        "#!/bin/bash\nexec '\(CommandRunner.executable)' serve-environment \"$(dirname \"$0\")/served.yaml\"\n",
        to: "serve.sh")
    }
  #endif

  func bytes(_ name: String) -> Data? { FileManager.default.contents(atPath: folder + "/" + name) }

  /// A registry of one task, a small recipe for it, and demonstrations that follow a rule a policy can learn.
  ///
  /// - Parameters:
  ///   - geometry: whether the camera's depths and calibration are recorded too.
  ///   - hand: whether there is a second camera.
  ///   - schema: what the file says of its numbers.
  func writeSmallProject(
    demos: Int = 4, size: Int = 20, geometry: Bool = false, hand: Bool = false,
    schema: DemonstrationSchema = .init(actions: ["actions": .roboCasa]),
    damage: (inout RecordedEpisode, Int) -> Void = { _, _ in }
  )
    throws
  {
    try write(
      """
      name: small
      about: for tests
      sources:
        some: {path: "files/{task}.hdf5", about: a rule}
      splits: [some-\(demos)]
      tasks:
        - {name: OpenDrawer, group: drawers, horizon: 120}

      """, to: "Datasets/small.yaml")
    try write(
      CommandRunner.recipe.replacingOccurrences(of: "split: some", with: "split: some-\(demos)"), to: "recipe.yaml")
    let store = try EpisodeStore(folder: folder + "/parts", identity: "test")
    for demo in 0..<demos {
      var random = Random(seed: UInt64(demo))
      var episode = RecordedEpisode(
        actionWidth: 12,
        description: EpisodeDescription(
          metadata: "{\"lang\": \"open the \(demo % 2 == 0 ? "left" : "right") drawer\", \"layout_id\": 1}",
          model: "<mujoco/>"))
      for step in 0..<12 {
        let x = Float(random.uniform(-1...1))
        let image = Image(width: size, height: size, red: UInt8(step * 20), green: UInt8((x + 1) * 120), blue: 9)
        var vectors: [String: [Float]] = ["robot0_base_to_eef_pos": [x, 0.5, -x]]
        if geometry {
          for name in ["robot0_agentview_left"] + (hand ? ["robot0_eye_in_hand"] : []) {
            let camera = CameraKeys(name)
            vectors[camera.depth] = (0..<size * size).map { 1 + 0.3 * Float($0 % size) / Float(size) + 0.1 * x }
            vectors[camera.calibration] =
              CameraCalibration(fieldOfView: 45, size: .init(height: size, width: size)).numbers
          }
        }
        var images = ["robot0_agentview_left_image": image]
        if hand {
          images["robot0_eye_in_hand_image"] = Image(
            width: size, height: size, red: 9, green: UInt8(step * 20), blue: UInt8((x + 1) * 120))
        }
        episode.append(
          Observation(images: images, vectors: vectors),
          action: [x / 2] + Array(repeating: 0, count: 10) + [-1], state: [Double(step)], success: step == 11)
      }
      damage(&episode, demo)
      try store.write(episode, at: demo)
    }
    try FileManager.default.createDirectory(
      atPath: folder + "/Datasets/small/files", withIntermediateDirectories: true)
    try store.assemble(
      Array(0..<demos), to: folder + "/Datasets/small/files/OpenDrawer.hdf5",
      environmentArguments: "{\"env_name\": \"OpenDrawer\", \"type\": 1, \"env_kwargs\": {}}", schema: schema, seed: 1)
  }

  static let recipe = """
    name: small
    data:
      registry: small
      split: some
      tasks: [OpenDrawer]
      validation: 0.25
    observations:
      images: [robot0_agentview_left_image]
      vectors: [robot0_base_to_eef_pos]
      normalization: gaussian
    actions: {normalization: min_max, n_action_steps: 2}
    encoder: {kind: small, crop: 18, channels: 16}
    policy: {kind: bc-transformer, context: 2, horizon: 4, width: 16, layers: 1, heads: 2}
    training:
      steps: 24
      batch: 4
      learning_rate: 1.0e-3
      average_power: 0.75
      log_every: 4
      validate_every: 8
      checkpoint_every: 2
    evaluation:
      simulator: {kind: kitchenette, image_size: 20}
      episodes: 1

    """
}
