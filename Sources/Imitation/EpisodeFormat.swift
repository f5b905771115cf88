/// A kind of files that demonstrations are read from: `data: {reader: {kind: hdf5}}`.
public protocol EpisodeFormat: Plugin {
  /// Takes the recipe's options.
  init(options: Options) throws
  /// Opens demonstrations and checks all of what will be read.
  ///
  /// - Parameter progress: how many episodes have been opened.
  /// - Throws: what is wrong with the files, or what they lack of what is asked for.
  func open(_ request: EpisodeRequest, progress: (_ done: Int, _ total: Int) -> Void) throws -> any EpisodeReader
}

/// Which demonstrations to read, and what of them.
public struct EpisodeRequest: Sendable {
  /// One file or folder and which of its demos to take.
  public struct Selection: Sendable {
    /// Where the file is.
    public var path: String
    /// The task it must hold, or nil for whatever it does.
    public var task: String?
    /// The filter key, or nil for every demo.
    public var key: String?
    /// The filter key of demos to hold out; none when nil.
    public var heldOutKey: String?

    /// - Parameter heldOutKey: the filter key of demos to hold out.
    public init(path: String, task: String? = nil, key: String? = nil, heldOutKey: String? = nil) {
      self.path = path
      self.task = task
      self.key = key
      self.heldOutKey = heldOutKey
    }
  }

  /// The files, in order.
  public var selections: [Selection]
  /// Camera keys.
  public var images: [String]
  /// Low-dimensional keys.
  public var vectors: [String]
  /// Which arrays and columns actions are.
  public var actions: ActionColumns
  /// What files do not say of their frames.
  public var frames: FrameFormat
  /// How many bytes of observations to keep in memory.
  public var memory: Int

  /// Asks for keys of some files.
  public init(
    _ selections: [Selection], images: [String], vectors: [String], actions: ActionColumns = .init(),
    frames: FrameFormat = .init(), memory: Int
  ) {
    self.selections = selections
    self.images = images
    self.vectors = vectors
    self.actions = actions
    self.frames = frames
    self.memory = memory
  }
}

extension EpisodeFormat {
  public static var pluginKind: PluginKind { .reader }
}
