import CKernels
import Foundation

/// What an image of Gaussians keeps for the backward pass.
package struct SplattingState: Sendable {
  /// Of every Gaussian, those that are not drawn with an opacity of 0.
  fileprivate(set) var splats: [ck_splat] = []
  /// Tiles side by side in a row, and rows of them.
  let columns: Int
  let rows: Int
  /// The Gaussians of each tile, nearest first: `list[starts[tile]..<starts[tile + 1]]`.
  fileprivate(set) var starts: [Int] = []
  fileprivate(set) var list: [Int32] = []
  /// Of each tile's pixels: the light left at the end, and the place in the tile's list, plus 1, of the last contributor.
  fileprivate(set) var remaining = Storage(count: 0)
  fileprivate(set) var last: [Int32] = []
  /// The same in a device's own form.
  package private(set) var onDevice: (any Sendable)?

  static let tile = Int(CK_TILE)
  static let pixels = tile * tile

  package init(view: SplattingView, onDevice: (any Sendable)? = nil) {
    self.onDevice = onDevice
    columns = (view.width + Self.tile - 1) / Self.tile
    rows = (view.height + Self.tile - 1) / Self.tile
  }
}

extension Kernel {
  private struct Rows: @unchecked Sendable {
    let means, scales, rotations, colors, opacities: UnsafeMutablePointer<Float>

    init(_ tensors: [Tensor]) { self.init(tensors.map(\.storage)) }

    init(_ five: [Storage]) {
      (means, scales, rotations) = (five[0].pointer, five[1].pointer, five[2].pointer)
      (colors, opacities) = (five[3].pointer, five[4].pointer)
    }

    func mean(_ i: Int) -> SIMD3<Float> { SIMD3(means[3 * i], means[3 * i + 1], means[3 * i + 2]) }
    func scale(_ i: Int) -> SIMD3<Float> { SIMD3(scales[3 * i], scales[3 * i + 1], scales[3 * i + 2]) }
    func quaternion(_ i: Int) -> SIMD4<Float> {
      SIMD4(rotations[4 * i], rotations[4 * i + 1], rotations[4 * i + 2], rotations[4 * i + 3])
    }
  }

  /// The image `[height, width, 5]`, and what the backward pass needs.
  static func splat(
    _ inputs: [Tensor], view: SplattingView, background: SIMD3<Float>
  ) -> (image: Tensor, state: SplattingState) {
    let (count, rows) = (inputs[4].count, Rows(inputs))
    var state = SplattingState(view: view)
    var touched: [SIMD4<Int32>] = []
    if count > 0 {
      touched = [SIMD4<Int32>](unsafeUninitializedCapacity: count) { spans, known in
        state.splats = [ck_splat](unsafeUninitializedCapacity: count) { [state] buffer, written in
          nonisolated(unsafe) let (target, spans) = (buffer.baseAddress!, spans.baseAddress!)
          parallel(count: count, grain: 512) { range in
            for i in range {
              target[i] = drawn(rows, i, view)
              spans[i] = target[i].opacity > 0 ? touchedTiles(target[i], state) : .zero
            }
          }
          written = count
        }
        known = count
      }
    }
    bin(&state, touched: touched)
    let tiles = state.columns * state.rows
    state.remaining = Storage(count: tiles * SplattingState.pixels)
    var contributors = [Int32](repeating: 0, count: tiles * SplattingState.pixels)
    let image = Tensor(shape: [view.height, view.width, 5]) { image in
      withScratch(tiles * 4 * SplattingState.pixels) { sums in
        contributors.withUnsafeMutableBufferPointer { last in
          nonisolated(unsafe) let (sums, last, image) = (sums, last.baseAddress!, image.baseAddress!)
          let (splats, list, starts, columns) = (state.splats, state.list, state.starts, state.columns)
          nonisolated(unsafe) let remaining = state.remaining.pointer
          parallel(count: tiles, grain: 1) { range in
            let size = SplattingState.pixels
            for tile in range {
              let (left, top) = (tile % columns * SplattingState.tile, tile / columns * SplattingState.tile)
              list.withUnsafeBufferPointer { list in
                ck_splat_blend(
                  splats, list.baseAddress.map { $0 + starts[tile] }, starts[tile + 1] - starts[tile], Int32(left),
                  Int32(top), remaining + tile * size, sums + tile * 4 * size, last + tile * size)
              }
              for y in top..<min(top + SplattingState.tile, view.height) {
                for x in left..<min(left + SplattingState.tile, view.width) {
                  let at = (y - top) * SplattingState.tile + x - left
                  let rest = remaining[tile * size + at]
                  let pixel = image + (y * view.width + x) * 5
                  for c in 0..<3 { pixel[c] = sums[(tile * 4 + c) * size + at] + rest * background[c] }
                  pixel[3] = sums[(tile * 4 + 3) * size + at]
                  pixel[4] = 1 - rest
                }
              }
            }
          }
        }
      }
    }
    state.last = contributors
    return (image, state)
  }

