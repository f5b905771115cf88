// Sets of points in space, `[batch, points, 3]`.
extension Tensor {
  private func checkPoints(_ operation: String) {
    precondition(rank == 3 && shape[2] == 3 && shape[1] > 0, "\(operation): shape \(shape) is not [batch, points, 3]")
  }

  /// The places of `count` points as far apart as can be: the first, then always the one farthest from all chosen, the first
  /// of equals (farthest point sampling). `[batch, count]`; no gradient goes through a choice.
  public func farthestPoints(_ count: Int) -> IndexTensor {
    checkPoints("farthestPoints")
    precondition((1...shape[1]).contains(count), "farthestPoints: \(count) of \(shape[1]) points")
    return GraphTrace.places("farthestPoints", [self], ["count": .int(count)]) {
      Device.backend.farthestPoints(self, choosing: count)
    }
  }

  /// For each point the place of the nearest in `others`, `[batch, points, 3]`, the first of equals: `[batch, points]`.
  public func nearest(in others: Tensor) -> IndexTensor {
    checkPoints("nearest")
    others.checkPoints("nearest")
    precondition(shape[0] == others.shape[0], "nearest: shapes \(shape) and \(others.shape)")
    return GraphTrace.places("nearest", [self, others]) {
      Device.backend.nearest(self, in: others)
    }
  }

  /// `Σ_axis w (x - p)^2`, the squared distances of places to points with a weight for each axis: `[batch, places, points]`; no
  /// gradient goes through. From differences: expanded into a product, what is near loses its digits.
  ///
  /// - Parameters:
  ///   - points: `[batch, points, 3]`.
  ///   - weights: `[places, 3]`.
  public func squaredDistances(to points: Tensor, weights: Tensor) -> Tensor {
    checkPoints("squaredDistances")
    points.checkPoints("squaredDistances")
    precondition(
      shape[0] == points.shape[0] && weights.shape == [shape[1], 3],
      "squaredDistances: shapes \(shape), \(points.shape) and \(weights.shape)")
    return GraphTrace.operation("squaredDistances", [self, points, weights]) {
      Device.backend.squaredDistances(self, to: points, weights: weights)
    }
  }

  /// Of each item the rows at its own places, `[batch, places]`: `[batch, rows, width]` to `[batch, places, width]`.
  public func gathered(perItem places: IndexTensor) -> Tensor {
    precondition(
      rank == 3 && places.shape.count == 2 && places.shape[0] == shape[0] && places.bound <= shape[1],
      "gathered(perItem:): places \(places.shape) below \(places.bound) for shape \(shape)")
    let (rows, width) = (shape[1], shape[2])
    return GraphTrace.operation("gathered per item", self, at: places) {
      let all = places.places.enumerated().map { $0 / places.shape[1] * rows + $1 }
      return reshaped([-1, width]).gathered(all).reshaped(places.shape + [width])
    } _: {
      Device.backend.gathered(self, places, axis: 1).recorded("gathered per item", from: [self]) { [shape] in
        [Device.backend.scattered($0, places, shape: shape, axis: 1)]
      }
    }
  }

  /// How far two sets of points are from each other: the mean over the points of the squared distance to the nearest of
  /// `others`, plus the same the other way round (Fan et al. 2017). `[batch]`, with gradients to both.
  public func chamferDistance(to others: Tensor) -> Tensor {
    func oneWay(_ from: Tensor, _ to: Tensor) -> Tensor {
      (from - to.gathered(perItem: from.nearest(in: to))).square().sum(axes: [2]).mean(axes: [1])
    }
    return oneWay(self, others) + oneWay(others, self)
  }
}
