import Tensors

/// Camera images of a batch of windows: `[batch, time, height, width, 3]`, still 8 bits; the encoder makes them numbers.
public struct ImageBatch: Sendable {
  /// Windows, and frames of each.
  public let batch, time: Int
  /// Of every frame.
  public let size: ObservationSchema.ImageSize
  /// `[batch * time, height, width, 3]`, red first.
  public let frames: ByteTensor
  /// Window by window, frame by frame, row by row, red first.
  public var pixels: [UInt8] { frames.bytes }

  /// - Parameter pixels: `batch * time * height * width * 3` bytes.
  public init(batch: Int, time: Int, size: ObservationSchema.ImageSize, pixels: [UInt8]) {
    precondition(
      pixels.count == batch * time * size.height * size.width * 3,
      "ImageBatch: \(pixels.count) bytes for [\(batch), \(time), \(size.height), \(size.width), 3]")
    self.batch = batch
    self.time = time
    self.size = size
    frames = ByteTensor(pixels, shape: [batch * time, size.height, size.width, 3])
  }
}

extension ImageBatch {
  /// Without the first `count` frames of every window.
  package func dropping(first count: Int) -> ImageBatch {
    let frame = size.height * size.width * 3
    let rest = GraphTrace.array(
      "frames dropped", of: pixels, shape: [batch, time - count, size.height, size.width, 3],
      ["axis": .int(1), "start": .int(count), "end": .int(time)]
    ) {
      var rest: [UInt8] = []
      rest.reserveCapacity(batch * (time - count) * frame)
      for item in 0..<batch { rest += pixels[(item * time + count) * frame..<(item + 1) * time * frame] }
      return rest
    }
    return ImageBatch(batch: batch, time: time - count, size: size, pixels: rest)
  }
}

/// Observations of a batch of windows, low-dimensional values normalized: what an encoder sees.
public struct ObservationBatch: Sendable {
  /// By camera key.
  public var images: [String: ImageBatch]
  /// `[batch, time, width]` by key.
  public var vectors: [String: Tensor]
  /// The same in the units of the recordings, where meters count as meters; a `Normalizer` fills it.
  public var unnormalized: [String: Tensor] = [:]
  /// One instruction per window.
  public var instructions: [String]
  /// Frames of each window.
  public let time: Int
  /// How augmentation moved each window in the frame of the robot's base; nil where it did not. Vectors are moved already,
  /// calibrations among them; places in `frozen` are not.
  package var motion: RigidMotion?
  /// Which variant of its frames each window has for a `FrozenEncoder`'s frozen part; nil where all are as recorded.
  package var variants: [FrameVariant]?
  /// `[batch, time - history, frozenCount]`: rows that a `FrozenEncoder` gave before; nil to have them computed.
  public var frozen: Tensor?

  /// - Parameter vectors: normalized, `[batch, time, width]` by key.
  public init(images: [String: ImageBatch], vectors: [String: Tensor], instructions: [String], time: Int) {
    self.images = images
    self.vectors = vectors
    self.instructions = instructions
    self.time = time
  }

  /// Windows.
  public var count: Int { instructions.count }
}

/// Windows with the recorded actions, normalized: what a policy learns from.
public struct Batch: Sendable {
  /// What is known when acting.
  public var observations: ObservationBatch
  /// `[batch, actions, action]`.
  public var actions: Tensor
  /// `[batch, actions]`: 1 on recorded rows, 0 on rows that repeat the first or last.
  public var mask: Tensor

  /// - Parameter mask: 1 on recorded rows, 0 on rows that fill a window up.
  public init(observations: ObservationBatch, actions: Tensor, mask: Tensor) {
    self.observations = observations
    self.actions = actions
    self.mask = mask
  }
}
