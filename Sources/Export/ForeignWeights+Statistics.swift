import Imitation
import Tensors

extension ForeignWeights {
  /// The normalizer of `vectors` and the actions.
  /// - Throws: `ForeignWeightsError.statistics`.
  package func normalizer(actionWidth: Int) throws -> Normalizer {
    var normalizer = Normalizer()
    for (key, width) in schema.vectorKeys.map({ ($0, schema.vectors[$0]!) }) + [(Normalizer.actions, actionWidth)] {
      normalizer.set(key, try affine(key, width: width))
    }
    // Pixels stay 0...1, or go to -1...1, which is what `pixels: signed` does.
    let (scale, offset): (Float, Float) = source == .robomimic ? (1, 0) : (2, -1)
    for key in schema.imageKeys {
      guard let theirs = try statistics(key) else { continue }
      guard theirs.scale.allSatisfy({ abs($0 - scale) < 1e-4 }), theirs.offset.allSatisfy({ abs($0 - offset) < 1e-4 })
      else {
        throw ForeignWeightsError.statistics(
          source == .robomimic
            ? "the images '\(key)' are normalized by pixel, which no encoder here does"
            : "'\(key)' is not mapped from 0...1 to -1...1")
      }
    }
    return normalizer
  }

  private func affine(_ key: String, width: Int) throws -> Normalizer.Affine {
    guard let theirs = try statistics(key) else {
      // robomimic itself normalizes all it observes or nothing.
      let isNormalized = key != Normalizer.actions && tensors.keys.contains { $0.hasPrefix("obs_normalization.") }
      guard source == .robomimic, !isNormalized else { throw ForeignWeightsError.statistics("nothing about '\(key)'") }
      return .init(scale: Array(repeating: 1, count: width), offset: Array(repeating: 0, count: width))
    }
    guard theirs.scale.count == width else {
      throw ForeignWeightsError.statistics("'\(key)' has \(theirs.scale.count) values, \(width) expected")
    }
    guard source == .diffusionPolicy else { return theirs }
    // Theirs is x * scale + offset, ours (x - offset) / scale.
    return .init(scale: theirs.scale.map { 1 / $0 }, offset: zip(theirs.scale, theirs.offset).map { -$1 / $0 })
  }

  /// What the tensors say of `key` in their own sense; nil where there is nothing.
  private func statistics(_ key: String) throws -> Normalizer.Affine? {
    let pair = ["scale", "offset"].compactMap { tensors["\(statisticsRoot(key)).\($0)"]?.scalars }
    guard !pair.isEmpty else { return nil }
    guard pair.count == 2 else {
      throw ForeignWeightsError.statistics("'\(key)' has a scale or an offset, but not both")
    }
    guard pair[0].count == pair[1].count else {
      throw ForeignWeightsError.statistics("'\(key)' has \(pair[0].count) scales and \(pair[1].count) offsets")
    }
    guard pair.joined().allSatisfy(\.isFinite), !pair[0].contains(0) else {
      throw ForeignWeightsError.statistics("'\(key)' has a scale of 0 or values that are no numbers")
    }
    return .init(scale: pair[0], offset: pair[1])
  }

  private func statisticsRoot(_ key: String) -> String {
    let isAction = key == Normalizer.actions
    return switch source {
    case .robomimic: isAction ? "action_normalization" : "obs_normalization.\(key)"
    case .diffusionPolicy: "normalizer.params_dict.\(isAction ? "action" : key)"
    }
  }

  /// Whether a tensor belongs to what `normalizer` reads.
  func isStatistic(_ name: String) -> Bool {
    let more = ["input_stats.min", "input_stats.max", "input_stats.mean", "input_stats.std"]
    let parts = ["scale", "offset"] + (source == .diffusionPolicy ? more : [])
    return (keys.map(\.key) + [Normalizer.actions]).contains { key in
      parts.contains { name == "\(statisticsRoot(key)).\($0)" }
    }
  }

  /// Buffers that follow from the network's sizes, copies under a second name, and the normalizer, which is read by itself.
  func isBookkeeping(_ name: String) -> Bool {
    let parts = name.split(separator: ".").map(String.init)
    let tensor = tensors[name]!
    if isStatistic(name) { return true }
    switch parts.last {
    case "num_batches_tracked": return true
    case "_dummy_variable": return tensor.count == 0
    case "mask", "memory_mask": return isMask(name)
    case _ where parts.contains("obs_nets"):
      if isCopy(name, parts) { return true }
      if parts.last == "temperature" { return tensor.scalars.allSatisfy { $0 == 1 } }
      return ["pos_x", "pos_y"].contains(parts.last) && tensor.scalars.allSatisfy { abs($0) <= 1 }
    default: return false
    }
  }

  private func isMask(_ name: String) -> Bool {
    source == .robomimic ? name.hasSuffix(".attention.mask") : ["model.mask", "model.memory_mask"].contains(name)
  }

  /// Whether the weights were trained so that a token attends to none after it; nil when that does not show.
  package var isCausal: Bool? {
    let masks = tensors.filter { isMask($0.key) }
    switch source {
    case .robomimic: return masks.isEmpty ? nil : masks.values.contains { $0.scalars.contains(0) }
    case .diffusionPolicy: return tensors["model.head.weight"] == nil ? nil : !masks.isEmpty
    }
  }

  /// robomimic's image networks name their trunk and their pooling twice: on their own and as the first two of a sequence.
  /// Only what is the same there is passed over.
  private func isCopy(_ name: String, _ parts: [String]) -> Bool {
    guard let place = parts.firstIndex(of: "obs_nets"), parts.count > place + 3,
      let index = ["backbone": "0", "pool": "1"][parts[place + 2]]
    else { return false }
    let other = (parts[...(place + 1)] + ["nets", index] + parts[(place + 3)...]).joined(separator: ".")
    guard let original = tensors[other] else { return false }
    return original.shape == tensors[name]!.shape
      && zip(original.scalars, tensors[name]!.scalars).allSatisfy { $0.bitPattern == $1.bitPattern }
  }
}
