import Imitation
import Tensors

/// Walks from noise to actions along a schedule, with what a network predicts at each step.
///
/// The arithmetic of diffusers (`DDPMScheduler`, `DDIMScheduler`, "leading" spacing, `set_alpha_to_one`): with fewer steps
/// than the schedule has, DDPM takes the variance between the steps it visits, which the version that Diffusion Policy pinned
/// (0.11.1) did not.
public struct DiffusionSampler: Sendable {
  /// Which sampler.
  public enum Kind: String, CaseIterable, SettingValue {
    /// Ho et al. 2020: noise is added back at every step.
    case ddpm
    /// Song et al. 2021: none, so that few steps are enough.
    case ddim
  }

  /// How much noise a step holds.
  public let schedule: NoiseSchedule
  let kind: Kind
  let prediction: NoiseSchedule.Prediction
  /// Keep each step's estimate of the clean actions within -1...1.
  let clips: Bool
  /// DDIM's share of the noise that DDPM would add, 0...1.
  let eta: Double
  /// The steps visited, the noisiest first.
  public let steps: [Int]
  private let stride: Int

  /// - Parameter count: how many steps are taken, at most those of the schedule.
  public init(
    _ kind: Kind, schedule: NoiseSchedule, prediction: NoiseSchedule.Prediction = .epsilon, count: Int,
    clips: Bool = true, eta: Double = 0
  ) {
    // With more, the stride would be 0 and every step would stay where it is, silently.
    precondition((1...schedule.steps).contains(count), "DiffusionSampler: \(count) of \(schedule.steps) steps")
    self.schedule = schedule
    self.kind = kind
    self.prediction = prediction
    self.clips = clips
    self.eta = eta
    stride = schedule.steps / count
    steps = (0..<count).reversed().map { [stride] in $0 * stride }
  }

  /// All that a walk takes: the steps visited, the share of the signal that is left at each, and at the one before it.
  var settings: [(String, Setting)] {
    [
      ("kind", kind.setting), ("prediction", prediction.setting), ("clip", clips.setting), ("eta", eta.setting),
      ("steps", steps.setting), ("remaining", steps.map { schedule.remaining[$0] }.setting),
      ("remaining_before", steps.map { schedule.remaining(at: $0 - stride) }.setting),
      ("walk", Setting(.list(steps.map { ([Double($0)] + shares(at: $0)).setting }))),
    ]
  }

  /// The arithmetic of a step as six numbers: `clean = a x + b output`, clipped if asked for, and `c clean + d x + e output + f noise`.
  package func shares(at step: Int) -> [Double] {
    let (now, before) = (schedule.remaining[step], schedule.remaining(at: step - stride))
    let (signal, rest) = (now.squareRoot(), (1 - now).squareRoot())
    let clean: (x: Double, output: Double)
    let noise: (x: Double, output: Double)
    switch prediction {
    case .epsilon: (clean, noise) = ((1 / signal, -rest / signal), (0, 1))
    case .sample: (clean, noise) = ((0, 1), (1 / rest, -signal / rest))
    case .velocity: (clean, noise) = ((signal, -rest), (rest, signal))
    }
    let unknown = (1 - before) / (1 - now) * (1 - now / before)
    switch kind {
    case .ddpm:
      return [
        clean.x, clean.output, before.squareRoot() * (1 - now / before) / (1 - now),
        (now / before).squareRoot() * (1 - before) / (1 - now), 0, step == 0 ? 0 : max(unknown, 1e-20).squareRoot(),
      ]
    case .ddim:
      let deviation = eta * unknown.squareRoot()
      let left = max(0, 1 - before - deviation * deviation).squareRoot()
      return [clean.x, clean.output, before.squareRoot(), left * noise.x, left * noise.output, deviation]
    }
  }

