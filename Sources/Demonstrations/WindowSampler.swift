import Imitation
import Tensors

/// Which window to take when: each once an epoch, shuffled each time; or, with weights, each as often as its weight says, drawn
/// with replacement (robomimic samples so, with `SubsetRandomSampler` and `WeightedRandomSampler`).
///
/// Batch number `n` is a function of the seed and `n` alone, so a checkpoint needs no more than the step to go on in the
/// same order. The windows left over at the end of an epoch are dropped.
package struct WindowSampler: Sendable {
  package let indices: [EpisodeStep]
  /// Sums of the weights up to each window, nil when all windows count the same.
  private let sums: [Double]?
  private let batch: Int
  private let random: Random

  /// - Parameter weights: one for each window, not all 0; nil to draw without replacement.
  package init(_ indices: [EpisodeStep], weights: [Double]? = nil, batch: Int, seed: UInt64) {
    self.indices = indices
    sums = weights.map { weights in
      var sum = 0.0
      return weights.map { weight in
        sum += weight
        return sum
      }
    }
    self.batch = batch
    random = Random(seed: seed).split("windows")
  }

  package var batchesPerEpoch: Int { indices.count / batch }

  /// Batch `number`, counted over all epochs.
  package func callAsFunction(_ number: Int, order cache: inout (epoch: Int, order: [Int])?) -> [EpisodeStep] {
    let (epoch, place) = number.quotientAndRemainder(dividingBy: max(1, batchesPerEpoch))
    if cache?.epoch != epoch {
      var stream = random.split(epoch)
      cache = (epoch, sums.map { draws($0, &stream) } ?? stream.permutation(indices.count))
    }
    return cache!.order[place * batch..<min(indices.count, (place + 1) * batch)].map { indices[$0] }
  }
}

extension WindowSampler {
  /// As many windows as there are, each with the probability of its weight.
  private func draws(_ sums: [Double], _ stream: inout Random) -> [Int] {
    indices.indices.map { _ in
      let mark = stream.uniform(0...sums.last!)
      // The first window whose sum is above the mark; at the very end the last that has a weight.
      var (low, high) = (0, sums.count - 1)
      while low < high {
        let middle = (low + high) / 2
        if sums[middle] > mark { high = middle } else { low = middle + 1 }
      }
      return sums[low] > mark ? low : sums.firstIndex(of: sums.last!)!
    }
  }
}

/// Whether windows may begin before an episode's first step and end after its last, robomimic's `pad_frame_stack` and
/// `pad_seq_length`.
package struct WindowPadding: PluginOptions, Equatable {
  @Key("Whether windows may begin before an episode's first step.") package var start = true
  @Key("Whether windows may end after an episode's last step, or by how many rows at most.") private var end = Beyond
    .all

  package init() {}

  package init(start: Bool, end: Bool) {
    self.start = start
    self.end = Beyond(rows: end ? .max : 0)
  }

  package static let both = WindowPadding()

  /// How many rows a window may reach over the end: none, all, or so many (Diffusion Policy: executed actions less 1).
  package var endRows: Int { end.rows }

  private struct Beyond: SettingValue, Equatable {
    var rows: Int

    static let all = Beyond(rows: .max)
    static var settingType: String { "true, false or a number of rows" }

    init(rows: Int) { self.rows = rows }

    init(_ setting: Setting, path: String) throws {
      switch setting.value {
      case .bool(let all): rows = all ? .max : 0
      case .integer(let count) where count >= 0: rows = count
      default: throw setting.wrongType(path, wanted: Self.settingType)
      }
    }

    var setting: Setting { Setting(rows == .max || rows == 0 ? .bool(rows > 0) : .integer(rows)) }
  }

  /// The present steps of all windows of some episodes, in order; none of an episode that is too short.
  package func indices(_ episodes: [(number: Int, length: Int)], window: Window) -> [EpisodeStep] {
    episodes.flatMap { episode in
      let first = start ? 0 : -min(window.observations.lowerBound, window.actions.lowerBound)
      let beyond = max(window.observations.upperBound, window.actions.upperBound)
      let last = min(episode.length, episode.length - beyond + min(endRows, beyond))
      return (first..<max(first, last)).map { EpisodeStep(episode: episode.number, step: $0) }
    }
  }
}
