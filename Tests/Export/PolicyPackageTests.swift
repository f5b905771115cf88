import Export
import Files
import Foundation
import Imitation
import Tensors
import Testing

@Suite struct PolicyPackageTests {
  func package() -> PolicyPackage {
    let schema = ObservationSchema(images: ["c": .init(height: 2, width: 3)], vectors: ["robot0_eef_pos": 3])
    let normalizer = Normalizer(keys: [
      "robot0_eef_pos": .init(scale: [1, 2, 3], offset: [0, 0, 1]), "actions": .init(scale: [1], offset: [0]),
    ])
    var golden = GoldenExample(schema: schema, steps: 2, instruction: "open", seed: 5, normalizer: normalizer)
    golden.actions = Tensor([0.25, -0.5], shape: [2, 1])
    (golden.graphActions, golden.draws) = (Tensor([0.26, -0.5], shape: [2, 1]), Tensor([1, 2, 3], shape: [3]))
    return PolicyPackage(
      description: .init(
        toolkit: "0", name: "trial", encoder: "small", policy: "bc-transformer", parameters: 2, averagedWeights: true,
        observation: .init(
          images: [.init(key: "c", size: .init(height: 2, width: 3))],
          vectors: [.init(key: "robot0_eef_pos", width: 3, schema: .init(unit: "m", frame: "world"))],
          steps: 2),
        action: .init(schema: .roboCasa, predicted: 10, executed: 4), vocabulary: ["open"],
        datasets: [.init(task: "t", file: "f", sha256: "00", key: "k", episodes: 1)],
        evaluation: [.init(task: "t", split: "s", episodes: 4, successes: 2, rate: 0.5, low: 0.15, high: 0.85)],
        recipe: "name: trial\n"),
      weights: ["a.weight": Tensor([1, 2], shape: [2])], normalizer: normalizer, golden: golden)
  }

  func written(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try package().write(to: folder)
    try body(folder)
  }

  @Test func survivesTheRoundTrip() throws {
    try written { folder in
      let read = try PolicyPackage(folder: folder)
      let original = package()
      #expect(read.description == original.description)
      #expect(read.weights.mapValues(\.scalars) == ["a.weight": [1, 2]])
      #expect(read.normalizer == original.normalizer)
      #expect(read.golden.actions.scalars == [0.25, -0.5])
      #expect(read.golden.graphActions?.scalars == [0.26, -0.5] && read.golden.draws?.scalars == [1, 2, 3])
      #expect(read.golden.inputs.mapValues(\.scalars) == original.golden.inputs.mapValues(\.scalars))
      #expect(read.description.observation.vectors[0].unit == "m")
      try package().write(to: folder)  // over an older one
    }
  }

