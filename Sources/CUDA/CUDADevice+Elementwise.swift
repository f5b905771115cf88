import CCUDA
import CKernels
import Tensors

// Every operation: memory for the result, one launch or a few, nothing waited for. What is not here the processor computes.

extension CUDADevice {
  func at(_ x: Tensor) -> UnsafePointer<Float>! { UnsafePointer(memory(x.storage).floats) }
  func at(_ x: Tensor?) -> UnsafePointer<Float>? { x.map { UnsafePointer(memory($0.storage).floats) } }

  func at(_ places: IndexTensor) -> UnsafePointer<Int32>! { UnsafePointer(memory(places.storage).integers) }

  /// Places that `fill` has a kernel choose.
  func choose(_ shape: [Int], below bound: Int, _ fill: (UnsafeMutablePointer<Int32>?) -> Void) -> IndexTensor {
    let count = shape.reduce(1, *)
    let memory = allocate(bytes: count * 4)
    if count > 0 { fill(memory.integers) }
    return IndexTensor(shape: shape, bound: bound, storage: Storage(count: count, on: memory))
  }

  /// A tensor whose numbers `fill` launches.
  func make(_ shape: [Int], _ fill: (UnsafeMutablePointer<Float>?) -> Void) -> Tensor {
    let count = shape.reduce(1, *)
    let memory = allocate(floats: count)
    if count > 0 { fill(memory.floats) }
    return Tensor(shape: shape, storage: Storage(count: count, on: memory))
  }

  /// Scratch on the device for the length of `body`: freed in stream order, after what `body` launched.
  func withScratch<Result>(floats: Int, _ body: (UnsafeMutablePointer<Float>?) -> Result) -> Result {
    let memory = allocate(floats: floats, .scratch)
    return withExtendedLifetime(memory) { body(memory.floats) }
  }

  /// The numbers of `x`, to be changed in place: copied first when another tensor shares them.
  func mutate(_ x: inout Tensor) -> UnsafeMutablePointer<Float>? {
    let present = memory(x.storage)
    if isKnownUniquelyReferenced(&x.storage) {
      x.storage.writtenThere()
      return present.floats
    }
    let copy = allocate(floats: x.count)
    if x.count > 0 { submit(.copy(from: present.address, to: copy.address, bytes: x.count * 4)) }
    x = Tensor(shape: x.shape, storage: Storage(count: x.count, on: copy))
    return copy.floats
  }

  func fill(_ y: UnsafeMutablePointer<Float>?, count: Int, with value: Float) {
    launch(
      "Elementwise", "cuda_fill", cuda_fill_arguments(y: y, count: Int64(count), value: value, unused: 0),
      numbers: count)
  }
}

extension CUDADevice: Backend {
  package func unary(_ operation: ck_unary_operation, _ x: Tensor) -> Tensor {
    make(x.shape) { y in
      launch(
        "Elementwise", "cuda_unary",
        cuda_unary_arguments(x: at(x), y: y, count: Int64(x.count), operation: Int32(operation.rawValue), unused: 0),
        numbers: x.count)
    }
  }

  package func unaryGradient(_ operation: ck_unary_operation, _ x: Tensor, _ outputGradient: Tensor) -> Tensor {
    make(x.shape) { dx in
      launch(
        "Elementwise", "cuda_unary_gradient",
        cuda_unary_gradient_arguments(
          x: at(x), dy: at(outputGradient), dx: dx, count: Int64(x.count), operation: Int32(operation.rawValue),
          unused: 0), numbers: x.count)
    }
  }

  package func binary(_ operation: ck_binary_operation, _ a: Tensor, _ b: Float) -> Tensor {
    make(a.shape) { y in
      launch(
        "Elementwise", "cuda_binary_scalar",
        cuda_binary_scalar_arguments(
          x: at(a), y: y, count: Int64(a.count), number: b, operation: Int32(operation.rawValue)), numbers: a.count)
    }
  }

  package func binary(_ operation: ck_binary_operation, _ a: Tensor, _ b: Tensor, shape: [Int]) -> Tensor {
    let isPlain = a.shape == shape && b.shape == shape
    let axes = isPlain ? [] : MergedAxes.of(shape, [a.shape, b.shape])
    guard axes.count <= cuda_axes else { return Processor().binary(operation, a, b, shape: shape) }
    return make(shape) { y in
      var arguments = cuda_binary_arguments()
      (arguments.a, arguments.b, arguments.y) = (at(a), at(b), y)
      arguments.count = Int64(shape.reduce(1, *))
      arguments.operation = Int32(operation.rawValue)
      arguments.axes = Int32(axes.count)
      withUnsafeMutableBytes(of: &arguments.sizes) { MergedAxes.write(axes.map { Int32($0.size) }, to: $0) }
      withUnsafeMutableBytes(of: &arguments.left) { MergedAxes.write(axes.map { Int64($0.steps[0]) }, to: $0) }
      withUnsafeMutableBytes(of: &arguments.right) { MergedAxes.write(axes.map { Int64($0.steps[1]) }, to: $0) }
      launch("Elementwise", "cuda_binary", arguments, numbers: shape.reduce(1, *))
    }
  }

  package func broadcast(_ x: Tensor, to shape: [Int]) -> Tensor {
    let axes = MergedAxes.of(shape, [x.shape])
    guard axes.count <= cuda_axes else { return Processor().broadcast(x, to: shape) }
    return strided(x, axes, shape)
  }

