/// One recorded episode: where it is and what is known of it without reading its rows.
public struct Episode: Codable, Sendable, Hashable {
  /// The name in its file, for example `demo_12`.
  public var name: String
  /// The file it is in.
  public var file: String
  public var task: String
  public var instruction: String
  public var length: Int

  public init(name: String, file: String, task: String, instruction: String, length: Int) {
    self.name = name
    self.file = file
    self.task = task
    self.instruction = instruction
    self.length = length
  }
}

/// Recorded episodes that can be cut into windows.
public protocol DemonstrationSource: Sendable {
  /// What every episode holds of the keys asked for.
  var schema: ObservationSchema { get }
  var actionWidth: Int { get }
  var episodes: [Episode] { get }
  /// `[rows.count, height, width, 3]` bytes of the camera `key`, one entry per row asked for, repeats included.
  func images(_ key: String, episode: Int, rows: [Int]) throws -> [UInt8]
  /// The same, written to `target`, which holds exactly that many bytes. Sources that keep frames in memory save a copy.
  func copyImages(
    _ key: String, episode: Int, rows: [Int], to target: UnsafeMutableBufferPointer<UInt8>
  ) throws
  /// `[length, width]` values of the whole episode, row by row.
  func vectors(_ key: String, episode: Int) throws -> [Float]
  /// The same for some rows. Sources that do not keep wide vectors in memory read no more than these.
  func vectors(_ key: String, episode: Int, rows: Range<Int>) throws -> [Float]
  /// `[length, actionWidth]` values of the whole episode, row by row.
  func actions(episode: Int) throws -> [Float]
}

extension DemonstrationSource {
  public func vectors(_ key: String, episode: Int, rows: Range<Int>) throws -> [Float] {
    let width = schema.vectors[key]!
    return Array(try vectors(key, episode: episode)[rows.lowerBound * width..<rows.upperBound * width])
  }

  public func copyImages(
    _ key: String, episode: Int, rows: [Int], to target: UnsafeMutableBufferPointer<UInt8>
  ) throws {
    _ = target.update(fromContentsOf: try images(key, episode: episode, rows: rows))
  }
}
