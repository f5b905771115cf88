import Foundation
import Tensors

/// What is wrong with a safetensors file.
public enum SafetensorsError: Error, Equatable, CustomStringConvertible {
  /// A file that cannot be read, or is something else.
  case unreadable(path: String, reason: String)
  /// A file too short for a header.
  case headerTooShort(bytes: Int)
  /// A header longer than any may be.
  case headerTooLong(bytes: UInt64)
  /// A header longer than its file.
  case headerBeyondFile(header: UInt64, file: Int)
  /// A header that is not the JSON it should be.
  case header(String)
  /// A key that stands twice in the header.
  case duplicateKey(String)
  /// A tensor whose entry is wrong.
  case entry(String, reason: String)
  /// A tensor of a type that cannot be read.
  case unsupportedType(String, type: String)
  /// Bytes before a tensor that belong to none.
  case hole(String)
  /// More bytes, or fewer, than the tensors take.
  case trailing(expected: Int, found: Int)
  /// One of the others, and the file it is in.
  indirect case inFile(String, SafetensorsError)

  public var description: String {
    switch self {
    case .unreadable(let path, let reason): "\(path): \(reason)"
    case .headerTooShort(let bytes): "truncated or not a safetensors file: only \(bytes) bytes; fetch it again"
    case .headerTooLong(let bytes): "not a safetensors file: a header of \(bytes) bytes"
    case .headerBeyondFile(let header, let file):
      "truncated or not a safetensors file: a header of \(header) bytes in a file of \(file); fetch it again"
    case .header(let reason): "not a safetensors file: \(reason)"
    case .duplicateKey(let key): "the header names '\(key)' twice"
    case .entry(let name, let reason): "tensor '\(name)': \(reason)"
    case .unsupportedType(let name, let type): "tensor '\(name)' has type \(type), which is not supported"
    case .hole(let name): "tensor '\(name)' does not start where the one before ends"
    case .trailing(let expected, let found):
      "truncated or damaged: the header describes \(expected) bytes of data, the file holds \(found); fetch it again"
    case .inFile(let path, let error): "\(path): \(error)"
    }
  }
}

/// Reads and writes weights as safetensors, with every check of the reference reader and duplicate keys refused besides.
public enum Safetensors {
  static let headerLimit: UInt64 = 100_000_000

  /// F32 tensors as they are; F64, F16, BF16 and I64 are converted.
  /// - Throws: `SafetensorsError`.
  public static func read(_ path: String) throws -> (tensors: [String: Tensor], metadata: [String: String]) {
    if let problem = FileProblem.found(in: path) { throw SafetensorsError.unreadable(path: path, reason: problem) }
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe)
    } catch {
      throw SafetensorsError.unreadable(path: path, reason: "cannot be read")
    }
    do {
      return try parse(data)
    } catch let error as SafetensorsError {
      throw SafetensorsError.inFile(path, error)
    }
  }

  /// What a file says beside its tensors, without opening them.
  /// - Throws: `SafetensorsError`.
  public static func metadata(of path: String) throws -> [String: String] {
    if let problem = FileProblem.found(in: path) { throw SafetensorsError.unreadable(path: path, reason: problem) }
    guard let file = FileHandle(forReadingAtPath: path) else {
      throw SafetensorsError.unreadable(path: path, reason: "cannot be read")
    }
    defer { try? file.close() }
    do {
      let length = try headerLength(file.read(upToCount: 8) ?? Data())
      let bytes = try file.read(upToCount: Int(length)) ?? Data()
      guard bytes.count == Int(length) else {
        throw SafetensorsError.headerBeyondFile(header: length, file: bytes.count + 8)
      }
      return try header(Array(bytes)).metadata
    } catch let error as SafetensorsError {
      throw SafetensorsError.inFile(path, error)
    }
  }

  /// Written whole or not at all, in the reference writer's order: names sorted, header padded to 8 bytes.
  /// - Throws: `WriteError`.
  public static func write(_ tensors: [String: Tensor], metadata: [String: String] = [:], to path: String) throws {
    var header = "{"
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(quoted($0.value))" }
      header += "\"__metadata__\":{\(pairs.joined(separator: ","))},"
    }
    var offset = 0
    let sorted = tensors.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    header += sorted.map { name, tensor in
      let end = offset + tensor.count * 4
      defer { offset = end }
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      return "\(quoted(name)):{\"dtype\":\"F32\",\"shape\":[\(shape)],\"data_offsets\":[\(offset),\(end)]}"
    }.joined(separator: ",")
    if header.hasSuffix(",") { header.removeLast() }
    header += "}"
    var bytes = Array(header.utf8)
    bytes += Array(repeating: 0x20, count: (8 - bytes.count % 8) % 8)
    try AtomicFile.write(to: path) { file in
      try withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { try AtomicFile.append($0, to: file, path: path) }
      try bytes.withUnsafeBytes { try AtomicFile.append($0, to: file, path: path) }
      for (_, tensor) in sorted {
        try tensor.withUnsafeBufferPointer { try AtomicFile.append(UnsafeRawBufferPointer($0), to: file, path: path) }
      }
      // A GPU that was lost meanwhile gave no numbers: what was there stays.
      try Device.check()
    }
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case _ where scalar.value < 0x20: result += String(format: "\\u%04x", scalar.value)
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

