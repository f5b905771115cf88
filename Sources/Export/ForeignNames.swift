/// How robomimic and Diffusion Policy's repository call the parameters of the networks that both they and we have.
///
/// A rule is a path of ours and a path of theirs; `*` stands for one part of a path, kept where `$0`, `$1` stand. Rules end
/// at a layer: what its tensors are called on either side is the same everywhere (`leaf`).
package struct ForeignNames: Sendable {
  package struct Name: Equatable, Sendable {
    package var path: String
    /// Which third of a tensor that holds query, key and value one after another.
    package var third: Int?
  }

  private var rules: [(ours: [Substring], theirs: String, third: Int?)] = []

  /// robomimic's BC-Transformer.
  package static let robomimic = ForeignNames { names in
    names.addEncoder("policy.nets.encoder.nets.obs")
    names.add(
      "", "policy.",
      [
        "embedding": "nets.embed_encoder", "positions": "params.embed_timestep", "embeddingNorm": "nets.embed_ln",
        "norm": "nets.transformer.nets.output_ln", "means": "nets.decoder.nets.mean",
        "deviations": "nets.decoder.nets.scale", "logits": "nets.decoder.nets.logits",
      ])
    let block = "policy.nets.transformer.nets.transformer.$0.nets."
    names.add("blocks.*.", block, ["attentionNorm": "ln1", "mlpNorm": "ln2", "expand": "mlp.0", "contract": "mlp.2"])
    names.addAttention("blocks.*.attention", "\(block)attention.nets", together: "qkv", output: "output")
  }

  /// Diffusion Policy's U-Net and transformer.
  package static let diffusionPolicy = ForeignNames { names in
    names.addEncoder("obs_encoder")
    names.add(
      "network.", "model.",
      [
        "stepExpand": "diffusion_step_encoder.1", "stepContract": "diffusion_step_encoder.3",
        "down.*.shrink": "down_modules.$0.2.conv", "up.*.grow": "up_modules.$0.2.conv",
        "final.convolution": "final_conv.0.block.0", "final.norm": "final_conv.0.block.1", "output": "final_conv.1",
      ])
    names.addBlock("network.middle.*", "model.mid_modules.$0")
    for way in ["down", "up"] {
      names.addBlock("network.\(way).*.first", "model.\(way)_modules.$0.0")
      names.addBlock("network.\(way).*.second", "model.\(way)_modules.$0.1")
    }

    names.add(
      "network.", "model.",
      [
        "actionEmbedding": "input_emb", "positions": "pos_emb", "observationEmbedding": "cond_obs_emb",
        "memoryPositions": "cond_pos_emb", "memoryExpand": "encoder.0", "memoryContract": "encoder.2", "norm": "ln_f",
        "head": "head",
      ])
    let (memory, block) = ("model.encoder.layers.$0.", "model.decoder.layers.$0.")
    let perceptron: KeyValuePairs = ["expand": "linear1", "contract": "linear2", "attentionNorm": "norm1"]
    names.add("network.memoryBlocks.*.", memory, perceptron)
    names.add("network.memoryBlocks.*.", memory, ["mlpNorm": "norm2"])
    names.addAttention("network.memoryBlocks.*.attention", memory + "self_attn")
    names.add("network.blocks.*.", block, perceptron)
    names.add("network.blocks.*.", block, ["memoryNorm": "norm2", "mlpNorm": "norm3"])
    names.addAttention("network.blocks.*.attention", block + "self_attn")
    names.addAttention("network.blocks.*.memoryAttention", block + "multihead_attn")
  }

  private init(_ fill: (inout ForeignNames) -> Void) { fill(&self) }

  /// What stands behind one of our beginnings and one of theirs.
  private mutating func add(
    _ ours: String, _ theirs: String, _ names: KeyValuePairs<String, String>, third: Int? = nil
  ) {
    rules += names.map { ((ours + $0).split(separator: "."), theirs + $1, third) }
  }

  /// robomimic's `VisualCore`: trunk, keypoints, flattening, projection. Diffusion Policy takes it from there.
  private mutating func addEncoder(_ root: String) {
    let (ours, theirs) = ("encoder.cameras.*.", "\(root).obs_nets.$0.nets.")
    add(
      ours, theirs,
      [
        "trunk.stem": "0.nets.0", "trunk.stemNorm": "0.nets.1", "keypoints.projection": "1.nets", "projection": "3",
      ])
    for block in 0..<8 {
      add(
        "\(ours)trunk.blocks.\(block).", "\(theirs)0.nets.\(4 + block / 2).\(block % 2).",
        [
          "conv1": "conv1", "norm1": "bn1", "conv2": "conv2", "norm2": "bn2", "shortcut": "downsample.0",
          "shortcutNorm": "downsample.1",
        ])
    }
  }

  /// A residual block of the U-Net.
  private mutating func addBlock(_ ours: String, _ theirs: String) {
    add(
      "\(ours).", "\(theirs).",
      [
        "first.convolution": "blocks.0.block.0", "first.norm": "blocks.0.block.1",
        "second.convolution": "blocks.1.block.0", "second.norm": "blocks.1.block.1",
        "film": "cond_encoder.1", "around": "residual_conv",  // terms: ok, FiLM
      ])
  }

  /// Query, key and value in one tensor: `torch.nn.MultiheadAttention`'s, where nothing else is said.
  private mutating func addAttention(
    _ ours: String, _ theirs: String, together: String = "in_proj", output: String = "out_proj"
  ) {
    for (third, name) in ["query", "key", "value"].enumerated() {
      add("\(ours).", "\(theirs).", [name: together], third: third)
    }
    add("\(ours).", "\(theirs).", ["output": output])
  }

  /// A name of theirs without what wrappers put into it: `torch.compile` (`_orig_mod`), `DataParallel` (`module`), and
  /// robomimic's checkpoints from 0.5 on, which keep the networks beside the optimizers (`nets`).
  static func plain(_ name: String) -> String {
    for group in ["normalizer.", "obs_normalization.", "action_normalization."] where name.hasPrefix(group) {
      return name  // what follows are keys of observations
    }
    var parts = name.split(separator: ".", omittingEmptySubsequences: false)
    parts.removeAll { $0 == "_orig_mod" || $0 == "module" }
    if parts.count > 1, parts[0] == "nets", parts[1] == "policy" { parts.removeFirst() }
    return parts.joined(separator: ".")
  }

  /// What they call our parameter `name`; nil when they have nothing like it.
  package func callAsFunction(_ name: String) -> Name? {
    let parts = name.split(separator: ".")
    for rule in rules where rule.ours.count == parts.count || rule.ours.count + 1 == parts.count {
      var kept: [Substring] = []
      let fits = zip(rule.ours, parts).allSatisfy { pattern, part in
        if pattern == "*" { kept.append(part) }
        return pattern == "*" || pattern == part
      }
      guard fits else { continue }
      var path = rule.theirs
      for (index, part) in kept.enumerated() { path = path.replacing("$\(index)", with: String(part)) }
      if parts.count > rule.ours.count {
        guard let leaf = ForeignNames.leaf[String(parts.last!)] else { continue }
        path += (path.hasSuffix("in_proj") ? "_" : ".") + leaf
      }
      return Name(path: path, third: rule.third)
    }
    return nil
  }

  private static let leaf = [
    "weight": "weight", "bias": "bias", "scale": "weight", "mean": "running_mean", "variance": "running_var",
  ]
}
