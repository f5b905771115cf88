import Tensors

/// One recorded episode: where it is and what is known of it without its rows.
public struct Episode: Codable, Sendable, Hashable {
  /// The name in its file, for example `demo_12`.
  public var name: String
  /// The file it is in.
  public var file: String
  /// What it is of.
  public var task: String
  /// What it was asked for.
  public var instruction: String
  /// Steps.
  public var length: Int

  /// - Parameter length: steps.
  public init(name: String, file: String, task: String, instruction: String, length: Int) {
    self.name = name
    self.file = file
    self.task = task
    self.instruction = instruction
    self.length = length
  }
}

/// One step of one episode, both counted from 0.
public struct EpisodeStep: Sendable, Hashable {
  /// Counted from 0.
  public var episode, step: Int

  /// Counts both from 0.
  public init(episode: Int, step: Int) {
    self.episode = episode
    self.step = step
  }
}

/// Recorded episodes to learn from: rows of observations, actions and rewards by episode.
/// Files are one kind (`EpisodeFormat`), episodes in memory and a cache of features are others.
public protocol EpisodeReader: Sendable {
  /// What every episode holds of the keys asked for.
  var schema: ObservationSchema { get }
  /// Which of the recorded numbers the actions are.
  var actionLayout: ActionLayout { get }
  /// What there is, in order.
  var episodes: [Episode] { get }
  /// The episodes that whoever recorded them holds out of training.
  var heldOut: Set<Int> { get }
  /// What the person who trains should know, a line each.
  var notes: [String] { get }
  /// What tells these demonstrations from others: content, not names.
  /// - Throws: when a file cannot be read.
  func fingerprints() throws -> [DatasetFingerprint]
  /// What recorded numbers of the whole action and of vectors mean, if known, and a note a line where it is not believed.
  /// - Throws: `SchemaError` when two files contradict each other.
  func recordedSchema() throws -> RecordedSchema
  /// `[rows.count, height, width, 3]` bytes of the camera `key`, one entry per row asked for, repeats included.
  func images(_ key: String, episode: Int, rows: [Int]) throws -> [UInt8]
  /// The same, written to `target`, which holds exactly that many bytes. Readers that keep frames in memory save a copy.
  func copyImages(
    _ key: String, episode: Int, rows: [Int], to target: UnsafeMutableBufferPointer<UInt8>
  ) throws
  /// `[length, width]` values of the whole episode, row by row.
  func vectors(_ key: String, episode: Int) throws -> [Float]
  /// The same for some rows. Readers that do not keep wide vectors in memory read no more than these.
  func vectors(_ key: String, episode: Int, rows: Range<Int>) throws -> [Float]
  /// `[length, actionWidth]` values of the whole episode, row by row.
  func actions(episode: Int) throws -> [Float]
  /// `[length]`: as recorded, or where nothing is, 1 for the last step and 0 before it.
  func rewards(episode: Int) throws -> [Float]
  /// `[steps.count, rows.count, width]`: what a `FrozenEncoder` makes of rows around some steps, where that is kept.
  ///
  /// - Parameter variants: of the frames, a number for each step; 0 for those recorded.
  func frozenFeatures(_ steps: [EpisodeStep], rows: ClosedRange<Int>, variants: [Int]) -> Tensor?
}

/// What recorded numbers mean.
public struct RecordedSchema: Sendable, Equatable {
  /// Of the whole action.
  public var actions: ActionSchema
  /// By observation key.
  public var vectors: [String: VectorSchema]
  /// A line each for people.
  public var notes: [String]

  /// - Parameter notes: a line each for people.
  public init(actions: ActionSchema, vectors: [String: VectorSchema] = [:], notes: [String] = []) {
    self.actions = actions
    self.vectors = vectors
    self.notes = notes
  }
}

extension EpisodeReader {
  /// Numbers of an action that is learned.
  public var actionWidth: Int { actionLayout.width }
  public var heldOut: Set<Int> { [] }
  public var notes: [String] { [] }

  public func recordedSchema() throws -> RecordedSchema {
    RecordedSchema(actions: .unknown(width: actionLayout.template.count))
  }

  public func vectors(_ key: String, episode: Int, rows: Range<Int>) throws -> [Float] {
    let width = schema.vectors[key]!
    return Array(try vectors(key, episode: episode)[rows.lowerBound * width..<rows.upperBound * width])
  }

  public func copyImages(
    _ key: String, episode: Int, rows: [Int], to target: UnsafeMutableBufferPointer<UInt8>
  ) throws {
    _ = target.update(fromContentsOf: try images(key, episode: episode, rows: rows))
  }

  public func rewards(episode: Int) throws -> [Float] {
    (0..<episodes[episode].length).map { $0 == episodes[episode].length - 1 ? 1 : 0 }
  }

  public func frozenFeatures(_ steps: [EpisodeStep], rows: ClosedRange<Int>, variants: [Int]) -> Tensor? { nil }
}
