import CCUDA
import Tensors

/// What an image of Gaussians keeps on the device for the backward pass.
private struct CUDASplats: Sendable {
  let splats, spans, order, offsets, starts, list, places, remaining, last: CUDAMemory
  let entries: Int
}

extension CUDADevice {
  private func camera(_ view: SplattingView, _ background: SIMD3<Float>) -> cuda_splat_view {
    let r = view.rotation
    return cuda_splat_view(
      width: Int32(view.width), height: Int32(view.height), columns: Int32((view.width + 15) / 16),
      rows: Int32((view.height + 15) / 16), focal: (view.focal.x, view.focal.y), center: (view.center.x, view.center.y),
      rotation: (r[0].x, r[0].y, r[0].z, r[1].x, r[1].y, r[1].z, r[2].x, r[2].y, r[2].z),
      translation: (view.translation.x, view.translation.y, view.translation.z), near: view.near,
      background: (background.x, background.y, background.z))
  }

  private func scan(_ from: CUDAMemory, to: CUDAMemory, total: CUDAMemory?, count: Int) {
    launch(
      "Splats", "cuda_scan",
      cuda_scan_arguments(
        from: UnsafePointer(from.integers), to: to.integers, total: total?.integers, count: Int32(count), unused: 0),
      grid: (1, 1, 1), block: 1024)
  }

  /// Sorts by the lowest `bits` bits, equal ones in their order, eight bits a pass.
  private func sorted(
    _ keys: CUDAMemory, _ values: CUDAMemory, count: Int, bits: Int
  ) -> (keys: CUDAMemory, values: CUDAMemory) {
    var (keys, values) = (keys, values)
    let blocks = (count + 2047) / 2048
    let counts = allocate(bytes: 256 * blocks * 4, .scratch)
    for shift in stride(from: 0, to: bits, by: 8) {
      launch(
        "Splats", "cuda_sort_count",
        cuda_sort_count_arguments(
          keys: UnsafePointer(keys.pointer(UInt32.self)), counts: counts.integers, count: Int32(count),
          shift: Int32(shift)), grid: (blocks, 1, 1), block: 256)
      scan(counts, to: counts, total: nil, count: 256 * blocks)
      let next = (allocate(bytes: count * 4, .scratch), allocate(bytes: count * 4, .scratch))
      launch(
        "Splats", "cuda_sort_move",
        cuda_sort_move_arguments(
          keys: UnsafePointer(keys.pointer(UInt32.self)), values: UnsafePointer(values.integers),
          starts: UnsafePointer(counts.integers), to_keys: next.0.pointer(UInt32.self), to_values: next.1.integers,
          count: Int32(count), shift: Int32(shift)), grid: (blocks, 1, 1), block: 256)
      (keys, values) = next
    }
    return withExtendedLifetime(counts) { (keys, values) }
  }

