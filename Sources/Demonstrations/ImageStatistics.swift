/// What the frames of one camera look like, from up to nine of every demo.
struct ImageStatistics {
  private var frames = 0
  private var pixels = 0
  private var sums = [0.0, 0.0, 0.0]
  private var squares = 0.0
  private var plain = 0
  private var repeated = 0

  /// Reads every frame of one demo, so that one that cannot be is found, and looks at up to nine, first and last among them.
  /// - Parameter quick: read no more than those.
  /// - Returns: what is wrong with it, one line each.
  /// - Throws: `HDF5Error`.
  mutating func look(
    at file: DemonstrationFile, _ demo: String, _ key: String, _ rows: Int, quick: Bool
  ) throws -> [String] {
    guard rows > 0, let shape = try file.camera(key, of: demo) else { return [] }
    let moments = min(rows, 9)
    let chosen = (0..<moments).map { $0 * (rows - 1) / max(moments - 1, 1) }
    let size = shape.height * shape.width * 3
    var last: [UInt8]?
    var (plain, repeated) = (0, 0)
    for range in quick ? chosen.map({ $0..<$0 + 1 }) : (0..<rows).blocks(of: (1 << 26) / size) {
      let pixels = try file.images(key, of: demo, rows: range)
      for row in chosen where range.contains(row) {
        let frame = Array(pixels[(row - range.lowerBound) * size..<(row - range.lowerBound + 1) * size])
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
        self.pixels += frame.count / 3
        if frame.allSatisfy({ $0 == frame[0] }) { plain += 1 }
        if frame == last { repeated += 1 }
        last = frame
      }
    }
    frames += moments
    self.plain += plain
    self.repeated += repeated
    if plain > 0 { return ["\(demo): '\(key)' has frames of one color"] }
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
