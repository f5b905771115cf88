import CCUDA
import Tensors

extension CUDADevice {
  package func permuted(_ x: Tensor, _ axes: [Int]) -> Tensor {
    let shape = axes.map { x.shape[$0] }
    guard x.rank > 0, x.count > 0 else { return Tensor(shape: shape, storage: x.storage) }
    var steps = [Int](repeating: 1, count: x.rank)
    for axis in stride(from: x.rank - 2, through: 0, by: -1) { steps[axis] = steps[axis + 1] * x.shape[axis + 1] }
    let walked = MergedAxes.merged(
      axes.reversed().map { MergedAxes.Axis(size: x.shape[$0], steps: [steps[$0]]) })
    if walked.isEmpty || walked == [MergedAxes.Axis(size: x.count, steps: [1])] {
      return Tensor(shape: shape, storage: x.storage)
    }
    if x.rank >= 2, Array(axes.dropLast(2)) == Array(0..<x.rank - 2), axes[x.rank - 1] == x.rank - 2 {
      let (rows, columns) = (x.shape[x.rank - 2], x.shape[x.rank - 1])
      let matrices = x.count / (rows * columns)
      return make(shape) { to in
        launch(
          "Movement", "cuda_transpose",
          cuda_transpose_arguments(
            from: at(x), to: to, matrices: Int64(matrices), rows: Int32(rows), columns: Int32(columns)),
          grid: (matrices * ((rows + 31) / 32) * ((columns + 31) / 32), 1, 1), block: 256)
      }
    }
    guard walked.count <= cuda_axes else { return Processor().permuted(x, axes) }
    return strided(x, walked, shape)
  }

  package func sliced(_ x: Tensor, axis: Int, _ range: Range<Int>) -> Tensor {
    let (outer, size, inner) = x.split(at: axis)
    var shape = x.shape
    shape[axis] = range.count
    return make(shape) { to in
      launch(
        "Movement", "cuda_copy_rows",
        cuda_copy_rows_arguments(
          from: at(x), to: to, from_start: Int64(range.lowerBound * inner), from_step: Int64(size * inner),
          to_start: 0, to_step: Int64(range.count * inner), rows: Int64(outer), width: Int64(range.count * inner)),
        numbers: outer * range.count * inner)
    }
  }

  package func padded(_ x: Tensor, axis: Int, before: Int, after: Int, value: Float) -> Tensor {
    let (outer, size, inner) = x.split(at: axis)
    var shape = x.shape
    shape[axis] = before + size + after
    return make(shape) { to in
      launch(
        "Movement", "cuda_pad",
        cuda_pad_arguments(
          from: at(x), to: to, rows: Int64(outer), before: Int64(before * inner), width: Int64(size * inner),
          after: Int64(after * inner), value: value, unused: 0), numbers: outer * (before + size + after) * inner)
    }
  }

  package func concatenated(_ tensors: [Tensor], axis: Int, shape: [Int]) -> Tensor {
    let (outer, size, inner) = (shape[..<axis].reduce(1, *), shape[axis], shape[(axis + 1)...].reduce(1, *))
    return make(shape) { whole in
      var start = 0
      for first in stride(from: 0, to: tensors.count, by: 8) {
        let parts = tensors[first..<min(first + 8, tensors.count)]
        let widths = parts.map { $0.shape[axis] * inner }
        var arguments = cuda_concatenate_arguments()
        withUnsafeMutableBytes(of: &arguments.part) { bytes in
          MergedAxes.write(parts.map { UInt64(memory($0.storage).address) }, to: bytes)
        }
        withUnsafeMutableBytes(of: &arguments.widths) { MergedAxes.write(widths.map { Int64($0) }, to: $0) }
        arguments.whole = whole
        (arguments.rows, arguments.start, arguments.step) = (Int64(outer), Int64(start), Int64(size * inner))
        arguments.parts = Int32(parts.count)
        let width = widths.reduce(0, +)
        launch("Movement", "cuda_concatenate", arguments, numbers: outer * width)
        start += width
      }
    }
  }

  package func gathered(_ x: Tensor, _ places: IndexTensor, axis: Int) -> Tensor {
    let (outer, size, inner) = x.split(at: axis)
    let count = places.shape.last!
    var shape = x.shape
    shape[axis] = count
    return make(shape) { to in
      launch(
        "Movement", "cuda_gather_rows",
        cuda_gather_rows_arguments(
          from: at(x), places: at(places), to: to, outer: Int64(outer), size: Int64(size), count: Int64(count),
          inner: Int64(inner), own: places.shape.count == 2 ? 1 : 0),
        numbers: outer * count * inner)
    }
  }

  package func scattered(_ slices: Tensor, _ places: IndexTensor, shape: [Int], axis: Int) -> Tensor {
    let (outer, size, inner) = (shape[..<axis].reduce(1, *), shape[axis], shape[(axis + 1)...].reduce(1, *))
    return make(shape) { to in
      launch(
        "Movement", "cuda_scatter_rows",
        cuda_scatter_rows_arguments(
          from: at(slices), places: at(places), to: to, outer: Int64(outer), size: Int64(size),
          count: Int64(places.shape.last!), inner: Int64(inner), own: places.shape.count == 2 ? 1 : 0),
        grid: ((outer * size + 7) / 8, 1, 1), block: 256)
    }
  }
}