  @inline(__always) private static func drawn(_ rows: Rows, _ i: Int, _ view: SplattingView) -> ck_splat {
    let opacity = rows.opacities[i]
    guard opacity >= 1 / 255, opacity.isFinite,
      let projection = view.project(rows.mean(i), rows.scale(i), rows.quaternion(i))
    else { return ck_splat() }
    let place = view.focal * SIMD2(projection.mean.x, projection.mean.y) / projection.mean.z + view.center
    // Beyond this many deviations it is below 1/255.
    let reach = min(3.33, (2 * log(255 * opacity)).squareRoot())
    let half = reach * SIMD2(projection.variances.x.squareRoot(), projection.variances.y.squareRoot())
    let size = SIMD2(Float(view.width), Float(view.height))
    guard all(place + half .> 0), all(place - half .< size), half.max() < 1e6 else { return ck_splat() }
    return ck_splat(
      x: place.x, y: place.y, a: projection.conic.x, b: projection.conic.y, c: projection.conic.z, opacity: opacity,
      half_width: half.x, half_height: half.y,
      color: (rows.colors[3 * i], rows.colors[3 * i + 1], rows.colors[3 * i + 2], projection.mean.z))
  }

  /// The tiles that a splat touches: first column, last column plus 1, first row, last row plus 1.
  private static func touchedTiles(_ splat: ck_splat, _ state: SplattingState) -> SIMD4<Int32> {
    let size = Float(SplattingState.tile)
    func range(_ middle: Float, _ half: Float, _ limit: Int) -> (Int32, Int32) {
      let first = max(0, Int32((middle - half) / size))
      return (first, max(first, min(Int32(limit), Int32((middle + half) / size) + 1)))
    }
    let (x, y) = (range(splat.x, splat.half_width, state.columns), range(splat.y, splat.half_height, state.rows))
    return SIMD4(x.0, x.1, y.0, y.1)
  }

  /// Sorts by depth, equal ones by place, and deals into tiles. One core does this: `touched` is computed before.
  private static func bin(_ state: inout SplattingState, touched: [SIMD4<Int32>]) {
    let order = radixOrder(state.splats)
    let columns = Int32(state.columns)
    var places = [Int](repeating: 0, count: state.columns * state.rows + 1)
    touched.withUnsafeBufferPointer { touched in
      order.withUnsafeBufferPointer { order in
        places.withUnsafeMutableBufferPointer { places in
          func forEach(_ body: (_ tile: Int, _ splat: Int32) -> Void) {
            for item in order {
              let (i, span) = (Int32(truncatingIfNeeded: item), touched[Int(UInt32(truncatingIfNeeded: item))])
              for row in span.z..<span.w { for column in span.x..<span.y { body(Int(row * columns + column), i) } }
            }
          }
          forEach { tile, _ in places[tile + 1] += 1 }
          for tile in 1..<places.count { places[tile] += places[tile - 1] }
          state.starts = Array(places)
          state.list = [Int32](unsafeUninitializedCapacity: places[places.count - 1]) { list, written in
            written = places[places.count - 1]
            forEach { tile, i in
              list[places[tile]] = i
              places[tile] += 1
            }
          }
        }
      }
    }
  }

