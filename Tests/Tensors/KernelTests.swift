import CKernels
import Foundation
import Support
import Tensors
import Testing

/// The kernels of each kind of processor: all of them give the same numbers, and products those of plain loops.
@Suite struct KernelTests {
  static let variants = [ck_baseline, ck_avx2, ck_avx512].filter { $0.rawValue <= ck_best_variant().rawValue }

  private struct Results {
    var values: [String: [Float]] = [:]

    mutating func keep(_ kernel: String, _ variation: String, _ numbers: [Float]) {
      values[kernel + " " + variation] = numbers
    }

    mutating func keep(_ kernel: String, _ numbers: [Float]) { keep(kernel, "", numbers) }
  }

  private func floats(_ count: Int, _ k: Int, offset: Double = 0) -> [Float] {
    wave([count], k, scale: 1, offset: offset).scalars
  }

  /// `count` numbers that `body` writes.
  private func filled(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { buffer, written in
      buffer.initialize(repeating: 0)
      body(buffer.baseAddress!)
      written = count
    }
  }

  /// Every kernel of one variant, once or more, with odd lengths.
  private func results(of kernels: ck_table) -> Results {
    var results = Results()
    let n = 77
    let (x, y, z) = (floats(n, 1), floats(n, 2), floats(n, 3))
    let positive = floats(n, 4, offset: 1.5)
    for code in 0...ck_sigmoid.rawValue {
      let operation = ck_unary_operation(rawValue: code)
      let input = operation == ck_log || operation == ck_sqrt ? positive : x
      results.keep("ck_unary", "\(code)", filled(n) { kernels.ck_unary(operation, input, $0, n) })
      results.keep(
        "ck_unary_gradient", "\(code)", filled(n) { kernels.ck_unary_gradient(operation, positive, y, $0, n) })
    }
    for code in 0...ck_minimum.rawValue {
      let operation = ck_binary_operation(rawValue: code)
      results.keep("ck_binary", "\(code)", filled(n) { kernels.ck_binary(operation, x, positive, $0, n) })
      results.keep("ck_binary_scalar", "\(code)", filled(n) { kernels.ck_binary_scalar(operation, x, 0.7, $0, n) })
      results.keep(
        "ck_scalar_binary", "\(code)", filled(n) { kernels.ck_scalar_binary(operation, 0.7, positive, $0, n) })
    }
    func changed(_ start: [Float], _ body: (UnsafeMutablePointer<Float>) -> Void) -> [Float] {
      filled(start.count) { target in
        for i in start.indices { target[i] = start[i] }
        body(target)
      }
    }
    results.keep("ck_accumulate", changed(y) { kernels.ck_accumulate(x, $0, n) })
    results.keep("ck_sum", [kernels.ck_sum(positive, n)])
    results.keep("ck_sum_of_squares", [Float(kernels.ck_sum_of_squares(x, n))])
    results.keep("ck_dot", [kernels.ck_dot(positive, positive, n)])
    results.keep("ck_largest", [kernels.ck_largest(x, n)])
    results.keep("ck_exponentials", filled(n + 1) { $0[n] = kernels.ck_exponentials(x, 0.9, $0, n) })
    results.keep("ck_moments", filled(2) { kernels.ck_moments(positive, n, $0, $0 + 1) })
    results.keep("ck_bytes", filled(n) { kernels.ck_bytes((0..<n).map { UInt8($0 * 3) }, 1 / 255, $0, n) })
    for average in [true, false] {
      results.keep(
        "ck_adamw", "\(average)",
        changed(x + y + positive + z) {
          // The second moment is never negative.
          kernels.ck_adamw(
            $0, z, $0 + n, $0 + 2 * n, average ? $0 + 3 * n : nil, n, 0.5, 1e-2, 0.9, 0.999, 1e-8, 0.1, 0.3, 0.02, 0.1)
        })
    }
    let far = filled(n + 1) { target in
      for i in 0..<n { target[i] = 0.5 + positive[i] }
      target[n] = Float(kernels.ck_farthest(x, y, z, 0.1, 0.2, 0.3, target, n))
    }
    results.keep("ck_farthest", far)
    var places = [Int32](repeating: 0, count: n)
    let near = filled(n) { kernels.ck_nearest(x, y, z, n, y, z, positive, n - 5, $0, &places) }
    results.keep("ck_nearest", near + places.map { Float($0) })
    results.keep("ck_distances", filled(n) { kernels.ck_distances([0.1, 0.2, 0.3], [2, 0.5, 1], x, y, z, n, $0) })
    let splats = (0..<9).map { i in
      let k = Float(i)
      return ck_splat(
        x: 2 * k, y: 14 - 1.5 * k, a: 0.5 + 0.1 * k, b: 0.1 - 0.05 * k, c: 0.6, opacity: 0.4 + 0.06 * k, half_width: 6,
        half_height: 5, color: (0.1 * k, 1 - 0.1 * k, 0.5, 2 + k))
    }
    let list = (0..<9).map { Int32($0 * 4 % 9) }
    var last = [Int32](repeating: 0, count: 256)
    let blended = filled(5 * 256) { kernels.ck_splat_blend(splats, list, 9, 0, 0, $0, $0 + 256, &last) }
    results.keep("ck_splat_blend", blended + last.map { Float($0) })
    results.keep(
      "ck_splat_blend_gradient",
      filled(90) {
        kernels.ck_splat_blend_gradient(
          splats, list, 9, 0, 0, Array(blended[..<256]), last, floats(5 * 256, 5), [0.1, 0.2, 0.3], $0)
      })
    results.keep("ck_mix", changed(y) { kernels.ck_mix(x, 0.3, $0, n) })
    results.keep("ck_scale", changed(y) { kernels.ck_scale(0.3, $0, n) })
    results.keep("ck_softmax_gradient", filled(n) { kernels.ck_softmax_gradient(x, y, 0.4, $0, n) })

    let (pixels, c) = (5, 11)
    let (image, above, added) = (floats(pixels * c, 5), floats(pixels * c, 6), floats(pixels * c, 7))
    let (a, b, d) = (floats(c, 8), floats(c, 9), floats(c, 10))
    results.keep("ck_channel_sums", changed(a) { kernels.ck_channel_sums(image, pixels, c, $0) })
    results.keep("ck_channel_squares", changed(a) { kernels.ck_channel_squares(image, b, pixels, c, $0) })
    for finish in [ck_no_finish, ck_finish_relu, ck_finish_mish, ck_finish_silu] {
      for (name, shift, extra) in [("", nil, nil), ("b", b, nil), ("r", nil, added), ("br", b, added)] {
        let variation = "\(finish.rawValue)\(name)"
        results.keep(
          "ck_channel_affine", variation,
          filled(pixels * c) { kernels.ck_channel_affine(finish, image, a, shift, extra, $0, pixels, c) })
        for mean in [nil, d] {
          results.keep(
            "ck_channel_upstream", variation + (mean == nil ? "" : "m"),
            filled(pixels * c + 2 * c) {
              kernels.ck_channel_upstream(
                finish, image, a, shift, extra, above, mean, $0, $0 + pixels * c, $0 + pixels * c + c, pixels, c)
            })
        }
      }
    }
    results.keep(
      "ck_channel_gradient", filled(pixels * c) { kernels.ck_channel_gradient(image, above, a, b, d, $0, pixels, c) })
    results.keep("ck_channel_scale", filled(pixels * c) { kernels.ck_channel_scale(above, a, $0, pixels, c) })

    let map = floats(6 * 7 * c, 11)
    let pooled = filled(4 * c) { kernels.ck_max_pool(map, 6, 7, c, 3, 2, 1, 1, 4, $0) }
    results.keep("ck_max_pool", pooled)
    results.keep(
      "ck_max_pool_gradient",
      filled(6 * 7 * c + c) {
        kernels.ck_max_pool_gradient(map, pooled, above, 6, 7, c, 3, 2, 1, 1, 4, $0 + 6 * 7 * c, $0)
      }.prefix(6 * 7 * c).map { $0 })

    for (name, scale, bias) in [("", nil, nil), ("s", y, nil), ("b", nil, z), ("sb", y, z)] {
      results.keep("ck_row_normalize", name, filled(n) { kernels.ck_row_normalize(x, 0.1, 1.3, scale, bias, $0, n) })
      for centered: Int32 in [0, 1] {
        results.keep(
          "ck_row_normalize_gradient", "\(name)\(centered)",
          filled(n) { kernels.ck_row_normalize_gradient(x, 0.1, 1.3, scale, z, centered, $0, n) })
      }
    }
    results.keep(
      "ck_row_normalize_parameters",
      changed(y + z) { kernels.ck_row_normalize_parameters(x, 0.1, 1.3, y, $0, $0 + n, n) })
    for mask in [nil, y] {
      let name = mask == nil ? "" : "masked"
      results.keep(
        "ck_attention_row", name, changed(x + [0]) { $0[n] = kernels.ck_attention_row($0, mask, 1.5, n) })
      results.keep("ck_attention_again", name, changed(x) { kernels.ck_attention_again($0, mask, 1.5, 2.5, n) })
    }
    results.keep("ck_attention_gradient", changed(y) { kernels.ck_attention_gradient(x, $0, 0.3, 0.7, n) })
    results.keep("ck_dropout", filled(n) { kernels.ck_dropout(positive, $0, n, 9, 12, 0.3) })
    results.keep("ck_transpose", filled(9 * 19) { kernels.ck_transpose(9, 19, floats(9 * 19, 12), 19, $0, 9) })

    // Products: one row, fewer than a tile, many; right edges; the deep ones are cut in two; few columns and long sums.
    for (m, n, k) in [
      (1, 200, 9), (3, 130, 40), (5, 40, 7), (29, 70, 33), (16, 32, 1100), (61, 40, 70), (7, 8, 300), (5, 1, 260),
      (9, 6, 1100), (4, 3, 257),
    ] {
      let (left, right, bias) = (floats(m * k, 13), floats(k * n, 14), floats(n, 15))
      for (across, down) in [(Int32(0), Int32(0)), (0, 1), (1, 0), (1, 1)] {
        for (name, start, accumulate) in [("", nil, Int32(0)), ("bias", bias, 0), ("accumulating", nil, 1)] {
          let product = filled(m * n + kernels.ck_product_scratch(m, k, across)) { target in
            for i in 0..<m * n { target[i] = 0.25 }
            kernels.ck_product(
              m, n, k, left, across == 1 ? m : k, across, right, down == 1 ? k : n, down, target, n, start, accumulate,
              target + m * n)
          }.prefix(m * n)
          results.keep("ck_product_scratch", [])  // used above
          results.keep("ck_product", "\(m) \(n) \(k) \(across)\(down) \(name)", Array(product))
        }
      }
      if n <= 8 {
        for (name, start, accumulate) in [("", nil, Int32(0)), ("bias", bias, 0), ("accumulating", nil, 1)] {
          let narrow = filled(m * n) { target in
            for i in 0..<m * n { target[i] = 0.25 }
            kernels.ck_product_narrow(m, n, k, left, k, right, k, target, n, start, accumulate)
          }
          results.keep("ck_product_narrow", "\(m) \(n) \(k) \(name)", narrow)
        }
      }
      let size = kernels.ck_packed_size(k, n)
      for transposed: Int32 in [0, 1] {
        let packed = filled(size) { kernels.ck_pack(k, n, right, transposed == 1 ? k : n, transposed, $0) }
        results.keep("ck_pack", [])  // its layout is the variant's own business
        results.keep("ck_packed_size", [])
        for part in [k, k / 2 + 1] {
          results.keep(
            "ck_product_packed", "\(m) \(n) \(k) \(transposed) \(part)",
            filled(m * n) { kernels.ck_product_packed(m, n, part, left, k, packed, k, $0, n, bias, 0) })
        }
      }
    }

    let channels = 32
    let tile = floats(7 * 6 * channels, 16)
    for (y, x): (Int32, Int32) in [(-1, -1), (0, 0), (3, 2)] {
      results.keep(
        "ck_winograd_data", "\(y)\(x)",
        filled(36 * channels) { kernels.ck_winograd_data(tile, 7, 6, channels, y, x, $0, channels) })
    }
    for (y, x): (Int32, Int32) in [(0, 0), (4, 4)] {
      for bias in [nil, floats(channels, 17)] {
        results.keep(
          "ck_winograd_result", "\(y)\(bias == nil)",
          filled(7 * 6 * channels) {
            kernels.ck_winograd_result(floats(36 * channels, 18), channels, $0, 7, 6, channels, y, x, bias)
          })
      }
      results.keep(
        "ck_winograd_upstream", "\(y)",
        filled(36 * channels) { kernels.ck_winograd_upstream(tile, 7, 6, channels, y, x, $0, channels) })
    }
    // Packed as the variant likes it: seen through a product with the identity.
    let filter = floats(9 * 16 * channels, 19)
    let size = kernels.ck_packed_size(16, channels)
    let packed = filled(36 * size) { kernels.ck_winograd_weights(filter, 16, channels, 0, 16, $0) }
    let identity = (0..<256).map { Float($0 % 17 == 0 ? 1 : 0) }
    results.keep(
      "ck_winograd_weights",
      filled(36 * 16 * channels) { target in
        for part in 0..<36 {
          kernels.ck_product_packed(
            16, channels, 16, identity, 16, Array(packed[part * size..<(part + 1) * size]), 16,
            target + part * 16 * channels, channels, nil, 0)
        }
      })
    results.keep(
      "ck_winograd_weight_gradient",
      filled(9 * 64) { kernels.ck_winograd_weight_gradient(floats(36 * 64, 20), 64, 0, 64, $0) })

    var window = ck_window(
      height: 6, width: 7, channels: Int32(c), kernel_height: 3, kernel_width: 2, stride_y: 2, stride_x: 1,
      padding_y: 1,
      padding_x: 1, columns: 8)
    let rows = 20 * 6 * c
    let patches = filled(rows + 16) { kernels.ck_gather(&window, map, 2, 22, $0) }
    results.keep("ck_gather", Array(patches.prefix(rows)))
    results.keep("ck_scatter", filled(6 * 7 * c) { kernels.ck_scatter(&window, patches, 2, 22, $0) })
    return results
  }

