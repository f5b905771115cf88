import Synchronization

extension Tensor {
  /// The same values in another shape; one size may be -1 and is found.
  public func reshaped(_ shape: [Int]) -> Tensor {
    var shape = shape
    if let free = shape.firstIndex(of: -1) {
      let known = shape.reduce(1) { $1 == -1 ? $0 : $0 * $1 }
      precondition(known > 0 && count % known == 0, "reshaped: \(self.shape) to \(shape)")
      shape[free] = count / known
    }
    precondition(shape.reduce(1, *) == count, "reshaped: \(self.shape) to \(shape)")
    return Tensor(shape: shape, storage: storage).recorded("reshaped", from: [self]) { [old = self.shape] in
      [$0.reshaped(old)]
    }
  }

  /// Without an axis of length 1.
  public func squeezed(_ axis: Int) -> Tensor {
    var shape = shape
    precondition(shape[self.axis(axis)] == 1, "squeezed: axis \(axis) of \(shape) is not 1")
    shape.remove(at: self.axis(axis))
    return reshaped(shape)
  }

  /// With one more axis, of length 1.
  public func unsqueezed(_ axis: Int) -> Tensor {
    var shape = shape
    shape.insert(1, at: axis < 0 ? axis + rank + 1 : axis)
    return reshaped(shape)
  }

  /// Axes in a new order: axis `i` of the result is axis `axes[i]` of this tensor.
  public func permuted(_ axes: [Int]) -> Tensor {
    precondition(axes.sorted() == Array(0..<rank), "permuted: axes \(axes) of shape \(shape)")
    var inverse = axes
    for (new, old) in axes.enumerated() { inverse[old] = new }
    return Device.backend.permuted(self, axes).recorded("permuted", from: [self], ["axes": .ints(axes)]) { [inverse] in
      [$0.permuted(inverse)]
    }
  }

  /// With two axes in each other's place.
  public func transposed(_ a: Int, _ b: Int) -> Tensor {
    var axes = Array(shape.indices)
    axes.swapAt(axis(a), axis(b))
    return permuted(axes)
  }

  /// The part of `axis` in `range`.
  public func sliced(axis: Int, _ range: Range<Int>) -> Tensor {
    let axis = self.axis(axis)
    precondition(
      range.lowerBound >= 0 && range.upperBound <= shape[axis], "sliced: \(range) of axis \(axis) of \(shape)")
    let size = shape[axis]
    let result = Device.backend.sliced(self, axis: axis, range)
    return result.recorded(
      "sliced", from: [self],
      ["axis": .int(axis), "start": .int(range.lowerBound), "end": .int(range.upperBound)]
    ) {
      [$0.padded(axis: axis, before: range.lowerBound, after: size - range.upperBound)]
    }
  }

  /// The parts of `axis` of these sizes, in order. As `sliced` for each, but the gradients of all parts go back in one
  /// concatenation instead of being padded and added one by one.
  ///
  /// - Parameter sizes: add up to the length of `axis`.
  public func split(axis: Int, _ sizes: [Int]) -> [Tensor] {
    let axis = self.axis(axis)
    precondition(
      sizes.allSatisfy { $0 > 0 } && sizes.reduce(0, +) == shape[axis], "split: \(sizes) of axis \(axis) of \(shape)")
    let gathered = isRecorded ? PartGradients(shape: shape, axis: axis, sizes: sizes) : nil
    let whole = gathered.map { gathered in recordedAlone("split") { _ in [gathered.joined()] } } ?? self
    var start = 0
    return sizes.indices.map { part in
      let range = start..<start + sizes[part]
      start = range.upperBound
      return Device.backend.sliced(self, axis: axis, range).recorded(
        "sliced", from: [whole],
        ["axis": .int(axis), "start": .int(range.lowerBound), "end": .int(range.upperBound)]
      ) { [gathered!.keep($0, of: part)] }
    }
  }

