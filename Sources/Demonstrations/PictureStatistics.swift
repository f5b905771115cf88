/// What the frames of one camera look like, from up to nine of every demo.
struct PictureStatistics {
  private var frames = 0
  private var pixels = 0
  private var sums = [0.0, 0.0, 0.0]
  private var squares = 0.0
  private var plain = 0
  private var repeated = 0

  /// Looks at one demo, first and last frame among them.
  /// - Returns: what is wrong with it, one line each.
  /// - Throws: `HDF5Error`.
  mutating func look(at file: DemonstrationFile, _ demo: String, _ key: String, _ rows: Int) throws -> [String] {
    guard rows > 0 else { return [] }
    let moments = min(rows, 9)
    var last: [UInt8]?
    var (plain, repeated) = (0, 0)
    for moment in 0..<moments {
      let row = moment * (rows - 1) / max(moments - 1, 1)
      let frame = try file.hdf5.pictures("data/\(demo)/obs/\(key)", rows: row..<row + 1)
      var (sum, square) = ([0, 0, 0], 0)
      for start in stride(from: 0, to: frame.count - 2, by: 3) {
        for channel in 0..<3 {
          let value = Int(frame[start + channel])
          sum[channel] += value
          square += value * value
        }
      }
      for channel in 0..<3 { sums[channel] += Double(sum[channel]) }
      squares += Double(square)
      pixels += frame.count / 3
      if frame.allSatisfy({ $0 == frame[0] }) { plain += 1 }
      if frame == last { repeated += 1 }
      last = frame
    }
    frames += moments
    self.plain += plain
    self.repeated += repeated
    if plain > 0 { return ["\(demo): '\(key)' has frames of one colour"] }
    return moments > 2 && repeated == moments - 1 ? ["\(demo): '\(key)' does not change"] : []
  }

  func camera(_ name: String) -> DatasetSummary.Camera {
    let count = Double(max(pixels, 1))
    let mean = sums.reduce(0, +) / (3 * count)
    return DatasetSummary.Camera(
      name: name, frames: frames, mean: sums.map { $0 / count },
      deviation: max(0, squares / (3 * count) - mean * mean).squareRoot(), plain: plain, repeated: repeated)
  }
}