  /// What nobody knows is null in the description, said in words on the card, and read back as unknown.
  @Test func whatIsUnknownIsWrittenAsUnknown() throws {
    var silent = package()
    silent.description.action = .init(schema: .unknown(width: 2), predicted: 10, executed: 4)
    silent.description.observation.vectors = [.init(key: "robot0_eef_pos", width: 3)]
    let folder = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try silent.write(to: folder)
    let read = try PolicyPackage(folder: folder)
    #expect(read.description == silent.description)
    #expect(
      read.unknown == "the rate; the control; the name of actions 0 to 1; the unit of actions 0 to 1; "
        + "the range of actions 0 to 1; the unit of robot0_eef_pos")
    #expect(package().unknown == nil)
    let json = try #require(
      JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: folder + "/policy.json")))
        as? [String: Any])
    let action = try #require(json["action"] as? [String: Any])
    let dimension = try #require((action["dimensions"] as? [[String: Any]])?.first)
    for key in ["name", "unit", "low", "high"] { #expect(dimension[key] is NSNull, "\(key)") }
    #expect(action["control_hertz"] is NSNull && action["control"] is NSNull)
    let card = try String(contentsOfFile: folder + "/README.md", encoding: .utf8)
    #expect(card.contains("- 1: action_1 (name unknown), range unknown, unit unknown"))
    #expect(card.contains("rate unknown") && card.contains("`robot0_eef_pos`: 3 numbers, unit unknown"))
    #expect(!card.contains("0.05") && !card.contains("20"))
  }

  /// A description of before anything could be unknown.
  @Test func olderPackagesAreRead() throws {
    let text = """
      {"dimensions": [{"name": "arm_x", "unit": "0.05 m", "low": -1, "high": 1},
      {"name": "action_12", "unit": "as recorded", "low": -1, "high": 1}], "control_hertz": 20, "predicted": 10, "executed": 4}
      """
    let action = try JSONDecoder().decode(PolicyPackage.ActionDescription.self, from: Data(text.utf8))
    #expect(action.schema.dimensions[0] == .init(name: "arm_x", unit: "0.05 m", low: -1, high: 1))
    #expect(action.schema.unknown() == "the control; the unit of action 1")
  }

  /// Version 1 had names, units and a rate whether anybody knew them or not: its weights are read, those are not believed.
  @Test func versionOneKnowsNothing() throws {
    let folder = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try package().write(to: folder)
    #expect(try PolicyPackage(folder: folder).unknown == nil)
    let path = folder + "/policy.json"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let old = text.replacingOccurrences(of: "\"version\" : 2", with: "\"version\" : 1")
      .replacingOccurrences(of: "\"version\": 2", with: "\"version\": 1")
    try #require(old != text)
    try old.write(toFile: path, atomically: true, encoding: .utf8)
    let sums = try String(contentsOfFile: folder + "/SHA256SUMS", encoding: .utf8).split(separator: "\n").map { line in
      guard line.hasSuffix("policy.json") else { return String(line) }
      return SHA256.hash(Data(old.utf8)).hexadecimal + "  policy.json"
    }
    try (sums.joined(separator: "\n") + "\n").write(
      toFile: folder + "/SHA256SUMS", atomically: true, encoding: .utf8)
    let read = try PolicyPackage(folder: folder)
    let unknown = try #require(read.unknown)
    for words in ["the rate", "the unit of actions", "the unit of robot0_eef_pos"] { #expect(unknown.contains(words)) }
    #expect(read.weights.keys.sorted() == ["a.weight"])
  }

  /// What an encoder needs beside weights is in the package, and is not taken for a weight.
  @Test func carriesWhatTheEncoderNeeds() throws {
    var whole = package()
    whole.attached = ["instructions/open the drawer": Tensor([1, 2, 3], shape: [3])]
    let folder = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try whole.write(to: folder)
    let read = try PolicyPackage(folder: folder)
    #expect(read.attached.mapValues(\.scalars) == ["instructions/open the drawer": [1, 2, 3]])
    #expect(read.weights.keys.sorted() == ["a.weight"])
  }

  @Test(arguments: ["policy.json", "weights.safetensors", "golden.safetensors", "README.md"])
  func refusesAChangedByte(_ file: String) throws {
    try written { folder in
      var bytes = try Data(contentsOf: URL(fileURLWithPath: folder + "/" + file))
      bytes[bytes.count / 2] ^= 4
      try bytes.write(to: URL(fileURLWithPath: folder + "/" + file))
      #expect(throws: PackageError.damaged(file: file)) { try PolicyPackage(folder: folder) }
      try FileManager.default.removeItem(atPath: folder + "/" + file)
      #expect(throws: PackageError.missing(file: file)) { try PolicyPackage(folder: folder) }
    }
  }

  @Test func refusesAStrangersFile() throws {
    try written { folder in
      try "x".write(toFile: folder + "/evil.py", atomically: true, encoding: .utf8)
      #expect(throws: PackageError.extra(file: "evil.py")) { try PolicyPackage(folder: folder) }
    }
  }

  @Test func doesNotOverwriteAnotherFolder() throws {
    let folder = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    #expect(throws: PackageError.exists(folder: folder)) { try package().write(to: folder) }
    #expect(throws: PackageError.notAPackage(folder: folder)) { try PolicyPackage(folder: folder) }
  }

  /// Sums of something else, or something beside a package: replacing the folder would delete it.
  @Test func deletesNothingOfOthers() throws {
    let folder = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.createDirectory(atPath: folder + "/sub", withIntermediateDirectories: true)
    try "abc  thesis.txt".write(toFile: folder + "/SHA256SUMS", atomically: true, encoding: .utf8)
    try "x".write(toFile: folder + "/thesis.txt", atomically: true, encoding: .utf8)
    #expect(throws: PackageError.exists(folder: folder)) { try package().write(to: folder) }
    #expect(FileManager.default.fileExists(atPath: folder + "/thesis.txt"))
    try FileManager.default.removeItem(atPath: folder)
    try package().write(to: folder)
    try package().write(to: folder)
    try "x".write(toFile: folder + "/notes.txt", atomically: true, encoding: .utf8)
    #expect(throws: PackageError.holds(folder: folder, file: "notes.txt")) { try package().write(to: folder) }
    #expect(FileManager.default.fileExists(atPath: folder + "/notes.txt"))
  }

  @Test func comparesTheGoldenOutput() throws {
    let golden = package().golden
    // Of a number's scale: what is a thousand times as large may be off by a thousand times as much.
    let large = Normalizer(keys: ["actions": .init(scale: [1000], offset: [0])])
    try golden.check(Tensor([0.3, -0.5], shape: [2, 1]), large)
    #expect(throws: PackageError.self) { try golden.check(Tensor([0.45, -0.5], shape: [2, 1]), large) }
    try golden.check(Tensor([0.25, -0.50005], shape: [2, 1]), package().normalizer)
    #expect(throws: PackageError.self) {
      try golden.check(Tensor([0.25, -0.51], shape: [2, 1]), package().normalizer)
    }
    #expect(throws: PackageError.self) { try golden.check(Tensor([0.25, .nan], shape: [2, 1]), package().normalizer) }
  }
}
