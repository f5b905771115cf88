import Imitation
import Tensors

/// Clips of frames with their states, not standardized.
struct EncodedClips {
  /// The present time step of each: the last of its context.
  let present: [EpisodeStep]
  /// The states of some of them, `[clips, context + horizon, tokens, numbers]`.
  let states: ([Int]) throws -> Tensor

  init(
    _ episodes: [Int], _ model: GaussianWorldModel, _ data: WorldFrames, _ lifted: LiftedFrames, seed: UInt64,
    _ name: String,
    _ precomputation: Precomputation
  ) throws {
    let (context, horizon) = (LatentDynamics.context, model.dynamics.options.horizon)
    let length = context + horizon
    var random = Random(seed: seed).split("clips")
    var present: [EpisodeStep] = []
    var anchors: [EpisodeStep] = []
    for frame in data.frames(of: episodes)
    where frame.step >= context - 1 && frame.step + horizon < data.reader.episodes[frame.episode].length {
      present.append(frame)
      // Roll-outs keep the anchors of their first time step, so that those of a while ago must do as well.
      let first = model.codec.followsGripper ? frame.step : frame.step - context + 1
      anchors.append(.init(episode: frame.episode, step: max(0, first - model.codec.age(of: &random))))
    }
    let (clips, references, codec) = (present, anchors, model.codec)
    self.present = present
    func encoded(_ chosen: [Int]) throws -> Tensor {
      let frames = chosen.flatMap { clip in
        (1 - context...horizon).map { EpisodeStep(episode: clips[clip].episode, step: clips[clip].step + $0) }
      }
      let encodings = try lifted(frames)
      let reference =
        try codec.usesReference
        ? lifted(chosen.map { references[$0] }).gathered(
          chosen.indices.flatMap { Array(repeating: $0, count: length) }) : encodings
      let raw = codec.encode(encodings, reference: reference)
      return raw.reshaped([chosen.count, length] + raw.shape.dropFirst())
    }
    if type(of: codec).isTrained, !codec.usesReference {
      // Tokens of a frame are the same in every clip that it is in.
      let all = data.frames(of: episodes)
      let store = try precomputation.stored(
        name, count: all.count, shape: [codec.tokenCount, codec.tokenWidth], batch: 32
      ) { range in
        let encoding = try lifted(Array(all[range]))
        return codec.encode(encoding, reference: encoding)
      }
      let places = Dictionary(uniqueKeysWithValues: all.enumerated().map { ($1, $0) })
      states =
        store.map { store in
          { chosen in
            let rows = chosen.flatMap { clip in (1 - context...horizon).map { places[clips[clip]]! + $0 } }
            return store.rows(rows).reshaped([chosen.count, length] + store.shape)
          }
        } ?? encoded
      return
    }
    // Without a VAE states are the lifted frames in another order, made as they are needed; latents are made once if they fit.
    guard type(of: codec).isTrained, !present.isEmpty else {
      states = encoded
      return
    }
    let shape = Array(try encoded([0]).shape.dropFirst())
    let store = try precomputation.stored(name, count: present.count, shape: shape, batch: 16) {
      try encoded(Array($0))
    }
    states = store?.rows ?? encoded
  }
}
