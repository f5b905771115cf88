import Foundation

/// A demo's `ep_meta`: JSON from outside, every part of it optional.
package struct EpisodeMetadata {
  /// Nil when there is none.
  package var instruction: String?
  package var layout: Int?
  package var style: Int?
  /// The category of the object that the task is about: the entry `obj` of `object_cfgs`.
  package var category: String?

  package init() {}

  /// - Throws: `MetadataError` when the text is not a JSON object or its instruction is not one text.
  package init(_ text: String) throws(MetadataError) {
    guard !text.isEmpty else { return }
    let parts = try PythonJSON.object(text)
    switch parts["lang"] {
    case nil, is NSNull: break
    case let text as String: instruction = text
    case let list as [Any]:
      throw MetadataError("'lang' is a list of \(list.count), not one text; write the one that this demo follows")
    default: throw MetadataError("'lang' is not a text")
    }
    layout = parts["layout_id"] as? Int
    style = parts["style_id"] as? Int
    let object = (parts["object_cfgs"] as? [[String: Any]])?.first { $0["name"] as? String == "obj" }
    category = (object?["info"] as? [String: Any])?["cat"] as? String
  }
}

/// Why metadata cannot be read, in words.
package struct MetadataError: Error, CustomStringConvertible {
  package var description: String

  init(_ description: String) { self.description = description }
}
