import CCUDA
import Tensors

extension CUDADevice {
  /// Rows, and items of a batch, of one product: beyond some two millions and 65,535 cuBLASLt is known to have nothing.
  private static let most = (rows: 1 << 20, items: 32_768)

  private func multiply(
    _ shape: CUDAProducts.Shape, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    bias: UnsafePointer<Float>? = nil, to c: UnsafeMutablePointer<Float>?
  ) {
    if shape.batch > CUDADevice.most.items {
      for first in stride(from: 0, to: shape.batch, by: CUDADevice.most.items) {
        var part = shape
        part.batch = min(CUDADevice.most.items, shape.batch - first)
        multiply(
          part, a + first * shape.m * shape.k, b + first * shape.k * shape.n, bias: bias,
          to: c.map { $0 + first * shape.m * shape.n })
      }
      return
    }
    if shape.batch == 1, shape.m > CUDADevice.most.rows, !shape.aTransposed {
      for first in stride(from: 0, to: shape.m, by: CUDADevice.most.rows) {
        var part = shape
        part.m = min(CUDADevice.most.rows, shape.m - first)
        multiply(part, a + first * shape.k, b, bias: bias, to: c.map { $0 + first * shape.n })
      }
      return
    }
    var shape = shape
    shape.hasBias = bias != nil
    let addresses = [UInt(bitPattern: a), UInt(bitPattern: b), UInt(bitPattern: c), UInt(bitPattern: bias)]
    shape.isAligned = addresses.allSatisfy { $0 % 16 == 0 }
    func submit(_ bias: UnsafePointer<Float>?) -> Bool {
      guard products.knows(shape, self) else { return false }
      self.submit(.product(.init(shape: shape, a: a, b: b, bias: bias, c: c)))
      return true
    }
    if submit(bias) { return }
    let wanted = "\(shape)"
    shape.hasBias = false
    guard let bias, submit(nil) else {
      return fail(.failed(call: "cublasLtMatmulAlgoGetHeuristic", reason: "cuBLASLt has nothing for \(wanted)"))
    }
    // Not with the bias in one go: row by row behind it.
    var arguments = cuda_binary_arguments()
    (arguments.a, arguments.b, arguments.y) = (UnsafePointer(c), bias, c)
    let rows = shape.batch * shape.m
    (arguments.count, arguments.axes, arguments.operation) = (Int64(rows * shape.n), 2, Int32(cuda_add))
    (arguments.sizes.0, arguments.sizes.1) = (Int32(shape.n), Int32(rows))
    (arguments.left.0, arguments.left.1, arguments.right.0) = (1, Int64(shape.n), 1)
    launch("Elementwise", "cuda_binary", arguments, numbers: rows * shape.n)
  }

  package func products(
    batch: Int, _ m: Int, _ n: Int, _ k: Int, _ a: Tensor, _ aTransposed: Bool, _ b: Tensor, _ bTransposed: Bool,
    bias: Tensor?, precisely: Bool, shape: [Int]
  ) -> Tensor {
    make(shape) { c in
      guard k > 0 else { return fill(c, count: batch * m * n, with: 0) }
      multiply(
        .init(
          m: m, n: n, k: k, aTransposed: aTransposed, bTransposed: bTransposed, batch: batch, isPrecise: precisely),
        at(a), at(b), bias: at(bias), to: c)
    }
  }

  // MARK: Convolutions, as products of windows

  /// Images whose windows take at most 256 MB, and are rows enough for one product.
  private func chunk(_ plan: ConvolutionPlan) -> Int {
    let pixels = max(1, plan.outputPixels)
    return max(1, min(plan.images, mostWindows / (pixels * max(1, plan.patch)), CUDADevice.most.rows / pixels))
  }

  private func isProduct(_ plan: ConvolutionPlan) -> Bool {
    plan.kernelHeight == 1 && plan.kernelWidth == 1 && plan.strideY == 1 && plan.strideX == 1 && plan.paddingY == 0
      && plan.paddingX == 0
  }

