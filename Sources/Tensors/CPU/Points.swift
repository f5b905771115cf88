import CKernels

// Points in space: which are far apart, and which is near.
extension Kernel {
  static func farthestPoints(_ x: Tensor, choosing wanted: Int) -> IndexTensor {
    let (batch, count) = (x.shape[0], x.shape[1])
    return IndexTensor(shape: [batch, wanted], below: count) { places in
      nonisolated(unsafe) let (from, to) = (x.storage.pointer, places)
      parallel(count: batch, grain: 1) { range in
        for item in range {
          let chosen = farthestPoints(from + item * count * 3, count: count, choosing: wanted)
          for (index, place) in chosen.enumerated() { to[item * wanted + index] = Int32(place) }
        }
      }
    }
  }

  static func nearest(_ x: Tensor, in others: Tensor) -> IndexTensor {
    let (count, otherCount) = (x.shape[1], others.shape[1])
    return IndexTensor(shape: [x.shape[0], count], below: otherCount) { places in
      guard let to = places.baseAddress else { return }
      for item in 0..<x.shape[0] {
        nearest(
          x.storage.pointer + item * 3 * count, count: count, in: others.storage.pointer + item * 3 * otherCount,
          count: otherCount, to: to + item * count)
      }
    }
  }

  static func squaredDistances(_ x: Tensor, to points: Tensor, weights: Tensor) -> Tensor {
    let (rows, count) = (x.shape[1], points.shape[1])
    return Tensor(shape: [x.shape[0], rows, count]) { result in
      nonisolated(unsafe) let (from, weights) = (x.storage.pointer, weights.storage.pointer)
      nonisolated(unsafe) let result = result.baseAddress!
      for item in 0..<x.shape[0] {
        withScratch(3 * count) { scratch in
          nonisolated(unsafe) let axes = scratch
          separate(points.storage.pointer + item * 3 * count, 0..<count, to: axes)
          parallel(count: rows, grain: max(1, 50_000 / count)) { range in
            for row in range {
              ck_distances(
                from + 3 * (item * rows + row), weights + 3 * row, axes, axes + count, axes + 2 * count, count,
                result + (item * rows + row) * count)
            }
          }
        }
      }
    }
  }

  /// Writes the three coordinates of `[points, 3]` rows apart, the points in an order.
  private static func separate(
    _ rows: UnsafePointer<Float>, _ order: some RandomAccessCollection<Int>, to axes: UnsafeMutablePointer<Float>
  ) {
    for (place, point) in order.enumerated() {
      for axis in 0..<3 { axes[axis * order.count + place] = rows[3 * point + axis] }
    }
  }

  /// The first point, then again and again the one farthest from all chosen, the first of equals.
  ///
  /// Points lie in buckets of neighbors. A bucket whose box is farther from the new point than its own farthest point is
  /// from those before cannot change and is not looked at: after a while that is nearly all of them (QuickFPS, Han et al.
  /// 2023). The result is that of looking at every point.
  private static func farthestPoints(_ rows: UnsafePointer<Float>, count: Int, choosing wanted: Int) -> [Int] {
    let size = 128
    let order = neighbors(rows, count: count, bucket: size)
    let buckets = (count + size - 1) / size
    var distances = [Float](repeating: .infinity, count: count)
    var chosen = [0]
    chosen.reserveCapacity(wanted)
    // Of each bucket: its box, and its farthest point.
    var low = [SIMD4<Float>](repeating: .init(repeating: .infinity), count: buckets)
    var high = [SIMD4<Float>](repeating: .init(repeating: -.infinity), count: buckets)
    var farthest = [(distance: Float, place: Int)](repeating: (.infinity, 0), count: buckets)
    withScratch(3 * count) { x in
      separate(rows, order, to: x)
      let (y, z) = (x + count, x + 2 * count)
      for place in 0..<count {
        let point = SIMD4(x[place], y[place], z[place], 0)
        low[place / size] = pointwiseMin(low[place / size], point)
        high[place / size] = pointwiseMax(high[place / size], point)
      }
      distances.withUnsafeMutableBufferPointer { distances in
        while chosen.count < wanted {
          let last = chosen[chosen.count - 1]
          let point = SIMD4(rows[3 * last], rows[3 * last + 1], rows[3 * last + 2], 0)
          var (best, next) = (-Float.infinity, 0)
          for bucket in 0..<buckets {
            let outside = pointwiseMax(pointwiseMax(low[bucket] - point, point - high[bucket]), .zero)
            // A little less than it is, so that rounding skips nothing.
            if (outside * outside).sum() * 0.9999 < farthest[bucket].distance {
              let start = bucket * size
              let place =
                start
                + ck_farthest(
                  x + start, y + start, z + start, point.x, point.y, point.z, distances.baseAddress! + start,
                  min(size, count - start))
              farthest[bucket] = (distances[place], place)
            }
            let (distance, place) = farthest[bucket]
            if distance > best || distance == best && order[place] < next { (best, next) = (distance, order[place]) }
          }
          chosen.append(next)
        }
      }
    }
    return chosen
  }

  /// All points so that those of a bucket are near each other: along a Z curve, within a bucket in their own order.
  private static func neighbors(_ rows: UnsafePointer<Float>, count: Int, bucket: Int) -> [Int] {
    var (low, high) = (SIMD3<Float>(repeating: .infinity), SIMD3<Float>(repeating: -.infinity))
    for point in 0..<count {
      let position = SIMD3(rows[3 * point], rows[3 * point + 1], rows[3 * point + 2])
      (low, high) = (pointwiseMin(low, position), pointwiseMax(high, position))
    }
    let extent = max((high - low).max(), .leastNormalMagnitude)
    /// Ten bits with two free ones between each.
    func spread(_ value: Float) -> UInt64 {
      var bits = UInt64(min(max(value * 1023, 0), 1023))
      bits = (bits | bits << 16) & 0x0300_00ff
      bits = (bits | bits << 8) & 0x0300_f00f
      bits = (bits | bits << 4) & 0x030c_30c3
      return (bits | bits << 2) & 0x0924_9249
    }
    var keys = (0..<count).map { point -> UInt64 in
      let place = (SIMD3(rows[3 * point], rows[3 * point + 1], rows[3 * point + 2]) - low) / extent
      return (spread(place.x) | spread(place.y) << 1 | spread(place.z) << 2) << 32 | UInt64(point)
    }
    keys.sort()
    var order = keys.map { Int($0 & 0xffff_ffff) }
    for start in stride(from: 0, to: count, by: bucket) { order[start..<min(count, start + bucket)].sort() }
    return order
  }

  /// Writes for each of the points `a` the place of the nearest of `b`, the first of equals.
  private static func nearest(
    _ a: UnsafePointer<Float>, count n: Int, in b: UnsafePointer<Float>, count m: Int,
    to places: UnsafeMutablePointer<Int32>
  ) {
    withScratch(4 * n + 3 * m) { scratch in
      nonisolated(unsafe) let (x, y, distances) = (scratch, scratch + 3 * n, scratch + 3 * (n + m))
      separate(a, 0..<n, to: x)
      separate(b, 0..<m, to: y)
      nonisolated(unsafe) let places = places
      // Whole vectors a chunk, whatever the processor's are.
      parallel(count: (n + 255) / 256, grain: max(1, 200_000 / (256 * m))) { range in
        let (first, last) = (range.lowerBound * 256, min(n, range.upperBound * 256))
        ck_nearest(
          x + first, x + n + first, x + 2 * n + first, last - first, y, y + m, y + 2 * m, m, distances + first,
          places + first)
      }
    }
  }
}
