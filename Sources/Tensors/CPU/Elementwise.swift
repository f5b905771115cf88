import CKernels

/// What the processor does for each requirement of `Backend`. Nothing above touches raw memory.
enum Kernel {
  static let grain = 32_768
}

extension Kernel {
  /// A number for each of `x`, a range of them at a time: `body` turns those at `from` into those at `to`.
  private static func elementwise(
    _ x: Tensor,
    _ body: @Sendable (_ range: Range<Int>, _ from: UnsafePointer<Float>, _ to: UnsafeMutablePointer<Float>) -> Void
  ) -> Tensor {
    Tensor(shape: x.shape) { buffer in
      nonisolated(unsafe) let (from, to) = (x.storage.pointer, buffer.baseAddress!)
      parallel(count: x.count, grain: grain) { body($0, from + $0.lowerBound, to + $0.lowerBound) }
    }
  }

  static func unary(_ operation: ck_unary_operation, _ x: Tensor) -> Tensor {
    elementwise(x) { ck_unary(operation, $1, $2, $0.count) }
  }

  static func unaryGradient(_ operation: ck_unary_operation, _ x: Tensor, _ outputGradient: Tensor) -> Tensor {
    elementwise(x) { ck_unary_gradient(operation, $1, outputGradient.storage.pointer + $0.lowerBound, $2, $0.count) }
  }

  static func binary(_ operation: ck_binary_operation, _ a: Tensor, _ b: Float) -> Tensor {
    elementwise(a) { ck_binary_scalar(operation, $1, b, $2, $0.count) }
  }

  static func dropout(_ x: Tensor, key: UInt64, rate: Float) -> Tensor {
    elementwise(x) { ck_dropout($1, $2, $0.count, key, UInt64($0.lowerBound), rate) }
  }

  static func chosen(_ operation: ck_binary_operation, _ a: Tensor, _ b: Tensor) -> Tensor {
    elementwise(a) { range, x, to in
      let y = b.storage.pointer + range.lowerBound
      for i in 0..<range.count { to[i] = (operation == ck_maximum ? x[i] >= y[i] : x[i] <= y[i]) ? 1 : 0 }
    }
  }

  static func clampedGradient(_ x: Tensor, _ bounds: ClosedRange<Float>, _ outputGradient: Tensor) -> Tensor {
    elementwise(x) { range, x, to in
      let above = outputGradient.storage.pointer + range.lowerBound
      for i in 0..<range.count { to[i] = x[i] >= bounds.lowerBound && x[i] <= bounds.upperBound ? above[i] : 0 }
    }
  }

  static func accumulate(_ part: Tensor, into sum: inout Tensor) {
    nonisolated(unsafe) let (from, to) = (part.storage.pointer, sum.mutate())
    parallel(count: sum.count, grain: grain) {
      ck_accumulate(from + $0.lowerBound, to + $0.lowerBound, $0.count)
    }
  }

  static func mix(_ other: Tensor, share: Float, into values: inout Tensor) {
    nonisolated(unsafe) let (from, to) = (other.storage.pointer, values.mutate())
    parallel(count: values.count, grain: 65_536) { ck_mix(from + $0.lowerBound, share, to + $0.lowerBound, $0.count) }
  }

  /// Both broadcast to `shape`: one run of the inner axes after another, each with a vector loop.
  static func binary(_ operation: ck_binary_operation, _ a: Tensor, _ b: Tensor, shape: [Int]) -> Tensor {
    let plan = BroadcastPlan(a.shape, b.shape, to: shape)
    return Tensor(shape: shape) { buffer in
      guard buffer.count > 0 else { return }
      nonisolated(unsafe) let (x, y, to) = (a.storage.pointer, b.storage.pointer, buffer.baseAddress!)
      let inner = plan.inner
      if plan.outer == 1 {
        parallel(count: inner, grain: grain) { range in
          run(
            operation, plan.leftMoves ? x + range.lowerBound : x, plan.leftMoves,
            plan.rightMoves ? y + range.lowerBound : y, plan.rightMoves, to + range.lowerBound, range.count)
        }
      } else {
        parallel(count: plan.outer, grain: max(1, grain / inner)) { rows in
          for row in rows {
            let (left, right) = plan.offsets(row)
            run(operation, x + left, plan.leftMoves, y + right, plan.rightMoves, to + row * inner, inner)
          }
        }
      }
    }
  }

  private static func run(
    _ operation: ck_binary_operation, _ a: UnsafePointer<Float>, _ aMoves: Bool, _ b: UnsafePointer<Float>,
    _ bMoves: Bool, _ to: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    switch (aMoves, bMoves) {
    case (true, true): ck_binary(operation, a, b, to, count)
    case (true, false): ck_binary_scalar(operation, a, b.pointee, to, count)
    case (false, true): ck_scalar_binary(operation, a.pointee, b, to, count)
    case (false, false):
      ck_binary(operation, a, b, to, 1)
      for i in 1..<max(count, 1) { to[i] = to[0] }
    }
  }
}

/// How two shapes walk through the shape they broadcast to: merged axes, the innermost one a run.
struct BroadcastPlan: Sendable {
  private(set) var inner = 1
  private(set) var leftMoves = true
  private(set) var rightMoves = true
  private(set) var outer = 1
  private var axes: [(size: Int, left: Int, right: Int)] = []  // outermost first

  init(_ a: [Int], _ b: [Int], to shape: [Int]) {
    let left = Array(repeating: 1, count: shape.count - a.count) + a
    let right = Array(repeating: 1, count: shape.count - b.count) + b
    var merged: [(size: Int, left: Bool, right: Bool)] = []  // innermost first
    for axis in shape.indices.reversed() where shape[axis] != 1 {
      let now = (size: shape[axis], left: left[axis] != 1, right: right[axis] != 1)
      if let last = merged.last, last.left == now.left, last.right == now.right {
        merged[merged.count - 1].size *= now.size
      } else {
        merged.append(now)
      }
    }
    guard let first = merged.first else { return }
    inner = first.size
    (leftMoves, rightMoves) = (first.left, first.right)
    var (leftStep, rightStep) = (first.left ? first.size : 1, first.right ? first.size : 1)
    for axis in merged.dropFirst() {
      axes.insert((axis.size, axis.left ? leftStep : 0, axis.right ? rightStep : 0), at: 0)
      if axis.left { leftStep *= axis.size }
      if axis.right { rightStep *= axis.size }
      outer *= axis.size
    }
  }

  func offsets(_ row: Int) -> (left: Int, right: Int) {
    var rest = row
    var (left, right) = (0, 0)
    for axis in axes.reversed() {
      let index = rest % axis.size
      rest /= axis.size
      left += index * axis.left
      right += index * axis.right
    }
    return (left, right)
  }
}
