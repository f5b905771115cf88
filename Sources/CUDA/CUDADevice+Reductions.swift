import CCUDA
import Tensors

extension CUDADevice {
  /// `[rows, size]` to `[rows]`; one long row in parts, and the parts in order.
  func sumInner(
    _ x: UnsafePointer<Float>?, rows: Int, size: Int, to y: UnsafeMutablePointer<Float>?
  ) {
    func run(_ x: UnsafePointer<Float>?, _ size: Int, _ part: Int, _ y: UnsafeMutablePointer<Float>?) {
      let parts = size <= 1024 ? 1 : (size + part - 1) / part
      launch(
        "Reductions", "cuda_sum_inner",
        cuda_sum_inner_arguments(x: x, y: y, rows: Int64(rows), size: Int64(size), part: Int64(max(part, 1))),
        grid: (size <= 1024 ? (rows + 7) / 8 : rows * parts, 1, 1), block: 256)
    }
    let part = 65_536
    guard rows == 1, size > part else { return run(x, size, size, y) }
    let parts = (size + part - 1) / part
    withScratch(floats: parts) { partial in
      run(x, size, part, partial)
      run(UnsafePointer(partial), parts, parts, y)
    }
  }

  /// `[outer, size, inner]` to `[outer, inner]`.
  func sumMiddle(
    _ x: UnsafePointer<Float>?, outer: Int, size: Int, inner: Int, to y: UnsafeMutablePointer<Float>?
  ) {
    func run(_ x: UnsafePointer<Float>?, _ size: Int, _ part: Int, _ y: UnsafeMutablePointer<Float>?) {
      let isPlain = part >= size && (size <= 16 || outer * inner >= 65_536)
      let parts = max(1, (size + part - 1) / part)
      launch(
        "Reductions", "cuda_sum_middle",
        cuda_sum_middle_arguments(
          x: x, y: y, outer: Int64(outer), size: Int64(size), inner: Int64(inner), part: Int64(part),
          plain: isPlain ? 1 : 0, unused: 0),
        grid: (isPlain ? (outer * inner + 255) / 256 : outer * parts * ((inner + 31) / 32), 1, 1), block: 256)
    }
    let part = outer == 1 ? 256 : max(size, 1)
    guard size > part else { return run(x, size, max(size, 1), y) }
    let parts = (size + part - 1) / part
    withScratch(floats: outer * parts * inner) { partial in
      run(x, size, part, partial)
      run(UnsafePointer(partial), parts, parts, y)
    }
  }

  package func sum(_ x: Tensor, over axes: ClosedRange<Int>) -> Tensor {
    let outer = x.shape[..<axes.lowerBound].reduce(1, *)
    let size = x.shape[axes].reduce(1, *)
    let inner = x.shape[(axes.upperBound + 1)...].reduce(1, *)
    var shape = x.shape
    for axis in axes { shape[axis] = 1 }
    return make(shape) { y in
      if size == 0 {
        fill(y, count: outer * inner, with: 0)
      } else if inner == 1 {
        sumInner(at(x), rows: outer, size: size, to: y)
      } else {
        sumMiddle(at(x), outer: outer, size: size, inner: inner, to: y)
      }
    }
  }

  package func largest(_ x: Tensor, axis: Int) -> (values: Tensor, places: IndexTensor) {
    let (outer, size, inner) = x.split(at: axis)
    guard x.count > 0 else { return Processor().largest(x, axis: axis) }
    var places: IndexTensor?
    let values = make([outer, inner]) { largest in
      places = choose([outer, inner], below: size) { places in
        launch(
          "Reductions", "cuda_argmax",
          cuda_argmax_arguments(
            x: at(x), places: places, largest: largest, outer: Int64(outer), size: Int64(size), inner: Int64(inner)),
          grid: (inner == 1 ? (outer + 7) / 8 : (outer * inner + 255) / 256, 1, 1), block: 256)
      }
    }
    return (values, places!)
  }

  package func largestGradient(
    _ outputGradient: Tensor, _ places: IndexTensor, shape: [Int], axis: Int
  ) -> Tensor {
    let (outer, size, inner) = (shape[..<axis].reduce(1, *), shape[axis], shape[(axis + 1)...].reduce(1, *))
    return make(shape) { to in
      launch(
        "Reductions", "cuda_argmax_gradient",
        cuda_argmax_gradient_arguments(
          places: at(places), dy: at(outputGradient), dx: to, outer: Int64(outer), size: Int64(size),
          inner: Int64(inner)), numbers: outer * size * inner)
    }
  }

