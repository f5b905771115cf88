import CKernels

/// The sizes of one attention, and where each head's rows are: `[batch, tokens, heads, width]`.
package struct AttentionPlan: Sendable {
  package let batch, heads, queries, keys, width: Int
  package let scale: Float
  /// `[batch or 1, heads or 1, queries, keys]`.
  package let mask: Tensor?
  package let dropout: (key: UInt64, rate: Float)?

  package var step: Int { heads * width }

  /// Queries whose scores stay in the second-level cache.
  var block: Int { max(14, min(queries, 65_536 / max(keys, 1)) / 14 * 14) }

  func mask(_ item: Int, _ head: Int) -> UnsafePointer<Float>? {
    guard let mask else { return nil }
    let plane = (mask.shape[0] == 1 ? 0 : item) * mask.shape[1] + (mask.shape[1] == 1 ? 0 : head)
    return UnsafePointer(mask.storage.pointer + plane * queries * keys)
  }

  /// How many keys from the first on a block of queries can see: what lies behind is skipped.
  func visible(_ mask: UnsafePointer<Float>?, _ range: Range<Int>) -> Int {
    guard let mask else { return keys }
    var last = 0
    for query in range {
      let row = mask + query * keys
      var end = keys
      while end > last, row[end - 1] == -.infinity { end -= 1 }
      last = max(last, end)
    }
    return last
  }

  /// Drops the same places in the backward pass as in the forward pass.
  func drop(_ row: UnsafeMutablePointer<Float>, _ count: Int, item: Int, head: Int, query: Int) {
    guard let dropout else { return }
    let first = ((item * heads + head) * queries + query) * ((keys + 3) / 4 * 4)
    ck_dropout(row, row, count, dropout.key, UInt64(first), dropout.rate)
  }
}

// Scores are never kept: each block of queries is finished while its scores are in the cache, and in the backward pass they
// are found again from the logarithm of each row's sum (Dao et al. 2022, "FlashAttention").
extension Kernel {
  /// - Returns: `[batch, queries, heads, width]`, and the logarithms `[batch, heads, queries]`.
  static func attention(
    _ plan: AttentionPlan, _ q: Tensor, _ k: Tensor, _ v: Tensor
  ) -> (output: Tensor, totals: Tensor) {
    let totals = Storage(count: plan.batch * plan.heads * plan.queries)
    let output = Tensor(shape: [plan.batch, plan.queries, plan.heads, plan.width]) { buffer in
      nonisolated(unsafe) let to = buffer.baseAddress!
      let (keys, width, step) = (plan.keys, plan.width, plan.step)
      let (keysSize, valuesSize) = (ck_packed_size(width, keys), ck_packed_size(keys, width))
      parallel(count: plan.batch * plan.heads, grain: grain(plan)) { range in
        withScratch(keysSize + valuesSize + plan.block * keys) { scratch in
          let (packedKeys, packedValues) = (scratch, scratch + keysSize)
          let scores = packedValues + valuesSize
          for cell in range {
            let (item, head) = (cell / plan.heads, cell % plan.heads)
            let (mine, others) = (
              item * plan.queries * step + head * width, item * keys * step + head * width
            )
            ck_pack(width, keys, k.storage.pointer + others, step, 1, packedKeys)
            let values = PackedColumns(v.storage.pointer + others, step: step, keys, width, to: packedValues)
            let mask = plan.mask(item, head)
            for first in stride(from: 0, to: plan.queries, by: plan.block) {
              let queries = first..<min(plan.queries, first + plan.block)
              let seen = plan.visible(mask, queries)
              let target = to + mine + first * step
              guard seen > 0 else {
                for row in 0..<queries.count {
                  (target + row * step).update(repeating: 0, count: width)
                  totals.pointer[cell * plan.queries + first + row] = -.infinity
                }
                continue
              }
              ck_product_packed(
                queries.count, seen, width, q.storage.pointer + mine + first * step, step, packedKeys, width, scores,
                keys, nil, 0)
              for query in queries {
                let row = scores + (query - first) * keys
                totals.pointer[cell * plan.queries + query] = ck_attention_row(
                  row, mask.map { $0 + query * keys }, plan.scale, seen)
                plan.drop(row, seen, item: item, head: head, query: query)
              }
              values.multiply(queries.count, seen, scores, to: target, step: step)
            }
          }
        }
      }
    }
    return (output, Tensor(shape: [plan.batch, plan.heads, plan.queries], storage: totals))
  }