  /// The clean actions and the noise that a prediction stands for.
  private func parts(_ output: Tensor, _ x: Tensor, remaining: Double) -> (clean: Tensor, noise: Tensor) {
    let (signal, rest) = (Float(remaining.squareRoot()), Float((1 - remaining).squareRoot()))
    let (clean, noise) =
      switch prediction {
      case .epsilon: ((x - rest * output) / signal, output)
      case .sample: (output, (x - signal * output) / rest)
      case .velocity: (signal * x - rest * output, signal * output + rest * x)
      }
    return (clips ? clean.clamped(to: -1...1) : clean, noise)
  }

  /// One step back.
  ///
  /// - Parameters:
  ///   - output: what the network predicted at `step`.
  ///   - noise: standard normal, `x`'s shape; asked for only where some is added.
  public func step(_ output: Tensor, at step: Int, _ x: Tensor, noise: () -> Tensor) -> Tensor {
    let (now, before) = (schedule.remaining[step], schedule.remaining(at: step - stride))
    let (clean, epsilon) = parts(output, x, remaining: now)
    let (kept, added) = (now / before, 1 - now / before)
    // Of the noise between the two steps, what is not known once x_0 is.
    let unknown = (1 - before) / (1 - now) * added
    switch kind {
    case .ddpm:
      let mean =
        Float(before.squareRoot() * added / (1 - now)) * clean
        + Float(kept.squareRoot() * (1 - before) / (1 - now)) * x
      return step == 0 ? mean : mean + Float(max(unknown, 1e-20).squareRoot()) * noise()
    case .ddim:
      let deviation = eta * unknown.squareRoot()
      let next =
        Float(before.squareRoot()) * clean + Float(max(0, 1 - before - deviation * deviation).squareRoot()) * epsilon
      return deviation > 0 ? next + Float(deviation) * noise() : next
    }
  }

  /// From noise to actions, `[randoms.count] + shape`: rows of that shape, each with a stream of its own.
  ///
  /// Given actions are in-painted: before each step they are put in their places, as noisy as the rest is there, and after the last
  /// one as they are. A row draws as many numbers as without them.
  ///
  /// - Parameters:
  ///   - shape: `[actions, width]` where some are given.
  ///   - prefixes: of each row the actions that are given, `[count, width]`, the count being the row's own; empty for none of any.
  ///   - first: the place of the first of them in a row.
  public func sample(
    _ shape: [Int], continuing prefixes: [[[Float]]] = [], from first: Int = 0, randoms: inout [Random],
    predict: (_ x: Tensor, _ step: Int) -> Tensor
  ) -> Tensor {
    func noise() -> Tensor { .stacked(randoms.indices.map { .normal(shape, random: &randoms[$0]) }, axis: 0) }
    var x = noise()
    guard prefixes.contains(where: { !$0.isEmpty }) else {
      for step in steps { x = self.step(predict(x, step), at: step, x, noise: noise) }
      return x
    }
    precondition(prefixes.count == randoms.count, "DiffusionSampler: \(prefixes.count) prefixes, \(randoms.count) rows")
    precondition(
      prefixes.allSatisfy { first + $0.count <= shape[0] && $0.allSatisfy { $0.count == shape[1] } },
      "DiffusionSampler: a prefix that does not fit \(shape)")
    let start = x.scalars
    /// `x` with what is given in its places, where of the signal's variance so much is left.
    func holding(_ x: Tensor, _ remaining: Double) -> Tensor {
      let (signal, rest) = (Float(remaining.squareRoot()), Float((1 - remaining).squareRoot()))
      var values = x.scalars
      for (row, prefix) in prefixes.enumerated() {
        let place = (row * shape[0] + first) * shape[1]
        for (index, value) in prefix.joined().enumerated() {
          values[place + index] = signal * value + rest * start[place + index]
        }
      }
      return Tensor(values, shape: x.shape)
    }
    for step in steps {
      x = holding(x, schedule.remaining[step])
      x = self.step(predict(x, step), at: step, x, noise: noise)
    }
    return holding(x, 1)
  }
}
