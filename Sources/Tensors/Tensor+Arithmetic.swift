import CKernels

extension Tensor {
  static func broadcastShape(_ a: [Int], _ b: [Int], _ operation: StaticString) -> [Int] {
    let rank = max(a.count, b.count)
    let left = Array(repeating: 1, count: rank - a.count) + a
    let right = Array(repeating: 1, count: rank - b.count) + b
    return zip(left, right).map { l, r in
      precondition(l == r || l == 1 || r == 1, "\(operation): shapes \(a) and \(b) do not broadcast")
      return l == 1 ? r : l
    }
  }

  private func binary(
    _ other: Tensor, _ kernel: ck_binary_operation, _ name: StaticString
  ) -> Tensor {
    Device.backend.binary(kernel, self, other, shape: Tensor.broadcastShape(shape, other.shape, name))
  }

  /// Sums of the numbers of two tensors, their shapes broadcast.
  public static func + (a: Tensor, b: Tensor) -> Tensor {
    a.binary(b, ck_add, "add").recorded("add", from: [a, b]) { [x = a.shape, y = b.shape] outputGradient in
      [outputGradient.summed(to: x), outputGradient.summed(to: y)]
    }
  }

  /// Differences of the numbers of two tensors, their shapes broadcast.
  public static func - (a: Tensor, b: Tensor) -> Tensor {
    a.binary(b, ck_subtract, "subtract").recorded("subtract", from: [a, b]) {
      [x = a.shape, y = b.shape] outputGradient in
      [outputGradient.summed(to: x), (-outputGradient).summed(to: y)]
    }
  }

  /// Products of the numbers of two tensors, their shapes broadcast.
  public static func * (a: Tensor, b: Tensor) -> Tensor {
    let (wantsA, wantsB) = (a.isRecorded, b.isRecorded)
    return a.binary(b, ck_multiply, "multiply").recorded("multiply", from: [a, b]) { [a = a.detached, b = b.detached] in
      [wantsA ? ($0 * b).summed(to: a.shape) : nil, wantsB ? ($0 * a).summed(to: b.shape) : nil]
    }
  }

  /// Quotients of the numbers of two tensors, their shapes broadcast.
  public static func / (a: Tensor, b: Tensor) -> Tensor {
    let (wantsA, wantsB) = (a.isRecorded, b.isRecorded)
    return a.binary(b, ck_divide, "divide").recorded("divide", from: [a, b]) { [a = a.detached, b = b.detached] in
      let quotient = $0 / b
      return [
        wantsA ? quotient.summed(to: a.shape) : nil, wantsB ? (-(quotient * a) / b).summed(to: b.shape) : nil,
      ]
    }
  }

  /// Sums of every number and one number.
  public static func + (a: Tensor, b: Float) -> Tensor {
    Device.backend.binary(ck_add, a, b).recorded("add number", from: [a], ["number": .float(b)]) { [$0] }
  }
  /// Sums of one number and every number.
  public static func + (a: Float, b: Tensor) -> Tensor { b + a }
  /// Differences of every number and one number.
  public static func - (a: Tensor, b: Float) -> Tensor { a + -b }
  /// Differences of one number and every number.
  public static func - (a: Float, b: Tensor) -> Tensor { -b + a }
  /// Products of every number and one number.
  public static func * (a: Tensor, b: Float) -> Tensor {
    Device.backend.binary(ck_multiply, a, b).recorded("multiply number", from: [a], ["number": .float(b)]) { [$0 * b] }
  }
  /// Products of one number and every number.
  public static func * (a: Float, b: Tensor) -> Tensor { b * a }
  /// Quotients of every number and one number.
  public static func / (a: Tensor, b: Float) -> Tensor { a * (1 / b) }
  /// Quotients of one number and every number.
  public static func / (a: Float, b: Tensor) -> Tensor { b.reciprocal() * a }
  /// Every number with the other sign.
  public static prefix func - (a: Tensor) -> Tensor { a * -1 }

  /// The larger of each pair; where they are equal the gradient goes to `self`.
  public func maximum(_ other: Tensor) -> Tensor { chosen(other, ck_maximum, "maximum") }
  /// The smaller of each pair; where they are equal the gradient goes to `self`.
  public func minimum(_ other: Tensor) -> Tensor { chosen(other, ck_minimum, "minimum") }

  private func chosen(
    _ other: Tensor, _ kernel: ck_binary_operation, _ name: StaticString
  ) -> Tensor {
    let result = binary(other, kernel, name)
    return result.recorded(name, from: [self, other]) { [a = detached, b = other.detached, shape = result.shape] in
      let mask = Device.backend.chosen(kernel, a.broadcast(to: shape), b.broadcast(to: shape))
      return [($0 * mask).summed(to: a.shape), ($0 * (1 - mask)).summed(to: b.shape)]
    }
  }

  /// Values limited to `range`; the gradient is 0 outside.
  public func clamped(to range: ClosedRange<Float>) -> Tensor {
    let (low, high) = (range.lowerBound, range.upperBound)
    let result = Device.backend.binary(ck_minimum, Device.backend.binary(ck_maximum, self, low), high)
    return result.recorded("clamped", from: [self], ["low": .float(low), "high": .float(high)]) {
      [x = detached] outputGradient in
      [Device.backend.clampedGradient(x, range, outputGradient)]
    }
  }
}