  private func forEachChunk(
    _ plan: ConvolutionPlan,
    _ body: (_ first: Int, _ images: Int, _ windows: UnsafeMutablePointer<Float>?) -> Void
  ) {
    let most = chunk(plan)
    withScratch(floats: most * plan.outputPixels * plan.patch) { windows in
      for first in stride(from: 0, to: plan.images, by: most) { body(first, min(most, plan.images - first), windows) }
    }
  }

  private func windows(
    _ plan: ConvolutionPlan, from: UnsafePointer<Float>?, to: UnsafeMutablePointer<Float>?, images: Int
  ) -> cuda_patches_arguments {
    cuda_patches_arguments(
      from: from, to: to, images: Int64(images), height: Int32(plan.height), width: Int32(plan.width),
      channels: Int32(plan.inputs), kernel_height: Int32(plan.kernelHeight), kernel_width: Int32(plan.kernelWidth),
      stride_y: Int32(plan.strideY), stride_x: Int32(plan.strideX), padding_y: Int32(plan.paddingY),
      padding_x: Int32(plan.paddingX), rows: Int32(plan.outputHeight), columns: Int32(plan.outputWidth), unused: 0)
  }

  private func gather(
    _ plan: ConvolutionPlan, _ x: UnsafePointer<Float>?, images: Int, to: UnsafeMutablePointer<Float>?
  ) {
    launch(
      "Convolution", "cuda_patches", windows(plan, from: x, to: to, images: images),
      numbers: images * plan.outputPixels * plan.patch)
  }

  package func convolution(_ plan: ConvolutionPlan, _ x: Tensor, _ weight: Tensor, bias: Tensor?) -> Tensor {
    let shape = [plan.images, plan.outputHeight, plan.outputWidth, plan.outputs]
    if isProduct(plan) {
      return products(
        batch: 1, plan.images * plan.inputPixels, plan.outputs, plan.inputs, x, false, weight, false, bias: bias,
        precisely: false,
        shape: shape)
    }
    return make(shape) { y in
      forEachChunk(plan) { first, images, scratch in
        gather(plan, at(x) + first * plan.inputPixels * plan.inputs, images: images, to: scratch)
        multiply(
          .init(m: images * plan.outputPixels, n: plan.outputs, k: plan.patch), UnsafePointer(scratch!), at(weight),
          bias: at(bias), to: y.map { $0 + first * plan.outputPixels * plan.outputs })
      }
    }
  }

  package func convolutionInputGradient(
    _ plan: ConvolutionPlan, _ outputGradient: Tensor, _ weight: Tensor
  ) -> Tensor {
    let shape = [plan.images, plan.height, plan.width, plan.inputs]
    if isProduct(plan) {
      return products(
        batch: 1, plan.images * plan.inputPixels, plan.inputs, plan.outputs, outputGradient, false, weight, true,
        bias: nil, precisely: false, shape: shape)
    }
    return make(shape) { dx in
      forEachChunk(plan) { first, images, scratch in
        multiply(
          .init(m: images * plan.outputPixels, n: plan.patch, k: plan.outputs, bTransposed: true),
          at(outputGradient) + first * plan.outputPixels * plan.outputs, at(weight), to: scratch)
        let pixels = dx.map { $0 + first * plan.inputPixels * plan.inputs }
        launch(
          "Convolution", "cuda_patches_back", windows(plan, from: UnsafePointer(scratch), to: pixels, images: images),
          numbers: images * plan.inputPixels * plan.inputs)
      }
    }
  }

