import Foundation
import Imitation
import Layers
import Tensors

/// Weights that are not what a recipe's network needs.
package enum ForeignWeightsError: Error, Equatable, CustomStringConvertible {
  case unknownSource
  case facts(String)
  case noCounterpart(String)
  case missing(String, theirs: String)
  case shape(String, theirs: String, expected: [Int], found: [Int])
  case unused([String])
  case keys(recipe: [String], theirs: [String])
  case statistics(String)
  case twice(String)
  case causal(Bool)
  case setting(String, theirs: String)

  package var description: String {
    switch self {
    case .unknownSource:
      "neither robomimic's BC-Transformer nor Diffusion Policy: no 'policy.nets.transformer...' and no 'model...' in it"
    case .facts(let what): "its metadata \(what); write it with docs/checkpoint_to_safetensors.py"
    case .noCounterpart(let name):
      "the recipe's network has '\(name)', which the other toolkit's has not (for instructions: 'instruction: {kind: none}')"
    case .missing(let name, let theirs): "'\(theirs)', our '\(name)', is not in it"
    case .shape(let name, let theirs, let expected, let found):
      "'\(theirs)' has shape \(found); our '\(name)' needs \(expected)"
    case .unused(let names):
      "the recipe's network has no place for \(names.count) tensors: \(names.prefix(3).joined(separator: ", "))\(names.count > 3 ? ", ..." : "")"
    case .keys(let recipe, let theirs):
      "the recipe sees \(recipe.joined(separator: ", ")); the weights were trained on \(theirs.joined(separator: ", "))"
    case .statistics(let what): "its normalizer: \(what)"
    case .twice(let name): "'\(name)' is in it twice, with and without a wrapper's prefix"
    case .causal(let causal):
      "its attention is \(causal ? "causal" : "not causal"); the recipe needs 'policy.causal: \(causal)'"
    case .setting(let path, let theirs): "it was trained with other settings; the recipe needs '\(path): \(theirs)'"
    }
  }
}

