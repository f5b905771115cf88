/// An array of numpy's, or one of its scalars, as openpi's `msgpack_numpy` writes them: a map with the keys
/// `__ndarray__`, `data`, `dtype` and `shape`, which are bytes there.
package struct NumericArray: Sendable, Equatable {
  /// numpy's name of the type, as `<f4` or `|u1`.
  package var type: String
  package var shape: [Int]
  /// In C order.
  package var data: ArraySlice<UInt8>

  package init(type: String, shape: [Int], data: ArraySlice<UInt8>) {
    (self.type, self.shape, self.data) = (type, shape, data)
  }

  /// 32-bit floats, row by row.
  package init(_ rows: [[Float]], width: Int) {
    var data: [UInt8] = []
    data.reserveCapacity(rows.count * width * 4)
    for row in rows { for value in row { withUnsafeBytes(of: value.bitPattern.littleEndian) { data += $0 } } }
    self.init(type: "<f4", shape: [rows.count, width], data: data[...])
  }

  /// Type and shape, in a user's words.
  package var description: String { "\(NumericArray.word(type)) \(shape)" }

  /// numpy's word for a type, as `float32` for `<f4`.
  private static func word(_ type: String) -> String {
    let kinds: [Character: String] = ["f": "float", "i": "int", "u": "uint"]
    guard let kind = type.dropFirst().first, let word = kinds[kind], let bytes = Int(type.dropFirst(2)) else {
      return type == "|b1" ? "bool" : "dtype '\(type)'"
    }
    return "\(word)\(bytes * 8)" + (type.hasPrefix(">") ? " (big endian)" : "")
  }

  /// The values as floats; nil for a type that holds no numbers, or data that does not fill the shape.
  package var floats: [Float]? {
    let isBig = type.hasPrefix(">")
    func read<T: FixedWidthInteger, Value>(_: T.Type, _ value: (T) -> Value) -> [Value] {
      data.withUnsafeBytes { bytes in
        stride(from: 0, to: bytes.count, by: MemoryLayout<T>.size).map {
          let bits = bytes.loadUnaligned(fromByteOffset: $0, as: T.self)
          return value(isBig ? T(bigEndian: bits) : T(littleEndian: bits))
        }
      }
    }
    guard let size = Int(type.dropFirst(2)), fills(size: size) else { return nil }
    return switch type.dropFirst() {
    case "f2": read(UInt16.self) { Float(Float16(bitPattern: $0)) }
    case "f4": read(UInt32.self) { Float(bitPattern: $0) }
    case "f8": read(UInt64.self) { Float(Double(bitPattern: $0)) }
    case "i1": read(Int8.self) { Float($0) }
    case "i2": read(Int16.self) { Float($0) }
    case "i4": read(Int32.self) { Float($0) }
    case "i8": read(Int64.self) { Float($0) }
    case "u1": read(UInt8.self) { Float($0) }
    case "u2": read(UInt16.self) { Float($0) }
    case "u4": read(UInt32.self) { Float($0) }
    case "u8": read(UInt64.self) { Float($0) }
    default: nil
    }
  }

  /// The values of an array of bytes; nil for another type, or data that does not fill the shape.
  package var bytes: ArraySlice<UInt8>? { type.dropFirst() == "u1" && fills(size: 1) ? data : nil }

  private func fills(size: Int) -> Bool {
    var count = size
    for length in shape {
      let (product, overflows) = count.multipliedReportingOverflow(by: length)
      guard length >= 0, !overflows else { return false }
      count = product
    }
    return count == data.count
  }
}

extension MessagePack {
  /// The array that a map stands for; nil for all else.
  package var array: NumericArray? {
    guard self["__ndarray__"] == .bool(true), case .bytes(let data) = self["data"], let type = self["dtype"]?.name,
      case .list(let lengths) = self["shape"]
    else { return nil }
    let shape = lengths.compactMap { if case .integer(let length) = $0 { Int(length) } else { nil } }
    return shape.count == lengths.count ? NumericArray(type: type, shape: shape, data: data) : nil
  }

  /// The value of a map that stands for a scalar of numpy's; all else as it is.
  package var plain: MessagePack {
    guard self["__npgeneric__"] == .bool(true), let value = self["data"] else { return self }
    return value
  }

  /// An array as `msgpack_numpy` writes it.
  package init(_ array: NumericArray) {
    func key(_ name: String) -> MessagePack { .bytes(Array(name.utf8)[...]) }
    self = .map([
      Entry(key: key("__ndarray__"), value: .bool(true)), Entry(key: key("data"), value: .bytes(array.data)),
      Entry(key: key("dtype"), value: .text(array.type)),
      Entry(key: key("shape"), value: .list(array.shape.map { .integer(Int64($0)) })),
    ])
  }
}
