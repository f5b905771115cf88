/// How the frames of one camera are stored.
package struct StoredCamera: Equatable {
  enum Storage: Equatable {
    /// `[count, height, width, 3]`, or with the channels first, of bytes or of floats.
    case array(isChannelsFirst: Bool, isFloat: Bool)
    /// A list of bytes a row, each a JPEG image.
    case lists
    /// JPEG images padded to one length, a row each, as ACT's recorder compresses.
    case padded
  }

  var storage: Storage
  package let count, height, width: Int
  var frameBytes: Int { height * width * 3 }
}
