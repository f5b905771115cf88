import Imitation
import Tensors

/// Which window to take when: each once an epoch, shuffled anew; or, with weights, each as often as its weight says, drawn
/// with replacement (robomimic samples so, with `SubsetRandomSampler` and `WeightedRandomSampler`).
///
/// Batch number `n` is a function of the seed and `n` alone, so a checkpoint needs no more than the step to go on in the
/// same order. The windows left over at the end of an epoch are dropped.
package struct WindowSampler: Sendable {
  /// One step of one episode.
  package struct Index: Sendable, Hashable {
    package var episode: Int
    package var step: Int

    package init(episode: Int, step: Int) {
      self.episode = episode
      self.step = step
    }
  }

  package let indices: [Index]
  /// Sums of the weights up to each window, nil when all windows count the same.
  private let sums: [Double]?
  private let batch: Int
  private let random: Random

  /// - Parameter weights: one for each window, not all 0; nil to draw without replacement.
  package init(_ indices: [Index], weights: [Double]? = nil, batch: Int, seed: UInt64) {
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
  package func callAsFunction(_ number: Int, order cache: inout (epoch: Int, order: [Int])?) -> [Index] {
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
package struct WindowPadding: Decodable, Sendable, Equatable {
  package var start: Bool
  /// How many rows a window may reach over the end: none, all, or so many (Diffusion Policy: executed actions less 1).
  package var endRows: Int

  package var end: Bool { endRows > 0 }

  package static let both = WindowPadding(start: true, end: true)

  package init(start: Bool, end: Bool) {
    self.start = start
    endRows = end ? .max : 0
  }

  enum CodingKeys: String, CodingKey, CaseIterable { case start, end }

  package init(from decoder: any Decoder) throws {
    let keys = try decoder.container(keyedBy: CodingKeys.self)
    self.init(start: try keys.decodeIfPresent(Bool.self, forKey: .start) ?? true, end: true)
    guard keys.contains(.end) else { return }
    if let rows = try? keys.decode(Int.self, forKey: .end) {
      guard rows >= 0 else {
        throw DecodingError.dataCorruptedError(
          forKey: .end, in: keys, debugDescription: "must be true, false or a number of rows")
      }
      endRows = rows
    } else {
      endRows = try keys.decode(Bool.self, forKey: .end) ? .max : 0
    }
  }

  /// The present steps of all windows of some episodes, in order; none of an episode that is too short.
  package func indices(_ episodes: [(number: Int, length: Int)], window: Window) -> [WindowSampler.Index] {
    episodes.flatMap { episode in
      let first = start ? 0 : -min(window.observations.lowerBound, window.actions.lowerBound)
      let beyond = max(window.observations.upperBound, window.actions.upperBound)
      let end = min(episode.length, episode.length - beyond + min(endRows, beyond))
      return (first..<max(first, end)).map { WindowSampler.Index(episode: episode.number, step: $0) }
    }
  }
}

extension DemonstrationSource {
  /// Windows of some steps as a batch, nothing normalised. Rows beyond an episode repeat its first or last, as robomimic
  /// pads; `mask` is 0 on repeated actions.
  package func batch(_ indices: [WindowSampler.Index], window: Window) throws -> Batch {
    func rows(_ range: ClosedRange<Int>, _ index: WindowSampler.Index) -> [Int] {
      range.map { min(max(index.step + $0, 0), episodes[index.episode].length - 1) }
    }
    let time = window.observations.count
    var images: [String: ImageBatch] = [:]
    for (key, size) in schema.images {
      let each = time * size.height * size.width * 3
      let pixels = try [UInt8](unsafeUninitializedCapacity: indices.count * each) { buffer, count in
        for index in indices {
          try copyImages(
            key, episode: index.episode, rows: rows(window.observations, index),
            to: .init(rebasing: buffer[count..<count + each]))
          count += each
        }
      }
      images[key] = ImageBatch(batch: indices.count, time: time, size: size, pixels: pixels)
    }
    func gather(
      _ range: ClosedRange<Int>, width: Int,
      _ read: (_ episode: Int, Range<Int>) throws -> (values: [Float], first: Int)
    ) rethrows -> Tensor {
      var values: [Float] = []
      values.reserveCapacity(indices.count * range.count * width)
      for index in indices {
        let chosen = rows(range, index)
        let (known, first) = try read(index.episode, chosen[0]..<chosen[chosen.count - 1] + 1)
        for row in chosen { values += known[(row - first) * width..<(row - first + 1) * width] }
      }
      return Tensor(values, shape: [indices.count, range.count, width])
    }
    var vectors: [String: Tensor] = [:]
    for (key, width) in schema.vectors {
      vectors[key] = try gather(window.observations, width: width) {
        (try self.vectors(key, episode: $0, rows: $1), $1.lowerBound)
      }
    }
    let mask = indices.flatMap { index in
      window.actions.map { Float((0..<episodes[index.episode].length).contains(index.step + $0) ? 1 : 0) }
    }
    return Batch(
      observations: ObservationBatch(
        images: images, vectors: vectors, instructions: indices.map { episodes[$0.episode].instruction }, time: time),
      actions: try gather(window.actions, width: actionWidth) { episode, _ in (try actions(episode: episode), 0) },
      mask: Tensor(mask, shape: [indices.count, window.actions.count]))
  }

  /// What the values of `key` look like over all steps of some episodes; `Normalizer.actions` for the actions.
  package func statistics(of key: String, episodes chosen: [Int]) throws -> KeyStatistics {
    let isAction = key == Normalizer.actions
    let width = isAction ? actionWidth : schema.vectors[key]!
    var count = 0
    var mean = [Double](repeating: 0, count: width)
    var squares = mean  // summed squared differences from the running mean (Welford)
    var low = [Double](repeating: .infinity, count: width)
    var high = [Double](repeating: -.infinity, count: width)
    // A part of an episode at a time: depth images of a whole one may not fit in memory.
    let block = max(1, (1 << 22) / max(width, 1))
    for episode in chosen {
      let length = episodes[episode].length
      for start in stride(from: 0, to: length, by: isAction ? length : block) {
        let values =
          isAction
          ? try actions(episode: episode)
          : try vectors(key, episode: episode, rows: start..<min(length, start + block))
        for row in 0..<values.count / max(width, 1) {
          count += 1
          for place in 0..<width {
            let value = Double(values[row * width + place])
            let distance = value - mean[place]
            mean[place] += distance / Double(count)
            squares[place] += distance * (value - mean[place])
            low[place] = min(low[place], value)
            high[place] = max(high[place], value)
          }
        }
      }
    }
    return KeyStatistics(
      count: count, mean: mean, variance: squares.map { $0 / Double(max(count, 1)) }, minimum: low, maximum: high)
  }
}
