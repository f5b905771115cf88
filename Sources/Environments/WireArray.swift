import Imitation

/// One array of a message: C order, little endian.
package struct WireArray: Sendable, Equatable {
  /// What it holds, by the name of its type.
  package enum Values: Sendable, Equatable {
    case uint8([UInt8])
    case int64([Int64])
    case float32([Float])
    case float64([Double])

    /// The type's name.
    var type: String {
      switch self {
      case .uint8: "uint8"
      case .int64: "int64"
      case .float32: "float32"
      case .float64: "float64"
      }
    }

    package var count: Int {
      switch self {
      case .uint8(let values): values.count
      case .int64(let values): values.count
      case .float32(let values): values.count
      case .float64(let values): values.count
      }
    }
  }

  /// How an array of uint8 `[height, width, 3]` travels; all others are raw.
  package enum Encoding: String, CaseIterable, SettingValue {
    case raw, jpeg, png
  }

  package var name: String
  package var shape: [Int]
  package var values: Values

  /// - Parameter shape: one axis when nil.
  package init(_ name: String, _ values: Values, shape: [Int]? = nil) {
    self.name = name
    self.values = values
    self.shape = shape ?? [values.count]
  }

  package init(_ name: String, _ image: Image) {
    self.init(name, .uint8(image.pixels), shape: [image.height, image.width, 3])
  }

  /// As an image; nil when it is none.
  package var image: Image? {
    guard case .uint8(let pixels) = values, shape.count == 3, shape[2] == 3 else { return nil }
    return Image(width: shape[1], height: shape[0], pixels: pixels)
  }

  /// As floats; nil for other types than float32 and float64.
  package var floats: [Float]? {
    switch values {
    case .float32(let values): values
    case .float64(let values): values.map(Float.init)
    default: nil
    }
  }

  /// Its entry in the header without the count of bytes, and its bytes.
  func encoded(_ encoding: Encoding, quality: Int) throws -> (entry: WireEntry, bytes: [UInt8]) {
    func raw<Value>(_ dtype: String, _ values: [Value]) -> (WireEntry, [UInt8]) {
      let bytes = values.withUnsafeBytes { Array($0) }
      return (WireEntry(name: name, dtype: dtype, shape: shape, bytes: bytes.count), bytes)
    }
    switch values {
    case .uint8(let values):
      guard encoding != .raw, let image else { return raw("uint8", values) }
      let bytes = encoding == .jpeg ? try image.jpeg(quality: quality) : image.png()
      return (
        WireEntry(name: name, dtype: "uint8", shape: shape, encoding: encoding.rawValue, bytes: bytes.count), bytes
      )
    case .int64(let values): return raw("int64", values)
    case .float32(let values): return raw("float32", values)
    case .float64(let values): return raw("float64", values)
    }
  }
}

/// What a header says of an array.
struct WireEntry: Codable {
  var name: String
  var dtype: String
  var shape: [Int]
  /// Raw when nil.
  var encoding: String?
  /// How many it has in the body.
  var bytes: Int

  /// - Parameters:
  ///   - body: this array's part of it.
  ///   - room: how many bytes it may have when it is unpacked.
  /// - Throws: `WireError`.
  func array(_ body: UnsafeRawBufferPointer, room: Int) throws -> WireArray {
    func refused(_ problem: WireError.ArrayProblem) -> WireError { .array(name, problem) }
    let sizes = ["uint8": 1, "int64": 8, "float32": 4, "float64": 8]
    guard let size = sizes[dtype] else { throw refused(.type(dtype)) }
    guard shape.count <= 8, shape.allSatisfy({ $0 >= 0 }) else { throw refused(.shape(shape)) }
    let (whole, isTooLarge) = shape.reduce((size, false)) { product, axis in
      let (next, overflow) = product.0.multipliedReportingOverflow(by: axis)
      return (next, product.1 || overflow)
    }
    guard !isTooLarge, whole <= room else { throw refused(.shape(shape)) }
    guard encoding == nil || encoding == "raw" else {
      return WireArray(name, .uint8(try pixels(body)), shape: shape)
    }
    guard whole == body.count else { throw refused(.size(expected: whole, found: body.count)) }
    func values<Value>(_: Value.Type) -> [Value] {
      [Value](unsafeUninitializedCapacity: whole / size) { target, count in
        UnsafeMutableRawBufferPointer(target).copyMemory(from: body)
        count = whole / size
      }
    }
    switch dtype {
    case "uint8": return WireArray(name, .uint8(values(UInt8.self)), shape: shape)
    case "int64": return WireArray(name, .int64(values(Int64.self)), shape: shape)
    case "float32": return WireArray(name, .float32(values(Float.self)), shape: shape)
    default: return WireArray(name, .float64(values(Double.self)), shape: shape)
    }
  }

  private func pixels(_ body: UnsafeRawBufferPointer) throws -> [UInt8] {
    guard dtype == "uint8", shape.count == 3, shape[2] == 3, shape[0] > 0, shape[1] > 0 else {
      throw WireError.array(name, .notAnImage(shape))
    }
    let image: Image
    do {
      switch encoding {
      case "jpeg": image = try Image(jpeg: Array(body))
      case "png": image = try Image(png: Array(body))
      default: throw WireError.array(name, .encoding(encoding ?? ""))
      }
    } catch let error as ImageError {
      throw WireError.array(name, .image("\(error)"))
    }
    guard [image.height, image.width, 3] == shape else {
      throw WireError.array(
        name, .image("it is \(image.height)x\(image.width), the header says \(shape[0])x\(shape[1])"))
    }
    return image.pixels
  }
}
