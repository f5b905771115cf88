import Files
import Foundation
import Tensors
import Testing

@Suite struct SafetensorsTests {
  private func file(_ header: String, body: Int = 0, length: UInt64? = nil) -> Data {
    var data = Data()
    withUnsafeBytes(of: (length ?? UInt64(header.utf8.count)).littleEndian) { data.append(contentsOf: $0) }
    return data + Data(header.utf8) + Data(count: body)
  }

  @Test func survivesTheRoundTrip() throws {
    let path = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString).safetensors"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let tensors = [
      "b.weight": Tensor([1, -2, .infinity, 4, 5, 6], shape: [2, 3]), "a": Tensor(7),
      "empty": Tensor([], shape: [0, 3]),
    ]
    try Safetensors.write(tensors, metadata: ["note": "quote \" slash \\ line\nü"], to: path)
    let (read, metadata) = try Safetensors.read(path)
    #expect(read.mapValues(\.scalars) == tensors.mapValues(\.scalars))
    #expect(read.mapValues(\.shape) == tensors.mapValues(\.shape))
    #expect(metadata == ["note": "quote \" slash \\ line\nü"])
    #expect(!FileManager.default.fileExists(atPath: path + ".partial"))
    // The reference writer pads the header so that data starts at a multiple of 8.
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    #expect(bytes[0] % 8 == 0)
  }

  @Test(arguments: [
    ("", 0), ("[]", 0), ("{\"a\":1}", 0), ("{", 0), ("{}x", 0), ("{} ", 4),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 9),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", 8),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[9223372036854775807,4],\"data_offsets\":[0,8]}}", 8),
    ("{\"a\":{\"dtype\":\"C64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8),
    (
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
      4
    ),
    (
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
      8
    ),
    ("{\"__metadata__\":{\"a\":1}}", 0),
    (String(repeating: "[", count: 100_000), 0), ("{\"a\":\"\\ud800\"}", 0), ("{\"a\":01}", 0),
  ])
  func refusesDamagedFiles(_ header: String, _ body: Int) {
    #expect(throws: SafetensorsError.self) { try Safetensors.parse(file(header, body: body)) }
  }

  @Test func refusesImpossibleHeaderLengths() {
    #expect(throws: SafetensorsError.headerTooShort(bytes: 3)) { try Safetensors.parse(Data([1, 2, 3])) }
    #expect(throws: SafetensorsError.headerTooLong(bytes: 100_000_001)) {
      try Safetensors.parse(file("{}", length: 100_000_001))
    }
    #expect(throws: SafetensorsError.headerBeyondFile(header: 50, file: 10)) {
      try Safetensors.parse(file("{}", length: 50))
    }
  }

  @Test func readsOtherNumberTypes() throws {
    var data = file(
      "{\"d\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]},\"h\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[8,12]},"
        + "\"x\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[12,16]}}")
    withUnsafeBytes(of: (-2.5).bitPattern.littleEndian) { data.append(contentsOf: $0) }
    for bits in [UInt16(0x3c00), 0x0001, 0x3fc0, 0xc000] { withUnsafeBytes(of: bits) { data.append(contentsOf: $0) } }
    let tensors = try Safetensors.parse(data).tensors
    #expect(tensors["d"]!.scalars == [-2.5])
    #expect(tensors["h"]!.scalars == [1, 0x1p-24])
    #expect(tensors["x"]!.scalars == [1.5, -2])
  }

  /// What stands in the place of weights is named with what to do.
  @Test func namesWhatIsNoSafetensorsFile() throws {
    let folder = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func complaint(_ name: String, _ data: Data? = nil) -> String {
      let path = folder + "/" + name
      if let data { _ = FileManager.default.createFile(atPath: path, contents: data) }
      do {
        _ = try Safetensors.read(path)
        return ""
      } catch {
        return "\(error)"
      }
    }
    #expect(complaint("nowhere") == "\(folder)/nowhere: no such file")
    #expect(complaint(".").contains("a folder; name a file in it"))
    #expect(complaint("a", Data()).contains("empty: "))
    #expect(complaint("b", Data("version https://git-lfs.github.com/spec/v1\n".utf8)).contains("git lfs pull"))
    #expect(complaint("c", Data([0x50, 0x4b, 3, 4])).contains("checkpoint_to_safetensors.py"))
    #expect(complaint("d", Data([1, 2, 3])).contains("fetch it again"))
    mkfifo(folder + "/pipe", 0o600)
    #expect(complaint("pipe").contains("not an ordinary file"))
    let header = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}"
    let whole = file(header, body: 8)
    #expect(complaint("whole", whole) == "")
    for count in 1..<whole.count {
      let words = complaint("cut-\(count)", whole.prefix(count))
      #expect(words.contains("truncated") && words.contains("fetch it again"), "\(count): \(words)")
    }
    // A header whose length begins like a pickle.
    #expect(complaint("long", file(header + String(repeating: " ", count: 0x280 - header.utf8.count), body: 8)) == "")
    #expect(FileProblem.reason(EACCES).contains("no permission to read it"))
    #expect(FileProblem.reason(EIO).contains("cannot be read"))
  }
}