  /// A copy of `x` that walks it along `axes`.
  func strided(_ x: Tensor, _ axes: [MergedAxes.Axis], _ shape: [Int]) -> Tensor {
    make(shape) { to in
      var arguments = cuda_permute_arguments()
      (arguments.from, arguments.to) = (at(x), to)
      arguments.count = Int64(shape.reduce(1, *))
      // A single number has no axes; the kernel walks one of length 1.
      let axes = axes.isEmpty ? [MergedAxes.Axis(size: 1, steps: [0])] : axes
      arguments.axes = Int32(axes.count)
      withUnsafeMutableBytes(of: &arguments.sizes) { MergedAxes.write(axes.map { Int32($0.size) }, to: $0) }
      withUnsafeMutableBytes(of: &arguments.steps) { MergedAxes.write(axes.map { Int64($0.steps[0]) }, to: $0) }
      launch("Movement", "cuda_permute", arguments, numbers: shape.reduce(1, *))
    }
  }

  package func chosen(_ operation: ck_binary_operation, _ a: Tensor, _ b: Tensor) -> Tensor {
    make(a.shape) { mask in
      launch(
        "Elementwise", "cuda_mask",
        cuda_mask_arguments(
          a: at(a), b: at(b), mask: mask, count: Int64(a.count), smaller: operation == ck_minimum ? 1 : 0, unused: 0),
        numbers: a.count)
    }
  }

  package func clampedGradient(_ x: Tensor, _ bounds: ClosedRange<Float>, _ outputGradient: Tensor) -> Tensor {
    make(x.shape) { dx in
      launch(
        "Elementwise", "cuda_clamp_gradient",
        cuda_clamp_gradient_arguments(
          x: at(x), dy: at(outputGradient), dx: dx, count: Int64(x.count), low: bounds.lowerBound,
          high: bounds.upperBound), numbers: x.count)
    }
  }

  /// A key of random numbers where kernels read it: as an argument it would make each step another one than the last.
  func withKey<Result>(_ key: UInt64?, _ body: (UnsafePointer<UInt64>?) -> Result) -> Result {
    guard let key else { return body(nil) }
    let memory = upload([key], .scratch)
    return withExtendedLifetime(memory) { body(UnsafePointer(memory.pointer(UInt64.self))) }
  }

  package func dropout(_ x: Tensor, key: UInt64, rate: Float) -> Tensor {
    withKey(key) { key in
      make(x.shape) { y in
        launch(
          "Random", "cuda_dropout",
          cuda_dropout_arguments(
            x: at(x), y: y, key: key, first: 0, count: Int64(x.count), rate: rate, unused: 0),
          numbers: x.count)
      }
    }
  }

  package func accumulate(_ part: Tensor, into sum: inout Tensor) {
    let y = mutate(&sum)
    launch(
      "Elementwise", "cuda_accumulate", cuda_accumulate_arguments(a: at(part), y: y, count: Int64(part.count)),
      numbers: part.count)
  }

  package func mix(_ other: Tensor, share: Float, into values: inout Tensor) {
    let y = mutate(&values)
    launch(
      "Elementwise", "cuda_mix",
      cuda_mix_arguments(b: at(other), y: y, count: Int64(other.count), share: share, unused: 0),
      numbers: other.count)
  }

  package func images(
    _ pixels: ByteTensor, crop: (height: Int, width: Int), offsets: [(y: Int, x: Int)]
  ) -> Tensor {
    let (count, height, width) = (pixels.shape[0], pixels.shape[1], pixels.shape[2])
    let bytes = pixels.memory(where: { $0.device === self }) { upload($0) }
    let places = upload(offsets.flatMap { [Int32($0.y), Int32($0.x)] })
    return withExtendedLifetime((bytes, places)) {
      make([count, crop.height, crop.width, 3]) { to in
        launch(
          "Random", "cuda_images",
          cuda_images_arguments(
            pixels: UnsafePointer(bytes.pointer(UInt8.self)), offsets: UnsafePointer(places.integers), to: to,
            images: Int64(count), height: Int32(height), width: Int32(width), channels: 3,
            crop_height: Int32(crop.height), crop_width: Int32(crop.width), to_channels: 3),
          numbers: count * crop.height * crop.width * 3)
      }
    }
  }
}

/// How shapes walk through one that they broadcast to, neighboring axes that walk alike as one.
enum MergedAxes {
  struct Axis: Equatable {
    var size: Int
    /// Numbers from one to the next, of each tensor; 0 where it is repeated.
    var steps: [Int]
  }

  /// Innermost axis first.
  static func of(_ shape: [Int], _ shapes: [[Int]]) -> [Axis] {
    let strides = shapes.map { own in
      let full = Array(repeating: 1, count: shape.count - own.count) + own
      var step = 1
      return full.indices.reversed().map { axis in
        defer { step *= full[axis] }
        return full[axis] == 1 ? 0 : step
      } as [Int]
    }
    return merged(
      shape.reversed().enumerated().map { place, size in Axis(size: size, steps: strides.map { $0[place] }) })
  }

  static func merged(_ axes: [Axis]) -> [Axis] {
    var result: [Axis] = []
    for axis in axes where axis.size != 1 {
      if let last = result.last, zip(last.steps, axis.steps).allSatisfy({ $1 == $0 * last.size }) {
        result[result.count - 1].size *= axis.size
      } else {
        result.append(axis)
      }
    }
    return result
  }

  static func write<Number>(_ values: [Number], to bytes: UnsafeMutableRawBufferPointer) {
    for (place, value) in values.enumerated() {
      bytes.storeBytes(of: value, toByteOffset: place * MemoryLayout<Number>.stride, as: Number.self)
    }
  }
}
