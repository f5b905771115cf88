/// Which demonstrations exactly.
public struct DatasetFingerprint: Codable, Sendable, Equatable {
  /// What the demonstrations are of, and the file's name without its folder.
  public var task, file: String
  /// The file's size and contents.
  public var bytes: Int, sha256: String
  /// The filter key and how many episodes it named.
  public var key: String
  /// How many were used.
  public var episodes: Int
  /// SHA-256 of the other files that its values come from; nil when there are none.
  public var linked: [String]?

  /// - Parameter linked: SHA-256 of other files that values come from.
  public init(
    task: String, file: String, bytes: Int, sha256: String, key: String, episodes: Int, linked: [String] = []
  ) {
    self.task = task
    self.file = file
    self.bytes = bytes
    self.sha256 = sha256
    self.key = key
    self.episodes = episodes
    self.linked = linked.isEmpty ? nil : linked
  }
}