  package func convolutionWeightGradient(
    _ plan: ConvolutionPlan, _ x: Tensor, _ outputGradient: Tensor
  ) -> Tensor {
    let shape = [plan.kernelHeight, plan.kernelWidth, plan.inputs, plan.outputs]
    if isProduct(plan) {
      return products(
        batch: 1, plan.inputs, plan.outputs, plan.images * plan.inputPixels, x, true, outputGradient, false, bias: nil,
        precisely: false,
        shape: shape)
    }
    let count = plan.patch * plan.outputs
    return make(shape) { dw in
      guard plan.images > 0 else { return fill(dw, count: count, with: 0) }
      forEachChunk(plan) { first, images, scratch in
        gather(plan, at(x) + first * plan.inputPixels * plan.inputs, images: images, to: scratch)
        func product(_ to: UnsafeMutablePointer<Float>?) {
          multiply(
            .init(m: plan.patch, n: plan.outputs, k: images * plan.outputPixels, aTransposed: true),
            UnsafePointer(scratch!), at(outputGradient) + first * plan.outputPixels * plan.outputs, to: to)
        }
        guard first > 0 else { return product(dw) }
        withScratch(floats: count) { part in
          product(part)
          launch(
            "Elementwise", "cuda_accumulate",
            cuda_accumulate_arguments(a: UnsafePointer(part), y: dw, count: Int64(count)), numbers: count)
        }
      }
    }
  }

  // MARK: Pooling

  package func maxPool(_ plan: PoolingPlan, _ x: Tensor) -> Tensor {
    make(plan.resultShape) { y in
      launch(
        "Pooling", "cuda_max_pool",
        cuda_max_pool_arguments(
          x: at(x), y: y, images: Int64(plan.images), height: Int32(plan.height), width: Int32(plan.width),
          channels: Int32(plan.channels), size: Int32(plan.size), stride: Int32(plan.stride),
          padding: Int32(plan.padding), rows: Int32(plan.rows), columns: Int32(plan.columns)),
        numbers: plan.resultShape.reduce(1, *))
    }
  }

  package func maxPoolGradient(_ plan: PoolingPlan, _ x: Tensor, result: Tensor, _ outputGradient: Tensor) -> Tensor {
    make(plan.shape) { dx in
      launch(
        "Pooling", "cuda_max_pool_gradient",
        cuda_max_pool_gradient_arguments(
          x: at(x), y: at(result), dy: at(outputGradient), dx: dx, images: Int64(plan.images),
          height: Int32(plan.height), width: Int32(plan.width), channels: Int32(plan.channels), size: Int32(plan.size),
          stride: Int32(plan.stride), padding: Int32(plan.padding), rows: Int32(plan.rows),
          columns: Int32(plan.columns)), numbers: x.count)
    }
  }

  // MARK: Attention

  /// The width that kernels for these heads were made for, the smallest that holds them; nil where there is none.
  private func attentionWidth(_ plan: AttentionPlan) -> Int? { [8, 16, 32, 64, 128].first { $0 >= plan.width } }

  private func launchAttention<Arguments>(
    _ kind: String, width: Int, _ arguments: Arguments, tiles: Int, heads: Int, items: Int
  ) {
    let rounding =
      switch precision {
      case .float32: "strict_"
      case .tf32: ""
      case .bf16: "bf16_"
      }
    let name = "cuda_attention_\(rounding)\(kind)\(width)"
    // All widths at once would take half a minute to compile.
    launch("Attention:ATTENTION_WIDTH=\(width)", name, arguments, grid: (tiles, heads, items), block: 128)
  }

  private func maskSteps(_ plan: AttentionPlan) -> (item: Int64, head: Int64) {
    guard let mask = plan.mask else { return (0, 0) }
    let plane = plan.queries * plan.keys
    return (
      mask.shape[0] == 1 ? 0 : Int64(mask.shape[1] * plane), mask.shape[1] == 1 ? 0 : Int64(plane)
    )
  }

  /// A grid's third side ends at 65,535. `key`: of the dropout, on the device.
  private func forEachBatch(
    _ plan: AttentionPlan, _ body: (_ first: Int, _ count: Int, _ key: UnsafePointer<UInt64>?) -> Void
  ) {
    withKey(plan.dropout?.key) { key in
      for first in stride(from: 0, to: plan.batch, by: 65_535) { body(first, min(65_535, plan.batch - first), key) }
    }
  }

