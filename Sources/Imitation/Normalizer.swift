import Tensors

/// How values of one key are brought to a common range.
public enum Normalization: String, Codable, CaseIterable, SettingValue {
  /// As recorded.
  case none
  /// Each dimension's recorded range to ±0.999999; a dimension that hardly moves (range below 1e-4) is only shifted
  /// (robomimic, `action_stats_to_normalization_stats`).
  case minMax = "min_max"
  /// Each dimension's recorded range to exactly -1...1; one that hardly moves is only shifted to 0 (Diffusion Policy).
  case limits
  /// Mean 0, standard deviation 1 for each dimension; a deviation below 1e-6 counts as 1.
  case gaussian
}

/// What the recorded values of one key look like, dimension by dimension.
public struct KeyStatistics: Codable, Sendable, Equatable {
  /// Rows.
  public var count: Int
  /// By number.
  public var mean: [Double]
  /// Population variance.
  public var variance: [Double]
  /// By number.
  public var minimum, maximum: [Double]

  /// - Parameter variance: of the rows themselves, not a sample's.
  public init(count: Int, mean: [Double], variance: [Double], minimum: [Double], maximum: [Double]) {
    self.count = count
    self.mean = mean
    self.variance = variance
    self.minimum = minimum
    self.maximum = maximum
  }
}

/// A statistic that a policy needs is absent or has another width.
public enum NormalizerError: Error, Equatable, CustomStringConvertible {
  /// A key without statistics.
  case missing(key: String)
  /// Statistics of another width.
  case width(key: String, expected: Int, found: Int)
  /// Statistics that are not numbers.
  case notFinite(key: String)

  public var description: String {
    switch self {
    case .missing(let key): "the weights hold no statistics for '\(key)'"
    case .width(let key, let expected, let found): "'\(key)' has \(found) numbers, its statistics have \(expected)"
    case .notFinite(let key): "'\(key)' holds a value that is not a number"
    }
  }
}

/// The one place where values are normalized: `(x - offset) / scale` per dimension, and back.
///
/// Its numbers are part of the weights. A key without statistics is an error, never a pass-through.
public struct Normalizer: Sendable, Equatable {
  /// `(x - offset) / scale`, number by number.
  public struct Affine: Sendable, Equatable {
    /// By number.
    public var scale, offset: [Float]

    /// By number.
    public init(scale: [Float], offset: [Float]) {
      self.scale = scale
      self.offset = offset
    }

    /// The rule of robomimic's `action_stats_to_normalization_stats`, with scale and offset each in its own place.
    public init(_ normalization: Normalization, statistics: KeyStatistics) {
      switch normalization {
      case .none:
        scale = statistics.mean.map { _ in 1 }
        offset = statistics.mean.map { _ in 0 }
      case .minMax, .limits:
        let target = normalization == .limits ? 1 : 0.999999
        scale = []
        offset = []
        for (low, high) in zip(statistics.minimum, statistics.maximum) {
          let moves = high - low >= 1e-4
          let size = moves ? (high - low) / (2 * target) : 1
          scale.append(Float(size))
          offset.append(Float(moves ? low + target * size : low))
        }
      case .gaussian:
        scale = statistics.variance.map { $0.squareRoot() < 1e-6 ? 1 : Float($0.squareRoot()) }
        offset = statistics.mean.map { Float($0) }
      }
    }
  }

  /// The key of the actions beside the observation keys.
  public static let actions = "actions"

  /// By key.
  public private(set) var keys: [String: Affine]

  /// - Parameter keys: by key; others stay as they are.
  public init(keys: [String: Affine] = [:]) {
    self.keys = keys
  }

  /// Normalizes `key` so from now on.
  public mutating func set(_ key: String, _ affine: Affine) {
    keys[key] = affine
  }

  /// Normalizes rows of `key`, `[..., width]`.
  public func normalized(_ values: Tensor, key: String) throws -> Tensor {
    let affine = try affine(key, width: values.shape.last ?? 0)
    return (values - Tensor(affine.offset, shape: [affine.offset.count]))
      / Tensor(affine.scale, shape: [affine.scale.count])
  }

  /// Undoes `normalized` on one row.
  public func restored(_ values: [Float], key: String) throws -> [Float] {
    let affine = try affine(key, width: values.count)
    return values.indices.map { values[$0] * affine.scale[$0] + affine.offset[$0] }
  }

  /// Normalizes the low-dimensional keys of an observation batch, and keeps them as they were beside it.
  public func normalized(_ observations: ObservationBatch) throws -> ObservationBatch {
    var result = observations
    result.unnormalized = observations.vectors
    for (key, values) in observations.vectors.sorted(by: { $0.key < $1.key }) {
      result.vectors[key] = try normalized(values, key: key)
    }
    return result
  }

  /// Normalizes a recorded batch, actions included.
  public func normalized(_ batch: Batch) throws -> Batch {
    Batch(
      observations: try normalized(batch.observations), actions: try normalized(batch.actions, key: Normalizer.actions),
      mask: batch.mask)
  }

  private func affine(_ key: String, width: Int) throws -> Affine {
    guard let affine = keys[key] else { throw NormalizerError.missing(key: key) }
    guard affine.scale.count == width else {
      throw NormalizerError.width(key: key, expected: affine.scale.count, found: width)
    }
    return affine
  }
}

extension Normalizer {
  /// The statistics as tensors `KEY.scale` and `KEY.offset`, to be saved beside the weights.
  public var tensors: [String: Tensor] {
    var tensors: [String: Tensor] = [:]
    for (key, affine) in keys {
      tensors["\(key).scale"] = Tensor(affine.scale, shape: [affine.scale.count])
      tensors["\(key).offset"] = Tensor(affine.offset, shape: [affine.offset.count])
    }
    return tensors
  }

  /// Restores what `tensors` saved.
  /// - Throws: `NormalizerError` when half of a pair is missing, the widths differ, or a number is not finite or a scale 0.
  public init(tensors: [String: Tensor]) throws {
    self.init()
    for (name, scale) in tensors where name.hasSuffix(".scale") {
      let key = String(name.dropLast(6))
      guard let offset = tensors["\(key).offset"] else { throw NormalizerError.missing(key: key) }
      guard offset.count == scale.count else {
        throw NormalizerError.width(key: key, expected: scale.count, found: offset.count)
      }
      let affine = Affine(scale: scale.scalars, offset: offset.scalars)
      guard affine.scale.allSatisfy({ $0.isFinite && $0 != 0 }), affine.offset.allSatisfy(\.isFinite) else {
        throw NormalizerError.notFinite(key: key)
      }
      set(key, affine)
    }
  }
}
