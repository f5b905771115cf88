import Imitation
import Tensors

/// One observation history and the actions that the policy must answer with.
package struct GoldenExample {
  /// `image/KEY` as `[time, height, width, 3]` whole numbers, `vector/KEY` as `[time, width]`.
  package var inputs: [String: Tensor]
  package var instruction: String
  package var seed: UInt64
  /// `[steps, action]`, in the environment's range.
  package var actions: Tensor
  /// What graphs have to answer: the same, but for rounded weights; nil without graphs.
  package var graphActions: Tensor?
  /// The random numbers that the answer takes, in the order they are drawn; nil without graphs.
  package var draws: Tensor?
}

extension GoldenExample {
  /// Random observations for `schema`: all-zero ones would hide mistakes.
  package init(schema: ObservationSchema, steps: Int, instruction: String, seed: UInt64, normalizer: Normalizer) {
    var random = Random(seed: seed).split("golden")
    var inputs: [String: Tensor] = [:]
    for key in schema.imageKeys {
      let size = schema.images[key]!
      inputs["image/\(key)"] = Tensor(
        (0..<steps * size.height * size.width * 3).map { _ in Float(random.below(256)) },
        shape: [steps, size.height, size.width, 3])
    }
    for key in schema.vectorKeys {
      let width = schema.vectors[key]!
      // Around what was recorded, so that the network sees what it knows.
      let affine = normalizer.keys[key]!
      inputs["vector/\(key)"] = Tensor(
        (0..<steps * width).map { affine.offset[$0 % width] + affine.scale[$0 % width] * Float(random.normal()) },
        shape: [steps, width])
    }
    self.init(inputs: inputs, instruction: instruction, seed: seed, actions: Tensor([], shape: [0]))
  }

  /// The history as observations, oldest first.
  package func observations(schema: ObservationSchema) throws -> [Observation] {
    let steps = inputs.values.first?.shape.first ?? 0
    guard steps > 0 else { throw PackageError.description("the golden input has no rows") }
    return try (0..<steps).map { step in
      var observation = Observation(instruction: instruction)
      for (key, size) in schema.images {
        guard let tensor = inputs["image/\(key)"], tensor.shape == [steps, size.height, size.width, 3] else {
          throw PackageError.description("the golden input lacks '\(key)'")
        }
        let values = tensor.sliced(axis: 0, step..<step + 1).scalars
        guard values.allSatisfy({ (0...255).contains($0) }) else {
          throw PackageError.description("the golden input '\(key)' is not an image")
        }
        observation.images[key] = Image(width: size.width, height: size.height, pixels: values.map { UInt8($0) })
      }
      for (key, width) in schema.vectors {
        guard let tensor = inputs["vector/\(key)"], tensor.shape == [steps, width] else {
          throw PackageError.description("the golden input lacks '\(key)'")
        }
        observation.vectors[key] = tensor.sliced(axis: 0, step..<step + 1).scalars
      }
      return observation
    }
  }

  /// Runs `agent` on the input, first observation first, and gives all that it predicts.
  package func answer(of agent: Agent) throws -> Tensor { try drawnAnswer(of: agent).actions }

  /// The same, and how many random numbers it takes.
  package func drawnAnswer(of agent: Agent) throws -> (actions: Tensor, draws: Int) {
    let history = try observations(schema: agent.schema)
    let batch = try agent.normalizer.normalized(Agent.batch([history], schema: agent.schema))
    var randoms = [Random(seed: seed)]
    let predicted = agent.policy.actions(for: batch, randoms: &randoms)
    let (steps, width) = (predicted.shape[1], predicted.shape[2])
    let values = predicted.scalars
    let rows = try (0..<steps).map { step in
      try agent.normalizer.restored(Array(values[step * width..<(step + 1) * width]), key: Normalizer.actions)
    }
    return (Tensor(rows.flatMap { $0 }, shape: [steps, width]), Int(randoms[0].counter))
  }

  /// The first random numbers of an episode, as the sampling of its policy takes them: normal ones, and before those of a mixture's
  /// step a uniform one where its component is drawn.
  ///
  /// - Parameter width: numbers of an action.
  package static func draws(_ count: Int, seed: UInt64, sampling: Setting, width: Int) -> Tensor {
    let drawsComponents = sampling["mode"]?.value == .text("sample")
    var random = Random(seed: seed)
    let numbers = (0..<count).map { place in
      Float(drawsComponents && place % (width + 1) == 0 ? random.uniform() : random.normal())
    }
    return Tensor(numbers, shape: [count])
  }

  /// - Parameter normalizer: says how large each number is.
  /// - Throws: `PackageError.differs` when a number is off by more than `tolerance` of its scale.
  package func check(_ found: Tensor, _ normalizer: Normalizer, tolerance: Float = 1e-4) throws {
    guard found.shape == actions.shape else {
      throw PackageError.description("the golden output has shape \(actions.shape), the policy gives \(found.shape)")
    }
    let scale = normalizer.keys[Normalizer.actions]?.scale ?? [1]
    for (place, (a, b)) in zip(found.scalars, actions.scalars).enumerated()
    where !(abs(a - b) <= tolerance * abs(scale[place % scale.count])) {
      throw PackageError.differs(largest: abs(a - b), at: place)
    }
  }
}