  package func attention(
    _ plan: AttentionPlan, _ q: Tensor, _ k: Tensor, _ v: Tensor
  ) -> (output: Tensor, totals: Tensor) {
    guard plan.keys > 0, q.count > 0, let width = attentionWidth(plan) else {
      return Processor().attention(plan, q, k, v)
    }
    let totals = allocate(floats: plan.batch * plan.heads * plan.queries)
    let masked = maskSteps(plan)
    let output = make([plan.batch, plan.queries, plan.heads, plan.width]) { o in
      forEachBatch(plan) { first, count, key in
        let (mine, others) = (first * plan.queries * plan.step, first * plan.keys * plan.step)
        launchAttention(
          "", width: width,
          cuda_attention_arguments(
            q: at(q) + mine, k: at(k) + others, v: at(v) + others,
            mask: at(plan.mask).map { $0 + first * Int(masked.item) }, o: o.map { $0 + mine },
            totals: totals.floats.map { $0 + first * plan.heads * plan.queries }, key: key,
            mask_item: masked.item, mask_head: masked.head, first_item: Int32(first),
            heads: Int32(plan.heads), queries: Int32(plan.queries), keys: Int32(plan.keys), width: Int32(plan.width),
            scale: plan.scale, rate: plan.dropout?.rate ?? 0, unused: 0),
          tiles: (plan.queries + 63) / 64, heads: plan.heads, items: count)
      }
    }
    let shape = [plan.batch, plan.heads, plan.queries]
    return (output, Tensor(shape: shape, storage: Storage(count: shape.reduce(1, *), on: totals)))
  }

  package func attentionGradient(
    _ plan: AttentionPlan, _ q: Tensor, _ k: Tensor, _ v: Tensor, output: Tensor, totals: Tensor,
    _ outputGradient: Tensor
  ) -> (q: Tensor, k: Tensor, v: Tensor) {
    guard plan.keys > 0, q.count > 0, let width = attentionWidth(plan) else {
      return Processor().attentionGradient(plan, q, k, v, output: output, totals: totals, outputGradient)
    }
    let (dq, dk, dv) = (allocate(floats: q.count), allocate(floats: k.count), allocate(floats: v.count))
    let masked = maskSteps(plan)
    let rows = plan.batch * plan.heads * plan.queries
    withScratch(floats: rows) { dots in
      launch(
        "Attention:ATTENTION_WIDTH=\(width)", "cuda_attention_dots",
        cuda_attention_dots_arguments(
          above: at(outputGradient), o: at(output), dots: dots, batch: Int64(plan.batch), heads: Int32(plan.heads),
          queries: Int32(plan.queries), width: Int32(plan.width), unused: 0), grid: ((rows + 7) / 8, 1, 1), block: 256)
      forEachBatch(plan) { first, count, key in
        let (mine, others) = (first * plan.queries * plan.step, first * plan.keys * plan.step)
        let above = first * plan.heads * plan.queries
        let arguments = cuda_attention_gradient_arguments(
          q: at(q) + mine, k: at(k) + others, v: at(v) + others,
          mask: at(plan.mask).map { $0 + first * Int(masked.item) }, above: at(outputGradient) + mine,
          totals: at(totals) + above, dots: UnsafePointer(dots).map { $0 + above }, dq: dq.floats.map { $0 + mine },
          dk: dk.floats.map { $0 + others }, dv: dv.floats.map { $0 + others }, key: key,
          mask_item: masked.item, mask_head: masked.head, first_item: Int32(first),
          heads: Int32(plan.heads), queries: Int32(plan.queries), keys: Int32(plan.keys), width: Int32(plan.width),
          scale: plan.scale, rate: plan.dropout?.rate ?? 0, unused: 0)
        launchAttention(
          "dq_", width: width, arguments, tiles: (plan.queries + 63) / 64, heads: plan.heads, items: count)
        // Of the widest, keys and values have blocks of their own.
        let tiles = (plan.keys + 63) / 64 * (width == 128 ? 2 : 1)
        launchAttention("dkv_", width: width, arguments, tiles: tiles, heads: plan.heads, items: count)
      }
    }
    func tensor(_ like: Tensor, _ memory: CUDAMemory) -> Tensor {
      Tensor(shape: like.shape, storage: Storage(count: like.count, on: memory))
    }
    return (tensor(q, dq), tensor(k, dk), tensor(v, dv))
  }
}
