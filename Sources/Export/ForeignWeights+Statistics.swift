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
    for key in schema.imageKeys {
      switch source {
      case .diffusionPolicy:
        // Pixels 0...1 to -1...1 is what `pixels: signed` does.
        let (scale, offset) = try statistics(key) ?? ([2], [-1])
        guard scale.allSatisfy({ abs($0 - 2) < 1e-4 }), offset.allSatisfy({ abs($0 + 1) < 1e-4 }) else {
          throw ForeignWeightsError.statistics("'\(key)' is not mapped from 0...1 to -1...1")
        }
      case .robomimic:
        guard let affine = try robomimicStatistics(key) else { continue }
        guard affine.scale.allSatisfy({ $0 == 1 }), affine.offset.allSatisfy({ $0 == 0 }) else {
          throw ForeignWeightsError.statistics(
            "the images '\(key)' are normalized by pixel, which no encoder here does")
        }
      }
    }
    return normalizer
  }

  private func statistics(_ key: String) throws -> (scale: [Float], offset: [Float])? {
    let theirs = key == Normalizer.actions ? "action" : key
    let root = "normalizer.params_dict.\(theirs)"
    guard let scale = tensors["\(root).scale"], let offset = tensors["\(root).offset"] else { return nil }
    guard scale.count == offset.count, (scale.scalars + offset.scalars).allSatisfy(\.isFinite),
      scale.scalars.allSatisfy({ $0 != 0 })
    else { throw ForeignWeightsError.statistics("'\(key)' has a scale of 0 or numbers that are none") }
    return (scale.scalars, offset.scalars)
  }

  private func affine(_ key: String, width: Int) throws -> Normalizer.Affine {
    switch source {
    case .diffusionPolicy:
      // Theirs is x * scale + offset, ours (x - offset) / scale.
      guard let (scale, offset) = try statistics(key) else {
        throw ForeignWeightsError.statistics("nothing about '\(key)'")
      }
      guard scale.count == width else {
        throw ForeignWeightsError.statistics("'\(key)' has \(scale.count) values, \(width) expected")
      }
      return .init(scale: scale.map { 1 / $0 }, offset: zip(scale, offset).map { -$1 / $0 })
    case .robomimic:
      // Theirs is ours.
      guard let affine = try robomimicStatistics(key) else {
        // robomimic itself normalizes all it observes or nothing.
        guard key == Normalizer.actions || !tensors.keys.contains(where: { $0.hasPrefix("obs_normalization.") }) else {
          throw ForeignWeightsError.statistics("nothing about '\(key)'")
        }
        return .init(scale: Array(repeating: 1, count: width), offset: Array(repeating: 0, count: width))
      }
      guard affine.scale.count == width else {
        throw ForeignWeightsError.statistics("'\(key)' has \(affine.scale.count) values, \(width) expected")
      }
      return affine
    }
  }

  private static func robomimicRoot(_ key: String) -> String {
    key == Normalizer.actions ? "action_normalization" : "obs_normalization.\(key)"
  }

  private func robomimicStatistics(_ key: String) throws -> Normalizer.Affine? {
    let root = ForeignWeights.robomimicRoot(key)
    guard let scale = tensors["\(root).scale"], let offset = tensors["\(root).offset"] else {
      guard tensors["\(root).scale"] == nil, tensors["\(root).offset"] == nil else {
        throw ForeignWeightsError.statistics("'\(key)' has a scale or an offset, but not both")
      }
      return nil
    }
    guard scale.count == offset.count else {
      throw ForeignWeightsError.statistics("'\(key)' has \(scale.count) scales and \(offset.count) offsets")
    }
    guard (scale.scalars + offset.scalars).allSatisfy(\.isFinite), scale.scalars.allSatisfy({ $0 != 0 }) else {
      throw ForeignWeightsError.statistics("'\(key)' has a scale of 0 or values that are no numbers")
    }
    return .init(scale: scale.scalars, offset: offset.scalars)
  }

  /// Whether a tensor belongs to what `normalizer` reads.
  func isStatistic(_ name: String) -> Bool {
    switch source {
    case .robomimic:
      return (keys.map(\.key) + [Normalizer.actions]).contains { key in
        ["scale", "offset"].contains { name == "\(ForeignWeights.robomimicRoot(key)).\($0)" }
      }
    case .diffusionPolicy:
      return (keys.map(\.key) + ["action"]).contains { key in
        ["scale", "offset", "input_stats.min", "input_stats.max", "input_stats.mean", "input_stats.std"].contains {
          name == "normalizer.params_dict.\(key).\($0)"
        }
      }
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
