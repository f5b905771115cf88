/// What a recipe or a flag says of a file's frames that the file itself does not: without it only unsigned bytes with the
/// channels last are taken for images.
package struct FrameFormat: Sendable, Equatable {
  /// Frames are `[rows, 3, height, width]`, as PyTorch has them.
  package var isChannelsFirst: Bool
  /// Frames may be floats of 0 to 1.
  package var isUnitRange: Bool

  package init(isChannelsFirst: Bool = false, isUnitRange: Bool = false) {
    self.isChannelsFirst = isChannelsFirst
    self.isUnitRange = isUnitRange
  }
}

/// How the frames of one camera are stored.
struct StoredCamera: Equatable {
  enum Storage: Equatable {
    /// `[count, height, width, 3]`, or with the channels first, of bytes or of floats.
    case array(isChannelsFirst: Bool, isFloat: Bool)
    /// A list of bytes a row, each a JPEG image.
    case lists
    /// JPEG images padded to one length, a row each, as ACT's recorder compresses.
    case padded
  }

  var storage: Storage
  var (count, height, width): (Int, Int, Int)
  var frameBytes: Int { height * width * 3 }
}
