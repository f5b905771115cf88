import Tensors

/// Camera images of a batch of windows: `[batch, time, height, width, 3]`, still 8 bits; the encoder makes them numbers.
public struct ImageBatch: Sendable {
  public let batch: Int
  public let time: Int
  public let size: ObservationSchema.ImageSize
  public let pixels: [UInt8]

  public init(batch: Int, time: Int, size: ObservationSchema.ImageSize, pixels: [UInt8]) {
    precondition(
      pixels.count == batch * time * size.height * size.width * 3,
      "ImageBatch: \(pixels.count) bytes for [\(batch), \(time), \(size.height), \(size.width), 3]")
    self.batch = batch
    self.time = time
    self.size = size
    self.pixels = pixels
  }
}

/// Observations of a batch of windows, low-dimensional values normalised: what an encoder sees.
public struct ObservationBatch: Sendable {
  public var images: [String: ImageBatch]
  /// `[batch, time, width]` by key.
  public var vectors: [String: Tensor]
  /// One instruction per window.
  public var instructions: [String]
  public let time: Int
  /// `[batch, time - history, frozenCount]`: rows that a `FrozenEncoder` gave before; nil to have them worked out.
  public var frozen: Tensor?

  public init(images: [String: ImageBatch], vectors: [String: Tensor], instructions: [String], time: Int) {
    self.images = images
    self.vectors = vectors
    self.instructions = instructions
    self.time = time
  }

  public var count: Int { instructions.count }
}

/// Windows with the recorded actions, normalised: what a policy learns from.
public struct Batch: Sendable {
  public var observations: ObservationBatch
  /// `[batch, actions, action]`.
  public var actions: Tensor
  /// `[batch, actions]`: 1 on recorded rows, 0 on rows that repeat the first or last.
  public var mask: Tensor

  public init(observations: ObservationBatch, actions: Tensor, mask: Tensor) {
    self.observations = observations
    self.actions = actions
    self.mask = mask
  }
}
