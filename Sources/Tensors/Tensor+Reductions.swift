extension Tensor {
  func axis(_ axis: Int) -> Int {
    let index = axis < 0 ? axis + rank : axis
    precondition((0..<rank).contains(index), "axis \(axis) of shape \(shape)")
    return index
  }

  /// The sum over `axes`, or over everything.
  public func sum(axes: [Int]? = nil, keepingDimensions: Bool = false) -> Tensor {
    let chosen = Set((axes ?? Array(shape.indices)).map(axis))
    var result = self.detached
    // Neighboring axes are summed at once, the innermost group first.
    var last = rank - 1
    while last >= 0 {
      guard chosen.contains(last) else {
        last -= 1
        continue
      }
      var first = last
      while first > 0, chosen.contains(first - 1) { first -= 1 }
      result = Device.backend.sum(result, over: first...last)
      last = first - 1
    }
    let kept = shape.indices.map { chosen.contains($0) ? 1 : shape[$0] }
    let final = keepingDimensions ? kept : shape.indices.filter { !chosen.contains($0) }.map { shape[$0] }
    return Tensor(shape: final, storage: result.storage).recorded(
      "sum", from: [self],
      ["axes": .ints(chosen.sorted()), "keeping": .int(keepingDimensions ? 1 : 0)]
    ) { [shape] in
      [$0.reshaped(kept).broadcast(to: shape)]
    }
  }

  /// The mean along `axes`, all of them when nil.
  public func mean(axes: [Int]? = nil, keepingDimensions: Bool = false) -> Tensor {
    let total = (axes ?? Array(shape.indices)).reduce(1) { $0 * shape[axis($1)] }
    return sum(axes: axes, keepingDimensions: keepingDimensions) / Float(total)
  }

  /// Population variance.
  public func variance(axes: [Int]? = nil, keepingDimensions: Bool = false) -> Tensor {
    (self - mean(axes: axes, keepingDimensions: true)).square().mean(axes: axes, keepingDimensions: keepingDimensions)
  }

  /// The sum that undoes a broadcast from `target`.
  func summed(to target: [Int]) -> Tensor {
    guard shape != target else { return self }
    let extra = rank - target.count
    let axes = shape.indices.filter { $0 < extra || (target[$0 - extra] == 1 && shape[$0] != 1) }
    return sum(axes: Array(axes), keepingDimensions: true).reshaped(target)
  }

  /// The index of the largest value along `axis`, the first where several are.
  public func argmax(axis: Int) -> [Int] {
    GraphTrace.noteRead(self)
    return Device.backend.largest(self, axis: self.axis(axis)).places.places
  }

  /// Of `[..., count, width]` the row whose weight in `[..., count]` is the largest, the first of equals: `[..., width]`.
  public func rows(atLargest weights: Tensor) -> Tensor {
    precondition(
      weights.rank >= 1 && Array(shape.dropLast()) == weights.shape, "rows(atLargest:): \(shape) and \(weights.shape)")
    let (count, width) = (shape[rank - 2], shape[rank - 1])
    return GraphTrace.operation("rows at largest", [self, weights]) {
      let places = Device.backend.largest(weights, axis: weights.rank - 1).places
      let rows = reshaped([places.count, count, width]).gathered(perItem: places.reshaped([places.count, 1]))
      return rows.reshaped(weights.shape.dropLast() + [width])
    }
  }

  /// The largest value along `axis`; its gradient goes to the first place that holds it.
  public func maximum(axis: Int, keepingDimensions: Bool = false) -> Tensor {
    let axis = self.axis(axis)
    let (values, places) = Device.backend.largest(self, axis: axis)
    var final = shape
    if keepingDimensions { final[axis] = 1 } else { final.remove(at: axis) }
    return Tensor(shape: final, storage: values.storage).recorded(
      "maximum", from: [self], ["axis": .int(axis), "keeping": .int(keepingDimensions ? 1 : 0)]
    ) { [shape] in [Device.backend.largestGradient($0, places, shape: shape, axis: axis)] }
  }

  /// Sizes before, at and after `axis`.
  package func split(at axis: Int) -> (outer: Int, size: Int, inner: Int) {
    (shape[..<axis].reduce(1, *), shape[axis], shape[(axis + 1)...].reduce(1, *))
  }
}