  /// The splats that are drawn, by depth, equal ones as they stand: the bits of the depth above, the place below.
  private static func radixOrder(_ splats: [ck_splat]) -> [UInt64] {
    // Numbers above 0 are in the order of their bits.
    var from = splats.indices.compactMap { i -> UInt64? in
      splats[i].opacity > 0 ? UInt64(splats[i].color.3.bitPattern) << 32 | UInt64(i) : nil
    }
    var to = [UInt64](repeating: 0, count: from.count)
    for shift in [UInt64(32), 43, 54] {
      from.withUnsafeBufferPointer { from in
        to.withUnsafeMutableBufferPointer { to in
          withUnsafeTemporaryAllocation(of: Int.self, capacity: 2049) { places in
            places.initialize(repeating: 0)
            for entry in from { places[Int(entry >> shift & 2047) + 1] += 1 }
            for bucket in 1...2048 { places[bucket] += places[bucket - 1] }
            for entry in from {
              let bucket = Int(entry >> shift & 2047)
              to[places[bucket]] = entry
              places[bucket] += 1
            }
          }
        }
      }
      swap(&from, &to)
    }
    return from
  }

  /// The gradients of means, scales, rotations, colors and opacities.
  static func splatGradient(
    _ inputs: [Tensor], _ state: SplattingState, view: SplattingView, background: SIMD3<Float>, _ outputGradient: Tensor
  ) -> [Tensor?] {
    let each = Int(CK_SPLAT_GRADIENTS)
    let entries = Storage(count: state.list.count * each, kind: .scratch)
    parallel(count: state.columns * state.rows, grain: 1) { range in
      let (size, side) = (SplattingState.pixels, SplattingState.tile)
      var planes = [Float](repeating: 0, count: 5 * size)
      for tile in range where state.starts[tile + 1] > state.starts[tile] {
        let (left, top) = (tile % state.columns * side, tile / state.columns * side)
        // Pixels beyond the image get nothing.
        for i in planes.indices { planes[i] = 0 }
        for y in top..<min(top + side, view.height) {
          for x in left..<min(left + side, view.width) {
            for c in 0..<5 {
              planes[c * size + (y - top) * side + x - left] =
                outputGradient.storage.pointer[(y * view.width + x) * 5 + c]
            }
          }
        }
        state.list.withUnsafeBufferPointer { list in
          state.last.withUnsafeBufferPointer { last in
            ck_splat_blend_gradient(
              state.splats, list.baseAddress! + state.starts[tile], state.starts[tile + 1] - state.starts[tile],
              Int32(left), Int32(top), state.remaining.pointer + tile * size, last.baseAddress! + tile * size, planes,
              [background.x, background.y, background.z], entries.pointer + state.starts[tile] * each)
          }
        }
      }
    }
    // A Gaussian's parts from its tiles, always in the order of the tiles.
    let count = inputs[4].count
    let sums = Storage(count: count * each, kind: .scratch)
    sums.pointer.update(repeating: 0, count: sums.count)
    for (entry, i) in state.list.enumerated() {
      for place in 0..<each { sums.pointer[Int(i) * each + place] += entries.pointer[entry * each + place] }
    }
    let gradients = inputs.map { Storage(count: $0.count) }
    for gradient in gradients { gradient.pointer.update(repeating: 0, count: gradient.count) }
    let (rows, target) = (Rows(inputs), Rows(gradients))
    parallel(count: count, grain: 512) { range in
      for i in range where state.splats[i].opacity > 0 {
        let g = sums.pointer + i * each
        let back = gradient(of: i, rows, g, view)
        for axis in 0..<3 {
          target.means[3 * i + axis] = back.mean[axis]
          target.scales[3 * i + axis] = back.scale[axis]
          target.colors[3 * i + axis] = g[6 + axis]
        }
        for part in 0..<4 { target.rotations[4 * i + part] = back.rotation[part] }
        target.opacities[i] = g[5]
      }
    }
    return zip(inputs, gradients).map { Tensor(shape: $0.shape, storage: $1) }
  }

