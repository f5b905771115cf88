import Tensors

extension EpisodeReader {
  /// Windows of some steps as a batch, nothing normalized. Rows beyond an episode repeat its first or last, as robomimic
  /// pads; `mask` is 0 on repeated actions.
  ///
  /// - Parameters:
  ///   - history: how many of the window's first observations only the encoder's frozen part looks at.
  ///   - variants: which variant of its frames that part sees, a window each; as they were recorded when nil.
  ///   - withRows: whether kept rows of that part are among the observations.
  public func batch(
    _ indices: [EpisodeStep], window: Window, history: Int = 0, variants: [FrameVariant]? = nil, withRows: Bool = true
  ) throws -> Batch {
    func rows(_ range: ClosedRange<Int>, _ index: EpisodeStep) -> [Int] {
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
    var observations = ObservationBatch(
      images: images, vectors: vectors, instructions: indices.map { episodes[$0.episode].instruction }, time: time)
    observations.variants = variants
    if withRows {
      observations.frozen = frozenFeatures(
        indices, rows: window.observations.lowerBound + history...window.observations.upperBound,
        variants: variants?.map(\.number) ?? indices.map { _ in 0 })
    }
    return Batch(
      observations: observations,
      actions: try gather(window.actions, width: actionWidth) { episode, _ in (try actions(episode: episode), 0) },
      mask: Tensor(mask, shape: [indices.count, window.actions.count]))
  }

  /// What the values of `key` look like over all steps of some episodes; `Normalizer.actions` for the actions.
  public func statistics(of key: String, episodes chosen: [Int]) throws -> KeyStatistics {
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
