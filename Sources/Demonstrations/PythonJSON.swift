import Foundation

/// JSON as Python's `json` module writes it, which knows `NaN`, `Infinity` and `-Infinity`.
package enum PythonJSON {
  /// - Returns: its members; the three words become `NSNull`.
  /// - Throws: `MetadataError` when the text is not a JSON object.
  package static func object(_ text: String) throws(MetadataError) -> [String: Any] {
    let value: Any
    do {
      value = try JSONSerialization.jsonObject(with: Data(standard(text)), options: [.fragmentsAllowed])
    } catch {
      let details = (error as NSError).userInfo["NSDebugDescription"] as? String
      throw MetadataError("is not JSON: \(details ?? "no JSON, begins with '\(text.prefix(20))'")")
    }
    guard let object = value as? [String: Any] else { throw MetadataError("is not JSON: not an object {...}") }
    return object
  }

  private static func standard(_ text: String) -> [UInt8] {
    let words = ["-Infinity", "Infinity", "NaN"].map { Array($0.utf8) }
    let bytes = Array(text.utf8)
    var (result, place, isInText): ([UInt8], Int, Bool) = ([], 0, false)
    result.reserveCapacity(bytes.count)
    while place < bytes.count {
      let byte = bytes[place]
      if isInText {
        result.append(byte)
        if byte == UInt8(ascii: "\\"), place + 1 < bytes.count {
          place += 1
          result.append(bytes[place])
        } else if byte == UInt8(ascii: "\"") {
          isInText = false
        }
      } else if "-IN".utf8.contains(byte), let word = words.first(where: { bytes[place...].starts(with: $0) }) {
        result += Array("null".utf8)
        place += word.count - 1
      } else {
        isInText = byte == UInt8(ascii: "\"")
        result.append(byte)
      }
      place += 1
    }
    return result
  }
}
