/// What a recipe or a flag says of a file's frames: without it only unsigned bytes with the channels last are images.
public struct FrameFormat: Sendable, Equatable {
  /// Frames are `[rows, 3, height, width]`, as PyTorch has them.
  public var isChannelsFirst: Bool
  /// Frames may be floats of 0 to 1.
  public var isUnitRange: Bool

  /// What files leave unsaid may be otherwise than `[rows, height, width, 3]` bytes.
  public init(isChannelsFirst: Bool = false, isUnitRange: Bool = false) {
    self.isChannelsFirst = isChannelsFirst
    self.isUnitRange = isUnitRange
  }
}
