import Demonstrations
import Foundation
import Imitation
import Tensors
import Testing

/// h5py opens what we write, and we open what h5py writes. `./run test` makes the virtual environment.
@Suite struct H5pyTests {
  struct Digest: Decodable {
    struct Array: Decodable {
      var shape: [Int]
      var type: String
      var sum: Double
      var weighted: Double
      var compression: String
    }
    struct Demo: Decodable {
      var arrays: [String: Array]
      var num_samples: Int
      var lang: String
      var model: Int
    }
    var demos: [String: Demo]
    var masks: [String: [String]]
    var total: Int
    var env_name: String
  }

  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  func h5py(_ mode: String, _ path: String) throws -> Digest {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Self.root + "/.venv/bin/python")
    process.arguments = [Self.root + "/Tests/Peers/hdf5_peer.py", mode, path]
    let output = Pipe()
    process.standardOutput = output
    try process.run()  // without the environment this fails, and so does the test
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return try JSONDecoder().decode(Digest.self, from: data)
  }

  func temporary(_ name: String) -> String {
    FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString)-\(name).hdf5"
  }

  func sums(_ values: [Double]) -> (sum: Double, weighted: Double) {
    values.enumerated().reduce((0, 0)) { ($0.0 + $1.element, $0.1 + $1.element * Double($1.offset + 1)) }
  }

  @Test func h5pyReadsWhatWeWrite() throws {
    let path = temporary("ours")
    defer { try? FileManager.default.removeItem(atPath: path) }
    var random = Random(seed: 4)
    let store = try EpisodeStore(folder: path + ".parts", identity: "test")
    var episodes: [RecordedEpisode] = []
    for demo in 0..<12 {
      var episode = RecordedEpisode(
        actionWidth: 12,
        description: EpisodeDescription(
          metadata: "{\"lang\": \"open drawer \(demo) – é\"}", model: String(repeating: "x", count: 70_000)))
      for _ in 0..<(3 + demo) {
        let image = Image(width: 6, height: 5, pixels: (0..<90).map { _ in UInt8(random.below(256)) })
        episode.append(
          Observation(
            images: ["robot0_agentview_left_image": image], vectors: ["robot0_eef_pos": [1, Float(random.normal()), 3]]),
          action: (0..<12).map { _ in Float(random.uniform(-1...1)) }, state: [random.normal(), 2], success: false)
      }
      try store.write(episode, at: demo)
      episodes.append(episode)
    }
    try store.assemble(Array(0..<12), to: path, environmentArguments: "{\"env_name\": \"OpenDrawer\"}", seed: 1)
    let found = try h5py("read", path)
    #expect(found.env_name == "OpenDrawer")
    #expect(found.total == episodes.reduce(0) { $0 + $1.length })
    #expect(Set(found.masks.keys) == ["10_demos", "12_demos", "train", "valid"])
    #expect(found.masks["12_demos"]!.count == 12 && found.masks["10_demos"]!.count == 10)
    #expect(Set(found.masks["train"]!).isDisjoint(with: found.masks["valid"]!))
    #expect(found.demos.count == 12)
    for (demo, episode) in episodes.enumerated() {
      let other = try #require(found.demos["demo_\(demo)"])
      #expect(other.num_samples == episode.length && other.lang == "open drawer \(demo) – é" && other.model == 70_000)
      let actions = try #require(other.arrays["actions"])
      #expect(actions.shape == [episode.length, 12] && actions.type == "float64" && actions.compression == "none")
      #expect(abs(actions.weighted - sums(episode.actions.map(Double.init)).weighted) < 1e-9)
      let image = try #require(other.arrays["obs/robot0_agentview_left_image"])
      #expect(image.shape == [episode.length, 5, 6, 3] && image.type == "uint8" && image.compression == "gzip")
      #expect(image.weighted == sums(episode.cameras["robot0_agentview_left_image"]!.pixels.map(Double.init)).weighted)
      #expect(other.arrays["dones"]!.type == "int64")
      #expect(other.arrays["action_dict/rel_rot_6d"]!.shape == [episode.length, 6])
      #expect(other.arrays["action_dict/rel_rot_6d"]!.type == "float32")
    }
  }

  @Test(arguments: ["plain", "fixed", "v110"]) func weReadWhatH5pyWrites(_ kind: String) throws {
    let path = temporary(kind)
    defer { try? FileManager.default.removeItem(atPath: path) }
    let expected = try h5py("write", path)
    let file = try DemonstrationFile(path: path)
    #expect(file.task == "OpenDrawer")  // without MimicGen's prefix
    #expect(file.demos == ["demo_1", "demo_2", "demo_10"])  // by number, not by name
    #expect(try file.mask("2_demos") == ["demo_1", "demo_10"])
    for demo in file.demos {
      let other = try #require(expected.demos[demo])
      #expect(try file.instruction(demo) == other.lang)
      for (key, array) in other.arrays {
        let values = try file.hdf5.doubles("data/\(demo)/\(key)")
        #expect(try file.hdf5.shape("data/\(demo)/\(key)") == array.shape)
        #expect(abs(sums(values).weighted - array.weighted) <= 1e-9 * max(1, abs(array.weighted)), "\(demo)/\(key)")
      }
      // A row alone equals that row of the whole.
      let key = "data/\(demo)/obs/robot0_agentview_left_image"
      let all = try file.hdf5.bytes(key)
      #expect(try file.hdf5.bytes(key, rows: 7..<9) == Array(all[7 * 3072..<9 * 3072]))
    }
    let summary = DatasetSummary(file)
    #expect(summary.problems.isEmpty, "\(summary.problems)")
    #expect(summary.demos == 3 && summary.steps == 98 && summary.layouts == [1, 2, 10])
  }

  func written(_ mode: String, _ name: String) throws -> String {
    let path = temporary(name)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Self.root + "/.venv/bin/python")
    process.arguments = [Self.root + "/Tests/Peers/hdf5_peer.py", mode, path]
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return path
  }

  @Test(arguments: [("seven", 7), ("eight", 8), ("twelve", 12)]) func readsOtherWidthsAndPartsLeftOut(
    _ name: String, _ width: Int
  ) throws {
    let path = try written("odd", name)
    defer { try? FileManager.default.removeItem(atPath: path) }
    let all = try Demonstrations(
      .init([.init(path: path)], images: [], vectors: ["robot0_eef_pos", "angle"], memory: 0))
    #expect(all.actionWidth == width && all.episodes.map(\.length) == [9, 14, 6])
    #expect(all.schema.vectors == ["robot0_eef_pos": 3, "angle": 1])
    #expect(all.episodes.map(\.instruction) == ["open", "", ""])
    let train = try Demonstrations(.init([.init(path: path, key: "train")], images: [], vectors: ["angle"], memory: 0))
    #expect(train.episodes.map(\.name) == ["demo_0", "demo_2"])
    func error(_ body: @autoclosure () throws -> Any) -> DemonstrationError? {
      do { _ = try body() } catch { return error as? DemonstrationError }
      return nil
    }
    #expect(
      error(try Demonstrations(.init([.init(path: path, key: "50_demos")], images: [], vectors: ["angle"], memory: 0)))
        == .danglingKey(file: path, key: "50_demos", demo: "demo_7"))
    #expect(
      error(try Demonstrations(.init([.init(path: path)], images: [], vectors: ["sometimes"], memory: 0)))
        == .missingObservation(
          file: path, demo: "demo_1", key: "sometimes", available: ["angle", "depth", "robot0_eef_pos"]))
    #expect(
      error(try Demonstrations(.init([.init(path: path)], images: ["depth"], vectors: [], memory: 0)))
        == .unusable(
          file: path, demo: "demo_0", key: "depth",
          reason: "is [9, 6, 6, 1] of floats, not [rows, height, width, 3] of bytes"))
  }

  @Test func summarisesObjectsCamerasAndDemos() throws {
    let path = try written("odd", "twelve")
    defer { try? FileManager.default.removeItem(atPath: path) }
    let odd = try DatasetSummary(DemonstrationFile(path: path))
    #expect(odd.table.map(\.steps) == [9, 14, 6])
    #expect(odd.table[0].category == "apple" && odd.table[0].layout == 3 && odd.table[1].category == nil)
    #expect(odd.categories.map(\.text) == ["apple"])
    #expect(odd.problems.contains { $0.contains("demo_7") })
    #expect(odd.actions.filter(\.isConstant).map(\.index) == [7, 8, 9, 10, 11])
    // Two grey frames and one black one: mean and deviation by hand.
    let images = temporary("images")
    defer { try? FileManager.default.removeItem(atPath: images) }
    try HDF5File.atomically(images) { file in
      try file.createGroup("data")
      var episode = RecordedEpisode(actionWidth: 7, description: .init(metadata: "{}", model: ""))
      for grey in [UInt8(90), 90, 0] {
        var image = Image(width: 2, height: 2, red: grey, green: grey, blue: grey)
        if grey > 0 { image.pixels[0] = 120 }
        episode.append(
          Observation(images: ["c": image]), action: Array(repeating: 0, count: 7), state: [0], success: false)
      }
      try file.write(episode, as: "data/demo_0")
    }
    let summary = try DatasetSummary(DemonstrationFile(path: images))
    let camera = try #require(summary.cameras.first)
    #expect(camera.frames == 3 && camera.plain == 1 && camera.repeated == 1)
    #expect(camera.mean == [65, 60, 60])
    // Of 36 numbers 2 are 120, 22 are 90 and 12 are 0.
    let mean = (2 * 120.0 + 22 * 90) / 36
    #expect(abs(camera.deviation - ((2 * 14_400.0 + 22 * 8100) / 36 - mean * mean).squareRoot()) < 1e-9)
    #expect(summary.problems.contains("demo_0: 'c' has frames of one color"))
    let page = try DatasetSummary.page([odd, summary], sheets: [nil, nil], title: "<two>")
    #expect(page.contains("<title>&lt;two&gt;</title>") && page.contains("<td>apple</td>"))
    #expect(!page.contains("http"))
  }

  @Test func choosesActions() throws {
    let path = try written("odd", "twelve")
    defer { try? FileManager.default.removeItem(atPath: path) }
    func open(_ columns: ActionColumns) throws -> Demonstrations {
      try Demonstrations(.init([.init(path: path)], images: [], vectors: ["angle"], actions: columns, memory: 0))
    }
    let whole = try open(.init())
    let seven = try open(.init(learned: [6, 0, 1, 2, 3, 4, 5]))
    #expect(seven.actionWidth == 7)
    #expect(seven.actionLayout.template == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1])
    for episode in 0..<3 {
      let all = try whole.actions(episode: episode)
      let some = try seven.actions(episode: episode)
      for row in 0..<whole.episodes[episode].length {
        let learned = Array(some[row * 7..<(row + 1) * 7])
        #expect(learned[0] == all[row * 12 + 6])
        // What the policy learned, put back into the whole, is what was recorded.
        #expect(seven.actionLayout.whole(learned) == Array(all[row * 12..<(row + 1) * 12]))
      }
    }
    let given = try open(.init(learned: [0, 1, 2, 3, 4, 5], constants: [1, 0, 0, 0, 0, -1]))
    #expect(given.actionLayout.template == [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1])
    // Absolute actions are another array; parts of the dictionary lie side by side.
    let absolute = try open(.init(arrays: ["actions_abs"]))
    #expect(try absolute.actions(episode: 1) == whole.actions(episode: 1).map { $0 * 2 })
    let parts = try open(
      .init(arrays: ["action_dict/gripper", "action_dict/rel_pos", "action_dict/rel_rot_axis_angle"]))
    #expect(parts.actionWidth == 7)
    #expect(try parts.actions(episode: 2) == seven.actions(episode: 2))
    do {
      _ = try open(.init(learned: [0, 1]))
      Issue.record("a moving action was left out")
    } catch DemonstrationError.columnMoves(let column, _, _) {
      #expect(column == 2)
    }
    #expect(throws: DemonstrationError.noSuchColumn(12, width: 12)) { try open(.init(learned: [12])) }
    #expect(throws: DemonstrationError.constants(given: 1, leftOut: [7, 8, 9, 10, 11])) {
      try open(.init(learned: [0, 1, 2, 3, 4, 5, 6], constants: [0]))
    }
  }

  /// The mark that a killed SWMR writer leaves is no reason to refuse; a file that somebody writes plainly is.
  @Test func readsMarkedFilesAndRefusesThoseBeingWritten() throws {
    let marked = try written("swmr", "swmr")
    defer { try? FileManager.default.removeItem(atPath: marked) }
    #expect(try DemonstrationFile(path: marked).length("demo_0") == 3)
    // Two at once may read.
    let (one, two) = (try DemonstrationFile(path: marked), try DemonstrationFile(path: marked))
    #expect(try one.hdf5.doubles("data/demo_0/actions") == two.hdf5.doubles("data/demo_0/actions"))
    let open = temporary("open")
    defer { try? FileManager.default.removeItem(atPath: open) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Self.root + "/.venv/bin/python")
    process.arguments = [
      "-c",
      """
      import h5py, sys
      file = h5py.File(sys.argv[1], "w")
      file["data/demo_0/actions"] = [[0.0]]
      file.flush()
      print("written", flush=True)
      sys.stdin.read()
      """, open,
    ]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    defer { process.waitUntilExit() }
    #expect(String(decoding: output.fileHandleForReading.readData(ofLength: 8), as: UTF8.self) == "written\n")
    #expect(throws: HDF5Error.beingWritten(open)) { try DemonstrationFile(path: open) }
    try input.fileHandleForWriting.close()
  }
}