  private func rowGrid(_ rows: Int, _ width: Int) -> (Int, Int, Int) { (width <= 1024 ? (rows + 7) / 8 : rows, 1, 1) }

  private func rows(_ x: Tensor) -> (rows: Int, width: Int) {
    let width = x.shape.last ?? 1
    return (x.count / max(width, 1), width)
  }

  package func softmax(_ x: Tensor) -> Tensor {
    let (rows, width) = rows(x)
    return make(x.shape) { y in
      launch(
        "Rows", "cuda_softmax",
        cuda_softmax_arguments(x: at(x), y: y, rows: Int64(rows), width: Int32(width), unused: 0),
        grid: rowGrid(rows, width), block: 256)
    }
  }

  package func softmaxGradient(_ y: Tensor, _ outputGradient: Tensor) -> Tensor {
    let (rows, width) = rows(y)
    return make(y.shape) { dx in
      launch(
        "Rows", "cuda_softmax_gradient",
        cuda_softmax_gradient_arguments(
          y: at(y), dy: at(outputGradient), dx: dx, rows: Int64(rows), width: Int32(width), unused: 0),
        grid: rowGrid(rows, width), block: 256)
    }
  }

  package func logSumExp(_ x: Tensor) -> Tensor {
    let (rows, width) = rows(x)
    guard x.count > 0 else { return Processor().logSumExp(x) }
    return make(x.shape.dropLast() + [1]) { y in
      launch(
        "Rows", "cuda_log_sum_exp",
        cuda_log_sum_exp_arguments(x: at(x), y: y, rows: Int64(rows), width: Int32(width), unused: 0),
        grid: rowGrid(rows, width), block: 256)
    }
  }

  package func rowNorm(
    _ x: Tensor, scale: Tensor?, bias: Tensor?, epsilon: Float, centered: Bool
  ) -> (Tensor, moments: Tensor) {
    let (rows, width) = rows(x)
    guard x.count > 0 else {
      return Processor().rowNorm(x, scale: scale, bias: bias, epsilon: epsilon, centered: centered)
    }
    let moments = allocate(floats: rows * 2)
    let result = make(x.shape) { y in
      launch(
        "Rows", "cuda_row_norm",
        cuda_row_norm_arguments(
          x: at(x), scale: at(scale), bias: at(bias), y: y, moments: moments.floats, rows: Int64(rows),
          width: Int32(width), centered: centered ? 1 : 0, epsilon: epsilon, unused: 0),
        grid: rowGrid(rows, width), block: 256)
    }
    return (result, Tensor(shape: [rows, 2], storage: Storage(count: rows * 2, on: moments)))
  }

  package func rowNormGradient(
    _ x: Tensor, moments: Tensor, scale: Tensor?, _ outputGradient: Tensor, centered: Bool
  ) -> Tensor {
    let (rows, width) = rows(x)
    return make(x.shape) { dx in
      launch(
        "Rows", "cuda_row_norm_gradient",
        cuda_row_norm_gradient_arguments(
          x: at(x), moments: at(moments), scale: at(scale), dy: at(outputGradient), dx: dx, rows: Int64(rows),
          width: Int32(width), centered: centered ? 1 : 0), grid: rowGrid(rows, width), block: 256)
    }
  }

  package func rowNormParameters(
    _ x: Tensor, moments: Tensor, _ outputGradient: Tensor
  ) -> (scale: Tensor, bias: Tensor) {
    let (rows, width) = rows(x)
    guard x.count > 0 else { return Processor().rowNormParameters(x, moments: moments, outputGradient) }
    let part = 64
    let parts = (rows + part - 1) / part
    let both = make([2, width]) { to in
      withScratch(floats: parts * 2 * width) { partial in
        launch(
          "Rows", "cuda_row_norm_parameters",
          cuda_row_norm_parameters_arguments(
            x: at(x), moments: at(moments), dy: at(outputGradient), parts: partial, rows: Int64(rows),
            width: Int32(width), part: Int32(part)), grid: (parts * ((width + 31) / 32), 1, 1), block: 256)
        sumMiddle(UnsafePointer(partial), outer: 1, size: parts, inner: 2 * width, to: to)
      }
    }
    return (sliced(both, axis: 0, 0..<1).reshaped([width]), sliced(both, axis: 0, 1..<2).reshaped([width]))
  }
}
