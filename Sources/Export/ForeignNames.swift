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
    let trunk = "policy.nets.transformer.nets"
    names.add("embedding", "policy.nets.embed_encoder")
    names.add("positions", "policy.params.embed_timestep")
    names.add("embeddingNorm", "policy.nets.embed_ln")
    names.add("blocks.*.attentionNorm", "\(trunk).transformer.$0.nets.ln1")
    for (third, name) in ["query", "key", "value"].enumerated() {
      names.add("blocks.*.attention.\(name)", "\(trunk).transformer.$0.nets.attention.nets.qkv", third: third)
    }
    names.add("blocks.*.attention.output", "\(trunk).transformer.$0.nets.attention.nets.output")
    names.add("blocks.*.mlpNorm", "\(trunk).transformer.$0.nets.ln2")
    names.add("blocks.*.expand", "\(trunk).transformer.$0.nets.mlp.0")
    names.add("blocks.*.contract", "\(trunk).transformer.$0.nets.mlp.2")
    names.add("norm", "\(trunk).output_ln")
    names.add("means", "policy.nets.decoder.nets.mean")
    names.add("deviations", "policy.nets.decoder.nets.scale")
    names.add("logits", "policy.nets.decoder.nets.logits")
  }

  /// Diffusion Policy's U-Net and transformer.
  package static let diffusionPolicy = ForeignNames { names in
    names.addEncoder("obs_encoder")
    names.add("network.stepExpand", "model.diffusion_step_encoder.1")
    names.add("network.stepContract", "model.diffusion_step_encoder.3")
    names.addBlock("network.down.*.first", "model.down_modules.$0.0")
    names.addBlock("network.down.*.second", "model.down_modules.$0.1")
    names.add("network.down.*.shrink", "model.down_modules.$0.2.conv")
    names.addBlock("network.middle.*", "model.mid_modules.$0")
    names.addBlock("network.up.*.first", "model.up_modules.$0.0")
    names.addBlock("network.up.*.second", "model.up_modules.$0.1")
    names.add("network.up.*.grow", "model.up_modules.$0.2.conv")
    names.add("network.final.convolution", "model.final_conv.0.block.0")
    names.add("network.final.norm", "model.final_conv.0.block.1")
    names.add("network.output", "model.final_conv.1")

    names.add("network.actionEmbedding", "model.input_emb")
    names.add("network.positions", "model.pos_emb")
    names.add("network.observationEmbedding", "model.cond_obs_emb")
    names.add("network.memoryPositions", "model.cond_pos_emb")
    names.add("network.memoryExpand", "model.encoder.0")
    names.add("network.memoryContract", "model.encoder.2")
    names.add("network.memoryBlocks.*.attentionNorm", "model.encoder.layers.$0.norm1")
    names.addAttention("network.memoryBlocks.*.attention", "model.encoder.layers.$0.self_attn")
    names.add("network.memoryBlocks.*.mlpNorm", "model.encoder.layers.$0.norm2")
    names.add("network.blocks.*.attentionNorm", "model.decoder.layers.$0.norm1")
    names.addAttention("network.blocks.*.attention", "model.decoder.layers.$0.self_attn")
    names.add("network.blocks.*.memoryNorm", "model.decoder.layers.$0.norm2")
    names.addAttention("network.blocks.*.memoryAttention", "model.decoder.layers.$0.multihead_attn")
    names.add("network.blocks.*.mlpNorm", "model.decoder.layers.$0.norm3")
    for (ours, theirs) in [("memoryBlocks", "encoder"), ("blocks", "decoder")] {
      names.add("network.\(ours).*.expand", "model.\(theirs).layers.$0.linear1")
      names.add("network.\(ours).*.contract", "model.\(theirs).layers.$0.linear2")
    }
    names.add("network.norm", "model.ln_f")
    names.add("network.head", "model.head")
  }

  private init(_ fill: (inout ForeignNames) -> Void) { fill(&self) }

  private mutating func add(_ ours: String, _ theirs: String, third: Int? = nil) {
    rules.append((ours.split(separator: "."), theirs, third))
  }

  /// robomimic's `VisualCore`: trunk, keypoints, flattening, projection. Diffusion Policy takes it from there.
  private mutating func addEncoder(_ root: String) {
    let (ours, theirs) = ("encoder.cameras.*", "\(root).obs_nets.$0.nets")
    add("\(ours).trunk.stem", "\(theirs).0.nets.0")
    add("\(ours).trunk.stemNorm", "\(theirs).0.nets.1")
    for block in 0..<8 {
      let place = "\(theirs).0.nets.\(4 + block / 2).\(block % 2)"
      for (mine, other) in [
        ("conv1", "conv1"), ("norm1", "bn1"), ("conv2", "conv2"), ("norm2", "bn2"), ("shortcut", "downsample.0"),
        ("shortcutNorm", "downsample.1"),
      ] { add("\(ours).trunk.blocks.\(block).\(mine)", "\(place).\(other)") }
    }
    add("\(ours).keypoints.projection", "\(theirs).1.nets")
    add("\(ours).projection", "\(theirs).3")
  }

  /// A residual block of the U-Net.
  private mutating func addBlock(_ ours: String, _ theirs: String) {
    for (index, name) in ["first", "second"].enumerated() {
      add("\(ours).\(name).convolution", "\(theirs).blocks.\(index).block.0")
      add("\(ours).\(name).norm", "\(theirs).blocks.\(index).block.1")
    }
    add("\(ours).film", "\(theirs).cond_encoder.1")  // terms: ok, FiLM
    add("\(ours).around", "\(theirs).residual_conv")
  }

  /// `torch.nn.MultiheadAttention`.
  private mutating func addAttention(_ ours: String, _ theirs: String) {
    for (third, name) in ["query", "key", "value"].enumerated() {
      add("\(ours).\(name)", "\(theirs).in_proj", third: third)
    }
    add("\(ours).output", "\(theirs).out_proj")
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
