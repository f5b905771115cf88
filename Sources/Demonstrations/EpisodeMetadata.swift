import Foundation

/// A demo's `ep_meta`: JSON from outside, every part of it optional.
package struct EpisodeMetadata {
  /// Empty when there is none.
  package var instruction = ""
  package var layout: Int?
  package var style: Int?
  /// The category of the object that the task is about: the entry `obj` of `object_cfgs`.
  package var category: String?

  /// Text that is not a JSON object says nothing.
  package init(_ text: String) {
    guard let parts = (try? JSONSerialization.jsonObject(with: Data(text.utf8))) as? [String: Any] else { return }
    instruction = parts["lang"] as? String ?? ""
    layout = parts["layout_id"] as? Int
    style = parts["style_id"] as? Int
    let object = (parts["object_cfgs"] as? [[String: Any]])?.first { $0["name"] as? String == "obj" }
    category = (object?["info"] as? [String: Any])?["cat"] as? String
  }
}