  package func splat(
    _ inputs: [Tensor], view: SplattingView, background: SIMD3<Float>
  ) -> (image: Tensor, state: SplattingState) {
    let n = inputs[4].count
    let camera = camera(view, background)
    let tiles = Int(camera.columns) * Int(camera.rows)
    // What is scanned has to be below 2^19: the tiles that one Gaussian touches.
    guard n > 0, tiles < 1 << 19 else { return Processor().splat(inputs, view: view, background: background) }
    let grid = ((n + 255) / 256, 1, 1)
    let splats = allocate(bytes: n * MemoryLayout<cuda_splat>.stride)
    let spans = allocate(bytes: n * 16)
    let (keys, values) = (allocate(bytes: n * 4, .scratch), allocate(bytes: n * 4, .scratch))
    launch(
      "Splats", "cuda_splat_project",
      cuda_splat_project_arguments(
        means: at(inputs[0]), scales: at(inputs[1]), rotations: at(inputs[2]), colors: at(inputs[3]),
        opacities: at(inputs[4]), splats: splats.pointer(cuda_splat.self), spans: spans.integers,
        keys: keys.pointer(UInt32.self), values: values.integers, view: camera, n: Int32(n), unused: 0), grid: grid,
      block: 256)
    let order = sorted(keys, values, count: n, bits: 32).values
    let (counts, total) = (allocate(bytes: n * 4), allocate(bytes: 4, .scratch))
    launch(
      "Splats", "cuda_splat_counts",
      cuda_splat_counts_arguments(
        splats: UnsafePointer(splats.pointer(cuda_splat.self)), spans: UnsafePointer(spans.integers),
        order: UnsafePointer(order.integers), counts: counts.integers, n: Int32(n), unused: 0), grid: grid, block: 256)
    scan(counts, to: counts, total: total, count: n)
    // The one wait of an image: how many entries there are is known there only.
    let entries = Int(integers(total, count: 1)[0])
    let capacity = max(entries, 1)
    let (tileKeys, numbers) = (allocate(bytes: capacity * 4, .scratch), allocate(bytes: capacity * 4, .scratch))
    let gaussians = allocate(bytes: capacity * 4, .scratch)
    launch(
      "Splats", "cuda_splat_entries",
      cuda_splat_entries_arguments(
        splats: UnsafePointer(splats.pointer(cuda_splat.self)), spans: UnsafePointer(spans.integers),
        order: UnsafePointer(order.integers), offsets: UnsafePointer(counts.integers),
        keys: tileKeys.pointer(UInt32.self), values: numbers.integers,
        gaussians: gaussians.integers, n: Int32(n), capacity: Int32(capacity), columns: camera.columns,
        unused: 0), grid: grid, block: 256)
    let bits = tiles > 1 ? Int.bitWidth - (tiles - 1).leadingZeroBitCount : 0
    let dealt = entries > 0 ? sorted(tileKeys, numbers, count: entries, bits: bits) : (tileKeys, numbers)
    let starts = allocate(bytes: (tiles + 1) * 4)
    let (list, places) = (allocate(bytes: capacity * 4), allocate(bytes: capacity * 4))
    launch(
      "Splats", "cuda_splat_starts",
      cuda_splat_starts_arguments(
        keys: UnsafePointer(dealt.0.pointer(UInt32.self)), values: UnsafePointer(dealt.1.integers),
        gaussians: UnsafePointer(gaussians.integers), total: UnsafePointer(total.integers), starts: starts.integers,
        list: list.integers, places: places.integers, capacity: Int32(capacity), tiles: Int32(tiles)),
      grid: ((capacity + 255) / 256, 1, 1), block: 256)
    let (remaining, last) = (allocate(floats: tiles * 256), allocate(bytes: tiles * 256 * 4))
    let image = make([view.height, view.width, 5]) { image in
      launch(
        "Splats", "cuda_splat_blend",
        cuda_splat_blend_arguments(
          splats: UnsafePointer(splats.pointer(cuda_splat.self)), starts: UnsafePointer(starts.integers),
          list: UnsafePointer(list.integers), image: image, remaining: remaining.floats, last: last.integers,
          view: camera), grid: (tiles, 1, 1), block: 256)
    }
    let kept = CUDASplats(
      splats: splats, spans: spans, order: order, offsets: counts, starts: starts, list: list, places: places,
      remaining: remaining, last: last, entries: capacity)
    return withExtendedLifetime((keys, values, total, tileKeys, numbers, gaussians, dealt)) {
      (image, SplattingState(view: view, onDevice: kept))
    }
  }

  package func splatGradient(
    _ inputs: [Tensor], _ state: SplattingState, view: SplattingView, background: SIMD3<Float>,
    _ outputGradient: Tensor
  ) -> [Tensor?] {
    guard let kept = state.onDevice as? CUDASplats else {
      return Processor().splatGradient(inputs, state, view: view, background: background, outputGradient)
    }
    let camera = camera(view, background)
    let n = inputs[4].count
    let gradients = inputs.map { allocate(floats: $0.count) }
    withScratch(floats: kept.entries * 10) { entries in
      launch(
        "Splats", "cuda_splat_blend_gradient",
        cuda_splat_blend_gradient_arguments(
          splats: UnsafePointer(kept.splats.pointer(cuda_splat.self)), starts: UnsafePointer(kept.starts.integers),
          list: UnsafePointer(kept.list.integers), last: UnsafePointer(kept.last.integers),
          remaining: UnsafePointer(kept.remaining.floats), dimage: at(outputGradient), gradients: entries,
          view: camera), grid: (Int(camera.columns * camera.rows), 1, 1), block: 256)
      launch(
        "Splats", "cuda_splat_gradient",
        cuda_splat_gradient_arguments(
          means: at(inputs[0]), scales: at(inputs[1]), rotations: at(inputs[2]),
          splats: UnsafePointer(kept.splats.pointer(cuda_splat.self)), order: UnsafePointer(kept.order.integers),
          offsets: UnsafePointer(kept.offsets.integers), spans: UnsafePointer(kept.spans.integers),
          places: UnsafePointer(kept.places.integers), gradients: UnsafePointer(entries),
          dmeans: gradients[0].floats, dscales: gradients[1].floats, drotations: gradients[2].floats,
          dcolors: gradients[3].floats, dopacities: gradients[4].floats, view: camera, n: Int32(n),
          capacity: Int32(kept.entries)), grid: ((n + 255) / 256, 1, 1), block: 256)
    }
    return zip(inputs, gradients).map { input, memory in
      Tensor(shape: input.shape, storage: Storage(count: input.count, on: memory))
    }
  }
}