  /// This tensor with `value` around it along `axis`.
  public func padded(axis: Int, before: Int, after: Int, value: Float = 0) -> Tensor {
    let axis = self.axis(axis)
    precondition(before >= 0 && after >= 0, "padded: by \(before) and \(after)")
    let size = shape[axis]
    let result = Device.backend.padded(self, axis: axis, before: before, after: after, value: value)
    return result.recorded(
      "padded", from: [self],
      ["axis": .int(axis), "before": .int(before), "after": .int(after), "value": .float(value)]
    ) { [$0.sliced(axis: axis, before..<before + size)] }
  }

  /// This tensor repeated along axes of size 1, and along new leading ones.
  public func broadcast(to target: [Int]) -> Tensor {
    guard target != shape else { return self }
    precondition(
      Tensor.broadcastShape(shape, target, "broadcast") == target, "broadcast: \(shape) to \(target)")
    return Device.backend.broadcast(self, to: target).recorded("broadcast", from: [self]) { [shape] in
      [$0.summed(to: shape)]
    }
  }

  /// Tensors behind one another along an axis; the other axes are equal.
  public static func concatenated(_ tensors: [Tensor], axis: Int) -> Tensor {
    precondition(!tensors.isEmpty, "concatenated: no tensors")
    let axis = tensors[0].axis(axis)
    var final = tensors[0].shape
    final[axis] = tensors.reduce(0) { total, tensor in
      var other = tensor.shape
      precondition(other.count == final.count, "concatenated: \(tensors.map(\.shape))")
      other[axis] = tensors[0].shape[axis]
      precondition(other == tensors[0].shape, "concatenated: \(tensors.map(\.shape)) along axis \(axis)")
      return total + tensor.shape[axis]
    }
    let result = Device.backend.concatenated(tensors, axis: axis, shape: final)
    let sizes = tensors.map { $0.shape[axis] }
    let wanted = tensors.map(\.isRecorded)
    return result.recorded("concatenated", from: tensors, ["axis": .int(axis)]) { outputGradient in
      var start = 0
      return zip(sizes, wanted).map { size, wanted in
        defer { start += size }
        return wanted ? outputGradient.sliced(axis: axis, start..<start + size) : nil
      }
    }
  }

  /// Tensors of one shape side by side along a new axis.
  public static func stacked(_ tensors: [Tensor], axis: Int) -> Tensor {
    concatenated(tensors.map { $0.unsqueezed(axis) }, axis: axis)
  }

  /// Slices of `axis` by index, repeats allowed: an embedding's rows.
  public func gathered(_ indices: [Int], axis: Int = 0) -> Tensor {
    let axis = self.axis(axis)
    let places = IndexTensor(indices, shape: [indices.count], below: shape[axis])
    let result = Device.backend.gathered(self, places, axis: axis)
    return result.recorded(
      "gathered", from: [self], ["axis": .int(axis), "indices": .ints(indices)]
    ) { [shape] outputGradient in
      [Device.backend.scattered(outputGradient, places, shape: shape, axis: axis)]
    }
  }
}

/// The gradients of a tensor's parts, until the tensor's own is asked for.
private final class PartGradients: Sendable {
  private let shape: [Int]
  private let axis: Int
  private let sizes: [Int]
  private let parts: Mutex<[Tensor?]>

  init(shape: [Int], axis: Int, sizes: [Int]) {
    (self.shape, self.axis, self.sizes) = (shape, axis, sizes)
    parts = Mutex(Array(repeating: nil, count: sizes.count))
  }

  /// - Returns: what tells the tape that there is a gradient: the first part that arrives, nil for the others.
  func keep(_ gradient: Tensor, of part: Int) -> Tensor? {
    parts.withLock { parts in
      defer { parts[part] = gradient }
      return parts.allSatisfy { $0 == nil } ? gradient : nil
    }
  }

  /// Zeros where no gradient arrived.
  func joined() -> Tensor {
    let found = parts.withLock { parts in
      defer { parts = Array(repeating: nil, count: sizes.count) }
      return parts
    }
    return .concatenated(
      sizes.indices.map { part in
        var shape = shape
        shape[axis] = sizes[part]
        return found[part] ?? .zeros(shape)
      }, axis: axis)
  }
}
