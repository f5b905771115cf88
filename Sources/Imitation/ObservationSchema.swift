/// Which keys an observation holds and how large each is: what a policy was built for, and what a source provides.
public struct ObservationSchema: Codable, Sendable, Equatable {
  /// The size of one camera image; always RGB, 8 bits, upright.
  public struct ImageSize: Codable, Sendable, Hashable {
    /// Pixels.
    public var height, width: Int

    /// Counts pixels.
    public init(height: Int, width: Int) {
      self.height = height
      self.width = width
    }
  }

  /// The size of each camera's images, by key.
  public var images: [String: ImageSize]
  /// The number of values under each low-dimensional key.
  public var vectors: [String: Int]

  /// - Parameter vectors: how many values are under each key.
  public init(images: [String: ImageSize], vectors: [String: Int]) {
    self.images = images
    self.vectors = vectors
  }

  /// Keys in the one order that everything uses: sorted by name, cameras apart from the rest. (robomimic sorts all of them
  /// together; importing its weights puts them in this order.)
  public var imageKeys: [String] { images.keys.sorted() }
  /// The low-dimensional keys, sorted.
  public var vectorKeys: [String] { vectors.keys.sorted() }
  /// The total width of all low-dimensional keys.
  public var vectorWidth: Int { vectors.values.reduce(0, +) }
}
