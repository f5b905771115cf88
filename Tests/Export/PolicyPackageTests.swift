import Export
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
    return PolicyPackage(
      description: .init(
        toolkit: "0", name: "trial", encoder: "small", policy: "bc-transformer", parameters: 2, averagedWeights: true,
        observation: .init(
          images: [.init(key: "c", size: .init(height: 2, width: 3))],
          vectors: [.init(key: "robot0_eef_pos", width: 3)],
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
      #expect(read.golden.inputs.mapValues(\.scalars) == original.golden.inputs.mapValues(\.scalars))
      #expect(read.description.observation.vectors[0].unit == "m")
      try package().write(to: folder)  // over an older one
    }
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

  @Test func comparesTheGoldenOutput() throws {
    let golden = package().golden
    try golden.check(Tensor([0.25, -0.50005], shape: [2, 1]))
    #expect(throws: PackageError.self) { try golden.check(Tensor([0.25, -0.51], shape: [2, 1])) }
    #expect(throws: PackageError.self) { try golden.check(Tensor([0.25, .nan], shape: [2, 1])) }
  }
}