extension Safetensors {
  private struct Entry {
    var name: String
    var type: String
    var shape: [Int]
    var begin: Int
    var end: Int
  }

  /// - Throws: `SafetensorsError`.
  public static func parse(_ data: Data) throws -> (tensors: [String: Tensor], metadata: [String: String]) {
    let length = try headerLength(data)
    guard length <= UInt64(data.count - 8) else {
      throw SafetensorsError.headerBeyondFile(header: length, file: data.count)
    }
    let start = data.startIndex + 8
    let (entries, metadata) = try header(Array(data[start..<start + Int(length)]))
    let body = data[(start + Int(length))...]
    var position = 0
    for entry in entries {
      guard entry.begin == position else { throw SafetensorsError.hole(entry.name) }
      position = entry.end
    }
    guard position == body.count else { throw SafetensorsError.trailing(expected: position, found: body.count) }
    var tensors: [String: Tensor] = [:]
    for entry in entries {
      let bytes = body[(body.startIndex + entry.begin)..<(body.startIndex + entry.end)]
      tensors[entry.name] = try bytes.withUnsafeBytes { try tensor(entry, $0) }
    }
    return (tensors, metadata)
  }

  private static func headerLength(_ data: Data) throws -> UInt64 {
    guard data.count >= 8 else { throw SafetensorsError.headerTooShort(bytes: data.count) }
    let length = data.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= headerLimit else { throw SafetensorsError.headerTooLong(bytes: length) }
    return length
  }

  /// The header's tensors, ordered by where they begin.
  private static func header(_ bytes: [UInt8]) throws -> ([Entry], metadata: [String: String]) {
    guard bytes.first == UInt8(ascii: "{") else { throw SafetensorsError.header("the header is not a JSON object") }
    var scanner = JSONScanner(bytes)
    guard case .object(let pairs) = try scanner.document() else {
      throw SafetensorsError.header("the header is not a JSON object")
    }
    var entries: [Entry] = []
    var metadata: [String: String] = [:]
    for (name, value) in pairs {
      if name == "__metadata__" {
        guard case .object(let texts) = value else { throw SafetensorsError.header("__metadata__ is not an object") }
        for (key, value) in texts {
          guard case .text(let text) = value else { throw SafetensorsError.header("__metadata__ '\(key)' is not text") }
          metadata[key] = text
        }
        continue
      }
      entries.append(try entry(name, value))
    }
    entries.sort { ($0.begin, $0.end) < ($1.begin, $1.end) }
    return (entries, metadata)
  }

  private static func entry(_ name: String, _ value: JSONScanner.Value) throws -> Entry {
    func refused(_ reason: String) -> SafetensorsError { .entry(name, reason: reason) }
    guard case .object(let pairs) = value else { throw refused("not an object") }
    let fields = Dictionary(uniqueKeysWithValues: pairs.map { ($0.0, $0.1) })
    guard Set(fields.keys) == ["dtype", "shape", "data_offsets"] else {
      throw refused("needs exactly dtype, shape and data_offsets")
    }
    guard case .text(let type)? = fields["dtype"] else { throw refused("dtype is not text") }
    func wholeNumbers(_ key: String) throws -> [Int] {
      guard case .array(let values)? = fields[key] else { throw refused("\(key) is not a list") }
      return try values.map {
        guard case .number(let text) = $0, let number = Int(text), number >= 0 else {
          throw refused("\(key) holds something else than whole numbers from 0")
        }
        return number
      }
    }
    let shape = try wholeNumbers("shape")
    let offsets = try wholeNumbers("data_offsets")
    guard offsets.count == 2, offsets[0] <= offsets[1] else { throw refused("data_offsets are not begin and end") }
    guard let size = sizes[type] else { throw SafetensorsError.unsupportedType(name, type: type) }
    var bytes = size
    for dimension in shape {
      let (product, overflow) = bytes.multipliedReportingOverflow(by: dimension)
      guard !overflow else { throw refused("shape \(shape) is too large") }
      bytes = product
    }
    guard bytes == offsets[1] - offsets[0] else {
      throw refused("shape \(shape) of \(type) takes \(bytes) bytes, the offsets give \(offsets[1] - offsets[0])")
    }
    return Entry(name: name, type: type, shape: shape, begin: offsets[0], end: offsets[1])
  }

  /// Bytes of one number of the types that can be read.
  private static let sizes = ["F32": 4, "F64": 8, "F16": 2, "BF16": 2, "I64": 8]

  private static func tensor(_ entry: Entry, _ bytes: UnsafeRawBufferPointer) throws -> Tensor {
    let count = entry.shape.reduce(1, *)
    func all<Raw>(_ type: Raw.Type, _ convert: (Raw) -> Float) -> Tensor {
      Tensor(shape: entry.shape) { buffer in
        for i in 0..<count {
          buffer[i] = convert(bytes.loadUnaligned(fromByteOffset: i * MemoryLayout<Raw>.stride, as: Raw.self))
        }
      }
    }
    switch entry.type {
    case "F32":
      return Tensor(shape: entry.shape) { buffer in
        guard count > 0 else { return }
        UnsafeMutableRawBufferPointer(buffer).copyMemory(from: bytes)
      }
    case "F64": return all(Double.self) { Float($0) }
    case "I64": return all(Int64.self) { Float($0) }
    case "BF16": return all(UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
    default: return all(Float16.self) { Float($0) }
    }
  }
}