/// A checkpoint of robomimic or Diffusion Policy, as `docs/checkpoint_to_safetensors.py` writes it, in its own names.
package struct ForeignWeights {
  package enum Source: String, Sendable {
    case robomimic
    case diffusionPolicy = "diffusion_policy"
  }

  /// What it sees: the observations in the order of its features.
  package struct Key: Decodable, Equatable, Sendable {
    package var key: String
    /// `[channels, height, width]` of a camera, `[width]` of others.
    package var shape: [Int]
  }

  package let source: Source
  package let keys: [Key]
  /// What its own recipe says and its tensors do not show, by our names, as JSON; empty where it was not written along.
  package let settings: [String: String]
  let tensors: [String: Tensor]

  /// - Throws: `SafetensorsError` or `ForeignWeightsError`.
  package init(path: String) throws {
    let (tensors, metadata) = try Safetensors.read(path)
    try self.init(tensors: tensors, metadata: metadata)
  }

  package init(tensors named: [String: Tensor], metadata: [String: String]) throws {
    var tensors: [String: Tensor] = [:]
    for (name, tensor) in named {
      let plain = ForeignNames.plain(name)
      guard tensors.updateValue(tensor, forKey: plain) == nil else { throw ForeignWeightsError.twice(plain) }
    }
    // robomimic's head without a mixture.
    for leaf in ["weight", "bias"] {
      guard let tensor = tensors.removeValue(forKey: "policy.nets.decoder.nets.action.\(leaf)") else { continue }
      guard tensors.updateValue(tensor, forKey: "policy.nets.decoder.nets.mean.\(leaf)") == nil else {
        throw ForeignWeightsError.twice("policy.nets.decoder.nets.mean.\(leaf)")
      }
    }
    self.tensors = tensors
    if tensors.keys.contains(where: { $0.hasPrefix("policy.nets.transformer.") }) {
      source = .robomimic
    } else if tensors.keys.contains(where: { $0.hasPrefix("model.") }) {
      source = .diffusionPolicy
    } else {
      throw ForeignWeightsError.unknownSource
    }
    guard let text = metadata["observations"] else { throw ForeignWeightsError.facts("does not tell the observations") }
    guard let keys = try? JSONDecoder().decode([Key].self, from: Data(text.utf8)),
      keys.allSatisfy({ [1, 3].contains($0.shape.count) && $0.shape.allSatisfy { (1...1 << 20).contains($0) } })
    else { throw ForeignWeightsError.facts("tells the observations in a way that cannot be read") }
    self.keys = keys
    var settings: [String: String] = [:]
    if let text = metadata["settings"] {
      guard let read = try? JSONDecoder().decode([String: String].self, from: Data(text.utf8)) else {
        throw ForeignWeightsError.facts("tells its settings in a way that cannot be read")
      }
      settings = read
    }
    if keys.contains(where: { $0.shape.count == 3 }) {
      settings["encoder.pixels"] = source == .robomimic ? "\"unit\"" : "\"signed\""
      settings["encoder.relu"] = source == .robomimic ? "false" : "true"
    }
    self.settings = settings
  }

  /// What the policy sees, cameras and vectors.
  package var schema: ObservationSchema {
    var (images, vectors): ([String: ObservationSchema.ImageSize], [String: Int]) = ([:], [:])
    for key in keys {
      if key.shape.count == 3 {
        images[key.key] = .init(height: key.shape[1], width: key.shape[2])
      } else {
        vectors[key.key] = key.shape[0]
      }
    }
    return ObservationSchema(images: images, vectors: vectors)
  }

  /// How many numbers an action has.
  /// - Throws: `ForeignWeightsError.facts`.
  package var actionWidth: Int {
    get throws {
      let modes = tensors["policy.nets.decoder.nets.logits.bias"]?.count ?? 1
      for (name, divisor) in [
        ("policy.nets.decoder.nets.mean.bias", max(1, modes)), ("model.final_conv.1.bias", 1), ("model.head.bias", 1),
      ] { if let bias = tensors[name], bias.count > 0, bias.count % divisor == 0 { return bias.count / divisor } }
      throw ForeignWeightsError.facts("and tensors do not tell how many numbers an action has")
    }
  }

  // MARK: weights

  /// A value for each parameter and buffer of `policy`, turned to our layouts; what is left over is an error.
  /// - Throws: `ForeignWeightsError`.
  package func weights(for policy: some Policy) throws -> [String: Tensor] {
    let names = source == .robomimic ? ForeignNames.robomimic : .diffusionPolicy
    let order = featureOrder(policy.encoder.layout)
    var (found, used): ([String: Tensor], Set<String>) = ([:], [])
    for (name, own) in policy.state() {
      guard let theirs = names(name) else { throw ForeignWeightsError.noCounterpart(name) }
      guard var tensor = tensors[theirs.path] else { throw ForeignWeightsError.missing(name, theirs: theirs.path) }
      used.insert(theirs.path)
      func refuse() -> ForeignWeightsError {
        .shape(name, theirs: theirs.path, expected: own.value.shape, found: tensors[theirs.path]!.shape)
      }
      if let third = theirs.third {
        guard tensor.rank > 0, tensor.shape[0] % 3 == 0 else { throw refuse() }
        let size = tensor.shape[0] / 3
        tensor = tensor.sliced(axis: 0, third * size..<(third + 1) * size)
      }
      // PyTorch has outputs before inputs, and what a kernel reaches over last.
      switch (tensor.rank, name.hasSuffix(".weight")) {
      case (2, true): tensor = tensor.transposed(0, 1)
      case (3, true): tensor = tensor.permuted(name.contains(".grow.") ? [2, 0, 1] : [2, 1, 0])
      case (4, true): tensor = tensor.permuted([2, 3, 1, 0])
      default: break
      }
      guard tensor.shape == own.value.shape else { throw refuse() }
      if let rows = inputOrder(of: name, count: tensor.shape[0], features: order) { tensor = tensor.gathered(rows) }
      found[name] = tensor
    }
    let rest = tensors.keys.filter { !used.contains($0) && !isBookkeeping($0) }.sorted()
    guard rest.isEmpty else { throw ForeignWeightsError.unused(rest) }
    return found
  }

  /// Where each number of our feature row stands in theirs, which has one part for each of `keys`, in their order.
  private func featureOrder(_ layout: FeatureLayout) -> [Int] {
    var (start, places): (Int, [String: Range<Int>]) = (0, [:])
    for key in keys {
      let width = layout.parts.first { $0.key == key.key }?.columns.count ?? 0
      places[key.key] = start..<start + width
      start += width
    }
    return layout.parts.flatMap { places[$0.key] ?? $0.columns }
  }

  /// The rows of an input matrix in our order; nil for matrices that features do not enter.
  private func inputOrder(of name: String, count: Int, features: [Int]) -> [Int]? {
    guard features != Array(features.indices) else { return nil }
    if ["embedding.weight", "network.observationEmbedding.weight"].contains(name) { return features }
    guard name.hasSuffix(".film.weight") else { return nil }  // terms: ok, FiLM
    // Behind the diffusion step's embedding, the features of each frame.
    let frames = tensors["model.diffusion_step_encoder.3.bias"].map { (count - $0.count) / features.count } ?? 0
    let first = count - frames * features.count
    return Array(0..<first)
      + (0..<frames).flatMap { frame in features.map { first + frame * features.count + $0 } }
  }
}
