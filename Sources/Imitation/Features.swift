import Tensors

/// What an encoder makes of a batch of windows.
public struct Features: Sendable {
  /// A row for each frame, `[batch, time, width]`; what its columns are is in the encoder's `layout`.
  public var pooled: Tensor
  /// What a policy can attend to, `[batch, time, count, width]`; nil unless the encoder was built to give it.
  public var tokens: Tensor?
  /// Where each token is, `[batch, time, count, dimensions]`: in an image from -1 to 1, in a world in meters.
  public var positions: Tensor?
  /// 1 where there is a token and 0 where there is none, `[batch, time, count]`; nil when there are tokens everywhere.
  public var mask: Tensor?

  /// Features of one encoder.
  public init(pooled: Tensor, tokens: Tensor? = nil, positions: Tensor? = nil, mask: Tensor? = nil) {
    (self.pooled, self.tokens, self.positions, self.mask) = (pooled, tokens, positions, mask)
  }
}

/// What the columns of an encoder's pooled features come from, and how large its tokens are.
public struct FeatureLayout: Sendable, Equatable {
  /// What kind of thing columns come from.
  public enum Source: Sendable {
    /// A camera.
    case image
    /// A low-dimensional key.
    case vector
    /// The instruction.
    case instruction
    /// A world model's state.
    case world
  }

  /// Neighboring columns that come from one key.
  public struct Part: Sendable, Equatable {
    /// What kind of thing they come from.
    public let source: Source
    /// The observation's key; for an instruction or a world a word that names it.
    public let key: String
    /// Where they are in a row.
    public let columns: Range<Int>
  }

  /// How large tokens are.
  public struct Tokens: Sendable, Equatable {
    /// How many numbers a token has.
    public let width: Int
    /// How many numbers say where a token is.
    public let dimensions: Int
    /// How many tokens there are, where that is always the same.
    public let count: Int?

    /// Tokens of `width` numbers, each at a place of `dimensions` numbers.
    /// - Parameter count: how many there are, where that is always the same.
    public init(width: Int, dimensions: Int, count: Int? = nil) {
      (self.width, self.dimensions, self.count) = (width, dimensions, count)
    }
  }

  /// In the order of the columns.
  public private(set) var parts: [Part] = []
  /// Nil when the encoder gives no tokens.
  public let tokens: Tokens?

  /// A layout of neighboring parts.
  /// - Parameter parts: what the columns come from, in order, and how many each has.
  public init(_ parts: [(source: Source, key: String, width: Int)], tokens: Tokens? = nil) {
    self.tokens = tokens
    for part in parts {
      self.parts.append(Part(source: part.source, key: part.key, columns: width..<width + part.width))
    }
  }

  /// The width of a row.
  public var width: Int { parts.last?.columns.upperBound ?? 0 }

  /// The columns that come from `sources`, in order.
  public func columns(from sources: Set<Source>) -> [Int] {
    parts.filter { sources.contains($0.source) }.flatMap(\.columns)
  }

  /// What it was made of.
  public var widths: [(source: Source, key: String, width: Int)] {
    parts.map { ($0.source, $0.key, $0.columns.count) }
  }
}

extension ObservationSchema {
  /// The low-dimensional keys as parts of a layout, in their order; depths and calibrations are none.
  public var lowDimensional: [(source: FeatureLayout.Source, key: String, width: Int)] {
    vectorKeys.filter { !CameraKeys.isGeometry($0, width: vectors[$0]!) }.map { (.vector, $0, vectors[$0]!) }
  }
}