  /// Back through the projection of one Gaussian: `g` holds what x, y, a, b, c and depth got.
  private static func gradient(
    of i: Int, _ rows: Rows, _ g: UnsafePointer<Float>, _ view: SplattingView
  ) -> (mean: SIMD3<Float>, scale: SIMD3<Float>, rotation: SIMD4<Float>) {
    guard let p = view.project(rows.mean(i), rows.scale(i), rows.quaternion(i)) else {
      return (.zero, .zero, .zero)
    }
    let (a, b, c) = (p.conic.x, p.conic.y, p.conic.z)
    // Through the inverse, G = -K GK K; b stands for both off-diagonal numbers.
    let (ga, gb, gc) = (g[2], g[3] / 2, g[4])
    let (k0, k1) = (SIMD2(a, b), SIMD2(b, c))
    let (m0, m1) = (ga * k0 + gb * k1, gb * k0 + gc * k1)
    let (s00, s01, s11) = (-(a * m0.x + b * m1.x), -(a * m0.y + b * m1.y), -(b * m0.y + c * m1.y))
    // The covariance is (J H)(J H)^T with H = half.
    let across = p.half.transposed
    let (first, second) = (across * p.jacobian.0, across * p.jacobian.1)
    let (v0, v1) = (2 * (s00 * first + s01 * second), 2 * (s01 * first + s11 * second))
    // To H: J^T V, and to J: V H^T.
    func outer(_ axis: Int) -> SIMD3<Float> { p.jacobian.0[axis] * v0 + p.jacobian.1[axis] * v1 }
    let toHalf = Matrix3(outer(0), outer(1), outer(2))
    let (j0, j1) = (p.half * v0, p.half * v1)

    let (fx, fy, z) = (view.focal.x, view.focal.y, p.mean.z)
    var t = SIMD3(
      fx / z * g[0], fy / z * g[1], -(fx * p.mean.x * g[0] + fy * p.mean.y * g[1]) / (z * z) + g[9])
    t.z += -fx / (z * z) * j0.x - fy / (z * z) * j1.y
    // -f kept / z^2: when kept it moves with x and z, when moved to the edge it is f ratio / z.
    let (ex, ey) = (fx * p.kept.x / (z * z * z) * j0.z, fy * p.kept.y / (z * z * z) * j1.z)
    if p.isMoved[0] { t.z += ex } else { t += SIMD3(-fx / (z * z) * j0.z, 0, 2 * ex) }
    if p.isMoved[1] { t.z += ey } else { t += SIMD3(0, -fy / (z * z) * j1.z, 2 * ey) }

    let back = view.matrix.transposed
    let toM = back * toHalf
    // M = R diag(s).
    let columns = toM.transposed
    let turned = p.rotation.transposed
    let scale = SIMD3(
      (columns.rows.0 * turned.rows.0).sum(), (columns.rows.1 * turned.rows.1).sum(),
      (columns.rows.2 * turned.rows.2).sum())
    let r = toM.columns(times: p.scale).rows
    let raw = rows.quaternion(i)
    let length = (raw * raw).sum().squareRoot()
    let q = raw / length
    let (w, x, y, zq) = (q.x, q.y, q.z, q.w)
    let gq = SIMD4(
      2 * (x * (r.2.y - r.1.z) + y * (r.0.z - r.2.x) + zq * (r.1.x - r.0.y)),
      2 * (-2 * x * (r.1.y + r.2.z) + y * (r.1.x + r.0.y) + zq * (r.2.x + r.0.z) + w * (r.2.y - r.1.z)),
      2 * (x * (r.1.x + r.0.y) - 2 * y * (r.0.x + r.2.z) + zq * (r.2.y + r.1.z) + w * (r.0.z - r.2.x)),
      2 * (x * (r.2.x + r.0.z) + y * (r.2.y + r.1.z) - 2 * zq * (r.0.x + r.1.y) + w * (r.1.x - r.0.y)))
    return (back * t, scale, (gq - (gq * q).sum() * q) / length)
  }
}
