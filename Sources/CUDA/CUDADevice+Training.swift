import CCUDA
import Tensors

extension CUDADevice {
  package func sumOfSquares(_ tensors: [Tensor]) -> Double {
    guard let sums = squares(tensors) else { return 0 }
    let total = allocate(bytes: 8, .scratch)
    launch(
      "Optimizer", "cuda_total",
      cuda_total_arguments(
        sums: UnsafePointer(sums.memory.pointer(Double.self)), total: total.pointer(Double.self),
        count: Int64(sums.count)), grid: (1, 1, 1), block: 256)
    return withExtendedLifetime((sums.memory, total)) {
      var result = Double.nan
      read(total.address, into: &result, bytes: 8)
      return result
    }
  }

  package func clip(_ gradients: [Tensor], maximum: Float, loss: Tensor, row: Int, numbers: inout Tensor) -> Tensor {
    let sums = squares(gradients)
    let place = upload([Int32(row)], .scratch)
    let log = mutate(&numbers)
    let rows = numbers.shape[0] - 1
    return withExtendedLifetime((sums?.memory, place)) {
      make([]) { factor in
        launch(
          "Optimizer", "cuda_clip",
          cuda_clip_arguments(
            sums: (sums?.memory.pointer(Double.self)).map { UnsafePointer($0) }, loss: at(loss),
            row: UnsafePointer(place.integers), log: log, factor: factor, count: Int64(sums?.count ?? 0),
            rows: Int32(rows), maximum: maximum), grid: (1, 1, 1), block: 256)
      }
    }
  }

  /// The sums of the squares of pieces, as doubles; nil without any.
  private func squares(_ tensors: [Tensor]) -> (memory: CUDAMemory, count: Int)? {
    let most = 65_536
    var pieces: [cuda_squares_piece] = []
    for tensor in tensors {
      for start in stride(from: 0, to: tensor.count, by: most) {
        pieces.append(
          cuda_squares_piece(values: at(tensor) + start, count: Int64(min(most, tensor.count - start))))
      }
    }
    guard !pieces.isEmpty else { return nil }
    let (table, sums) = (upload(pieces, .scratch), allocate(bytes: pieces.count * 8, .scratch))
    launch(
      "Optimizer", "cuda_sum_of_squares",
      cuda_sum_of_squares_arguments(
        pieces: UnsafePointer(table.pointer(cuda_squares_piece.self)), sums: sums.pointer(Double.self)),
      grid: (pieces.count, 1, 1), block: 256)
    return withExtendedLifetime(table) { (sums, pieces.count) }
  }

  package func update(
    _ targets: inout [AdamWStep.Target], betas: (Float, Float), epsilon: Float, gradientScale: Tensor
  ) {
    let most = 16_384
    var pieces: [cuda_adamw_piece] = []
    var groups: [cuda_adamw_group] = []
    for index in targets.indices {
      let (first, second) = (mutate(&targets[index].first), mutate(&targets[index].second))
      var average: UnsafeMutablePointer<Float>?
      if targets[index].average != nil { average = mutate(&targets[index].average!) }
      let target = targets[index]
      let corrections = target.corrections(betas)
      groups.append(
        cuda_adamw_group(
          rate: target.learningRate, decay: target.weightDecay, correction1: corrections.0,
          correction2: corrections.1, share: target.share, unused: 0))
      let gradient = at(target.gradient)
      target.parameter.changeStored { stored in
        let values = mutate(&stored)
        for start in stride(from: 0, to: stored.count, by: most) {
          pieces.append(
            cuda_adamw_piece(
              values: values.map { $0 + start }, first: first.map { $0 + start }, second: second.map { $0 + start },
              average: average.map { $0 + start }, gradient: gradient.map { $0 + start },
              count: Int32(min(most, stored.count - start)), group: Int32(index)))
        }
      }
    }
    guard !pieces.isEmpty else { return }
    let (table, shared) = (upload(pieces, .scratch), upload(groups, .scratch))
    withExtendedLifetime((table, shared)) {
      launch(
        "Optimizer", "cuda_adamw",
        cuda_adamw_arguments(
          pieces: UnsafePointer(table.pointer(cuda_adamw_piece.self)),
          groups: UnsafePointer(shared.pointer(cuda_adamw_group.self)), scale: at(gradientScale), beta1: betas.0,
          beta2: betas.1, epsilon: epsilon, unused: 0), grid: (pieces.count, 1, 1),
        block: 256)
    }
  }
}