  @Test func allVariantsAgree() throws {
    let reference = results(of: ck_kernels(ck_baseline).pointee).values
    for variant in Self.variants.dropFirst() {
      let found = results(of: ck_kernels(variant).pointee).values
      #expect(found.keys.sorted() == reference.keys.sorted())
      for (name, expected) in reference {
        let error = relativeError(
          Tensor(found[name]!, shape: [expected.count]), Tensor(expected, shape: [expected.count]))
        #expect(error < 1e-6 * (name.contains("1100") ? 4 : 1), "\(name) of variant \(variant.rawValue)")
      }
    }
  }

  /// A kernel that the list has and `results` lacks is untested.
  @Test func everyKernelIsCompared() throws {
    let list = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Sources/CKernels/include/Kernels.h").standardizedFileURL
    let names = try String(contentsOf: list, encoding: .utf8).matches(of: /KERNEL\(\w+, (\w+),/).map { String($0.1) }
    #expect(names.count > 40)
    let compared = Set(results(of: ck_kernels(ck_baseline).pointee).values.keys.map { $0.split(separator: " ")[0] })
    for name in names { #expect(compared.contains(Substring(name)), "\(name)") }
  }

  @Test(arguments: variants) func productsEqualPlainLoops(_ variant: ck_variant) {
    let kernels = ck_kernels(variant).pointee
    for (m, n, k) in [(1, 1, 1), (4, 64, 5), (15, 33, 21), (30, 100, 1500), (5, 7, 1300), (3, 2, 300)] {
      let (a, b, bias) = (floats(m * k, 21), floats(k * n, 22), floats(n, 23))
      var expected = [Float](repeating: 0, count: m * n)
      for i in 0..<m {
        for j in 0..<n {
          expected[i * n + j] = Float(
            (0..<k).reduce(Double(bias[j])) { $0 + Double(a[i * k + $1]) * Double(b[$1 * n + j]) })
        }
      }
      let found = filled(m * n + kernels.ck_product_scratch(m, k, 0)) {
        kernels.ck_product(m, n, k, a, k, 0, b, n, 0, $0, n, bias, 0, $0 + m * n)
      }
      #expect(
        relativeError(Tensor(Array(found.prefix(m * n)), shape: [m, n]), Tensor(expected, shape: [m, n])) < 3e-6)
    }
  }

  /// A row's bits do not depend on how many rows there are, whichever way the columns are cut for the cores.
  @Test(arguments: [(70, 1100), (6, 2048), (8, 1024), (130, 1500), (3, 40)]) func rowsAreTheirOwn(_ n: Int, _ k: Int) {
    let (left, right) = (Tensor(floats(900 * k, 24), shape: [900, k]), Tensor(floats(k * n, 25), shape: [k, n]))
    for other in [right, right.transposed(0, 1)] {
      let isTransposed = other.shape[0] == n && n != k
      func product(_ rows: Range<Int>) -> [Float] {
        left.sliced(axis: 0, rows).matmul(other, transposingOther: isTransposed).scalars
      }
      let all = product(0..<900)
      for rows in [0..<1, 5..<7, 100..<163, 399..<900] {
        #expect(product(rows) == Array(all[rows.lowerBound * n..<rows.upperBound * n]), "\(rows)")
      }
    }
  }

  /// Winograd's F(4x4, 3x3) over 256 channels, against the sum in double precision.
  @Test func winogradIsAccurate() {
    let (size, inputs, outputs) = (12, 256, 16)
    let x = wave([1, size, size, inputs], 24, scale: 1)
    let w = wave([3, 3, inputs, outputs], 25, scale: 1)
    let (xs, ws) = (x.scalars, w.scalars)
    var expected = [Float](repeating: 0, count: size * size * outputs)
    for y in 0..<size {
      for x in 0..<size {
        var sums = [Double](repeating: 0, count: outputs)
        for (v, u) in (0..<9).map({ ($0 / 3, $0 % 3) })
        where (0..<size).contains(y + v - 1) && (0..<size).contains(x + u - 1) {
          for c in 0..<inputs {
            let value = Double(xs[((y + v - 1) * size + x + u - 1) * inputs + c])
            for o in 0..<outputs { sums[o] += value * Double(ws[((v * 3 + u) * inputs + c) * outputs + o]) }
          }
        }
        for o in 0..<outputs { expected[(y * size + x) * outputs + o] = Float(sums[o]) }
      }
    }
    let error = relativeError(x.conv2d(w, padding: 1), Tensor(expected, shape: [1, size, size, outputs]))
    #expect(error < 2e-5)
  }
}