  static func attentionGradient(
    _ plan: AttentionPlan, _ q: Tensor, _ k: Tensor, _ v: Tensor, output: Tensor, totals: Tensor,
    _ outputGradient: Tensor
  ) -> (q: Tensor, k: Tensor, v: Tensor) {
    let (keys, width, step) = (plan.keys, plan.width, plan.step)
    let (dq, dk, dv) = (Storage(count: q.count), Storage(count: k.count), Storage(count: v.count))
    let (across, down) = (ck_packed_size(width, keys), ck_packed_size(keys, width))
    let most = ck_product_scratch(keys, plan.block, 1)
    parallel(count: plan.batch * plan.heads, grain: grain(plan)) { range in
      withScratch(2 * across + down + 3 * plan.block * keys + most) { scratch in
        let (packedKeys, packedValues, keyRows) = (scratch, scratch + across, scratch + 2 * across)
        let probabilities = keyRows + down
        let (slopes, dropped) = (probabilities + plan.block * keys, probabilities + 2 * plan.block * keys)
        let rest = probabilities + 3 * plan.block * keys
        for cell in range {
          let (item, head) = (cell / plan.heads, cell % plan.heads)
          let (mine, others) = (item * plan.queries * step + head * width, item * keys * step + head * width)
          ck_pack(width, keys, k.storage.pointer + others, step, 1, packedKeys)
          ck_pack(width, keys, v.storage.pointer + others, step, 1, packedValues)
          let keyColumns = PackedColumns(k.storage.pointer + others, step: step, keys, width, to: keyRows)
          let mask = plan.mask(item, head)
          for key in 0..<keys {
            (dk.pointer + others + key * step).update(repeating: 0, count: width)
            (dv.pointer + others + key * step).update(repeating: 0, count: width)
          }
          for first in stride(from: 0, to: plan.queries, by: plan.block) {
            let queries = first..<min(plan.queries, first + plan.block)
            let seen = plan.visible(mask, queries)
            let start = mine + first * step
            guard seen > 0 else {
              for row in 0..<queries.count { (dq.pointer + start + row * step).update(repeating: 0, count: width) }
              continue
            }
            let above = outputGradient.storage.pointer + start
            ck_product_packed(
              queries.count, seen, width, q.storage.pointer + start, step, packedKeys, width, probabilities, keys, nil,
              0)
            ck_product_packed(
              queries.count, seen, width, above, step, packedValues, width, slopes, keys, nil, 0)
            for query in queries {
              let (offset, at) = ((query - first) * keys, start + (query - first) * step)
              ck_attention_again(
                probabilities + offset, mask.map { $0 + query * keys }, plan.scale,
                totals.storage.pointer[cell * plan.queries + query], seen)
              plan.drop(slopes + offset, seen, item: item, head: head, query: query)
              ck_attention_gradient(
                probabilities + offset, slopes + offset,
                ck_dot(outputGradient.storage.pointer + at, output.storage.pointer + at, width), plan.scale, seen)
              if plan.dropout != nil {
                (dropped + offset).update(from: probabilities + offset, count: seen)
                plan.drop(dropped + offset, seen, item: item, head: head, query: query)
              }
            }
            let weights = Matrix(plan.dropout == nil ? probabilities : dropped, step: keys, transposed: true)
            product(
              seen, width, queries.count, weights, Matrix(above, step: step), to: dv.pointer + others, step: step,
              accumulating: true, scratch: rest)
            product(
              seen, width, queries.count, Matrix(slopes, step: keys, transposed: true),
              Matrix(q.storage.pointer + start, step: step), to: dk.pointer + others, step: step, accumulating: true,
              scratch: rest)
            keyColumns.multiply(queries.count, seen, slopes, to: dq.pointer + start, step: step)
          }
        }
      }
    }
    return (
      Tensor(shape: q.shape, storage: dq), Tensor(shape: k.shape, storage: dk), Tensor(shape: v.shape, storage: dv)
    )
  }

  private static func grain(_ plan: AttentionPlan) -> Int {
    max(1, 250_000 / max(plan.queries * plan.keys * plan.width, 1))
  }
}

/// One head's keys or values, `[rows, width]`, for products of weights with them.
private struct PackedColumns {
  let pointer: UnsafeMutablePointer<Float>
  let rows, width: Int

  /// - Parameter target: room for `ck_packed_size(rows, width)` numbers.
  init(
    _ from: UnsafePointer<Float>, step: Int, _ rows: Int, _ width: Int, to target: UnsafeMutablePointer<Float>
  ) {
    (pointer, self.rows, self.width) = (target, rows, width)
    if Kernel.isNarrow(width, rows) {
      ck_transpose(rows, width, from, step, target, rows)
    } else {
      ck_pack(rows, width, from, step, 0, target)
    }
  }

  /// `[count, width]`: weights `[count, rows]`, of each of which the first `seen` count, times these.
  func multiply(
    _ count: Int, _ seen: Int, _ weights: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, step: Int
  ) {
    if Kernel.isNarrow(width, rows) {
      ck_product_narrow(count, width, seen, weights, rows, pointer, rows, target, step, nil, 0)
    } else {
      ck_product_packed(count, width, seen, weights, rows, pointer, rows, target, step, nil, 0)
    }
  }
}
