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
    let store = try EpisodeStore(folder: path + ".parts")
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
      #expect(file.instruction(demo) == other.lang)
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
    let summary = try DatasetSummary(file)
    #expect(summary.problems.isEmpty, "\(summary.problems)")
    #expect(summary.demos == 3 && summary.steps == 98 && summary.layouts == [1, 2, 10])
  }
}
