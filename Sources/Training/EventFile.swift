import Foundation

/// Appends scalars to a TensorBoard event file.
///
/// A record is: length (UInt64), masked CRC-32C of the length, the `Event` message, masked CRC-32C of the message, all
/// little-endian. Four protobuf fields are all it takes, so they are written here by hand.
package final class EventFile {
  private let handle: FileHandle

  /// Creates `path`; the file's own first record names the format version.
  package init(path: String, wallTime: Double) throws {
    guard FileManager.default.createFile(atPath: path, contents: nil), let handle = FileHandle(forWritingAtPath: path)
    else { throw CocoaError(.fileWriteUnknown, userInfo: [NSFilePathErrorKey: path]) }
    self.handle = handle
    try append(EventFile.event(wallTime: wallTime, step: 0, field: 3, payload: Data("brain.Event:2".utf8)))
  }

  package func add(_ scalars: [String: Double], step: Int, wallTime: Double) throws {
    var summary = Data()
    for (tag, value) in scalars.sorted(by: { $0.key < $1.key }) {
      var entry = Data()
      entry.append(field: 1, Data(tag.utf8))
      entry.append(0x15)  // simple_value: field 2, 32 bits
      entry.append(littleEndian: Float(value).bitPattern)
      summary.append(field: 1, entry)
    }
    try append(EventFile.event(wallTime: wallTime, step: step, field: 5, payload: summary))
  }

  deinit { try? handle.close() }

  private static func event(wallTime: Double, step: Int, field: UInt8, payload: Data) -> Data {
    var event = Data([0x09])  // wall_time: field 1, 64 bits
    event.append(littleEndian: wallTime.bitPattern)
    event.append(0x10)  // step: field 2, varint
    event.append(varint: UInt64(step))
    event.append(field: field, payload)
    return event
  }

  private func append(_ event: Data) throws {
    var length = Data()
    length.append(littleEndian: UInt64(event.count))
    var record = length
    record.append(littleEndian: EventFile.maskedChecksum(length))
    record.append(event)
    record.append(littleEndian: EventFile.maskedChecksum(event))
    try handle.write(contentsOf: record)
  }

  package static func maskedChecksum(_ data: Data) -> UInt32 {
    let sum = checksum(data)
    return (sum >> 15 | sum << 17) &+ 0xa282_ead8
  }

  /// CRC-32C (Castagnoli), reflected.
  package static func checksum(_ data: Data) -> UInt32 {
    var sum: UInt32 = .max
    for byte in data {
      sum ^= UInt32(byte)
      for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0x82f6_3b78 : sum >> 1 }
    }
    return ~sum
  }
}

extension Data {
  fileprivate mutating func append<Value: FixedWidthInteger>(littleEndian value: Value) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }

  fileprivate mutating func append(varint value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      append(UInt8(rest & 0x7f) | 0x80)
      rest >>= 7
    }
    append(UInt8(rest))
  }

  /// A length-delimited field below number 16.
  fileprivate mutating func append(field: UInt8, _ payload: Data) {
    append(field << 3 | 2)
    append(varint: UInt64(payload.count))
    append(payload)
  }
}
