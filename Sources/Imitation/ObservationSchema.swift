/// Which keys an observation holds and how large each is: what a policy was built for, and what a source provides.
public struct ObservationSchema: Codable, Sendable, Equatable {
  /// The size of one camera image; always RGB, 8 bits, upright.
  public struct ImageSize: Codable, Sendable, Hashable {
    public var height: Int
    public var width: Int

    public init(height: Int, width: Int) {
      self.height = height
      self.width = width
    }
  }

  public var images: [String: ImageSize]
  /// The number of values under each low-dimensional key.
  public var vectors: [String: Int]

  public init(images: [String: ImageSize], vectors: [String: Int]) {
    self.images = images
    self.vectors = vectors
  }

  /// Keys in the one order that everything uses: sorted by name, cameras apart from the rest. (robomimic sorts all of them
  /// together; importing its weights puts them in this order.)
  public var imageKeys: [String] { images.keys.sorted() }
  public var vectorKeys: [String] { vectors.keys.sorted() }
  /// The total width of all low-dimensional keys.
  public var vectorWidth: Int { vectors.values.reduce(0, +) }
}
