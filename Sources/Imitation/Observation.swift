@_exported import Media

/// What a robot senses at one moment, in the units of the source: nothing is normalized here.
public struct Observation: Sendable, Equatable {
  /// Camera images by key, for example `robot0_agentview_left_image`.
  public var images: [String: Image]
  /// Low-dimensional observations by key, for example `robot0_base_to_eef_pos` (3 numbers, meters).
  public var vectors: [String: [Float]]
  /// What the episode asks for, for example "open the left drawer".
  public var instruction: String

  /// - Parameter vectors: in the units of the source.
  public init(images: [String: Image] = [:], vectors: [String: [Float]] = [:], instruction: String = "") {
    self.images = images
    self.vectors = vectors
    self.instruction = instruction
  }
}
