import CKernels

/// What a device computes: the list of kernels that operations call. Shapes have been checked; gradients are the caller's.
///
/// What a backend does not implement the processor does: its kernels ask for numbers in the processor's memory, and tensors
/// copy themselves there.
package protocol Backend: Sendable {
  // Number by number.
  func unary(_ operation: ck_unary_operation, _ x: Tensor) -> Tensor
  func unaryGradient(_ operation: ck_unary_operation, _ x: Tensor, _ outputGradient: Tensor) -> Tensor
  func binary(_ operation: ck_binary_operation, _ a: Tensor, _ b: Float) -> Tensor
  /// Both broadcast to `shape`.
  func binary(_ operation: ck_binary_operation, _ a: Tensor, _ b: Tensor, shape: [Int]) -> Tensor
  /// 1 where `operation` (maximum or minimum) chooses `a`, also of equals, else 0. Equal shapes.
  func chosen(_ operation: ck_binary_operation, _ a: Tensor, _ b: Tensor) -> Tensor
  /// `outputGradient` where `x` lies within `bounds`, else 0.
  func clampedGradient(_ x: Tensor, _ bounds: ClosedRange<Float>, _ outputGradient: Tensor) -> Tensor
  func dropout(_ x: Tensor, key: UInt64, rate: Float) -> Tensor
  /// `sum += part`, of which nothing else holds `sum`.
  func accumulate(_ part: Tensor, into sum: inout Tensor)
  /// `values += (other - values) share`.
  func mix(_ other: Tensor, share: Float, into values: inout Tensor)
  /// Bytes divided by 255, each image cropped at its own offset: `[count, crop.height, crop.width, 3]`.
  func images(_ pixels: ByteTensor, crop: (height: Int, width: Int), offsets: [(y: Int, x: Int)]) -> Tensor

  // Movement.
  func broadcast(_ x: Tensor, to shape: [Int]) -> Tensor
  func permuted(_ x: Tensor, _ axes: [Int]) -> Tensor
  func sliced(_ x: Tensor, axis: Int, _ range: Range<Int>) -> Tensor
  func padded(_ x: Tensor, axis: Int, before: Int, after: Int, value: Float) -> Tensor
  func concatenated(_ tensors: [Tensor], axis: Int, shape: [Int]) -> Tensor
  /// Slices of `axis`: the same places `[count]` for everything before the axis, or each its own, `[outer, count]`.
  func gathered(_ x: Tensor, _ places: IndexTensor, axis: Int) -> Tensor
  /// Adds slices to their places in zeros of `shape`, in order.
  func scattered(_ slices: Tensor, _ places: IndexTensor, shape: [Int], axis: Int) -> Tensor

  // Reductions.
  /// Sums neighboring axes, keeping each as 1.
  func sum(_ x: Tensor, over axes: ClosedRange<Int>) -> Tensor
  /// The largest along `axis` and its first place, for each cell of the other axes: `[outer, inner]`.
  func largest(_ x: Tensor, axis: Int) -> (values: Tensor, places: IndexTensor)
  /// Numbers `[outer, inner]` at their places along `axis` of zeros of `shape`.
  func largestGradient(_ outputGradient: Tensor, _ places: IndexTensor, shape: [Int], axis: Int) -> Tensor
  func softmax(_ x: Tensor) -> Tensor
  func softmaxGradient(_ y: Tensor, _ outputGradient: Tensor) -> Tensor
  func logSumExp(_ x: Tensor) -> Tensor

  // Normalization.
  /// - Returns: the result, and `[rows, 2]`: mean and reciprocal deviation of each row.
  func rowNorm(_ x: Tensor, scale: Tensor?, bias: Tensor?, epsilon: Float, centered: Bool) -> (Tensor, moments: Tensor)
  func rowNormGradient(_ x: Tensor, moments: Tensor, scale: Tensor?, _ outputGradient: Tensor, centered: Bool) -> Tensor
  func rowNormParameters(_ x: Tensor, moments: Tensor, _ outputGradient: Tensor) -> (scale: Tensor, bias: Tensor)
  /// The statistics of groups of channels, spread over their channels: `[sets, 2, channels]`, mean and reciprocal
  /// deviation. Sets are the images, or the whole batch when `together`.
  func channelMoments(_ plan: ChannelPlan, _ x: Tensor, groups: Int, together: Bool, epsilon: Float)
    -> (moments: Tensor, variance: Tensor)
  /// Factor and summand of normalizing by `moments`, then `scale` and `bias`: `[sets, 2, channels]`.
  func channelFactors(_ moments: Tensor, scale: Tensor?, bias: Tensor?) -> Tensor
  /// `finish(x scale + bias + adding)`.
  func channelAffine(_ plan: ChannelPlan, _ x: Tensor, _ factors: ChannelFactors, adding: Tensor?) -> Tensor
  func channelNormGradient(
    _ plan: ChannelPlan, _ x: Tensor, moments: Tensor, groups: Int, scale: Tensor?, bias: Tensor?, adding: Tensor?,
    wantsAdded: Bool, _ outputGradient: Tensor
  ) -> (x: Tensor, added: Tensor?, scale: Tensor, bias: Tensor)
  func channelAffineGradient(
    _ plan: ChannelPlan, _ x: Tensor, scale: Tensor, bias: Tensor?, adding: Tensor?, wantsAdded: Bool,
    _ outputGradient: Tensor
  ) -> (x: Tensor, added: Tensor?, scale: Tensor, bias: Tensor)

  // Products, attention, convolutions.
  /// `batch` products of `[m, k]` and `[k, n]`, stored the other way round where transposed; `precisely` without rounding
  /// their numbers.
  func products(
    batch: Int, _ m: Int, _ n: Int, _ k: Int, _ a: Tensor, _ aTransposed: Bool, _ b: Tensor, _ bTransposed: Bool,
    bias: Tensor?, precisely: Bool, shape: [Int]
  ) -> Tensor
  /// - Returns: `[batch, queries, heads, width]`, and the logarithms of the rows' sums, `[batch, heads, queries]`.
  func attention(_ plan: AttentionPlan, _ q: Tensor, _ k: Tensor, _ v: Tensor) -> (output: Tensor, totals: Tensor)
  func attentionGradient(
    _ plan: AttentionPlan, _ q: Tensor, _ k: Tensor, _ v: Tensor, output: Tensor, totals: Tensor,
    _ outputGradient: Tensor
  ) -> (q: Tensor, k: Tensor, v: Tensor)
  func convolution(_ plan: ConvolutionPlan, _ x: Tensor, _ weight: Tensor, bias: Tensor?) -> Tensor
  func convolutionInputGradient(_ plan: ConvolutionPlan, _ outputGradient: Tensor, _ weight: Tensor) -> Tensor
  func convolutionWeightGradient(_ plan: ConvolutionPlan, _ x: Tensor, _ outputGradient: Tensor) -> Tensor
  func maxPool(_ plan: PoolingPlan, _ x: Tensor) -> Tensor
  func maxPoolGradient(_ plan: PoolingPlan, _ x: Tensor, result: Tensor, _ outputGradient: Tensor) -> Tensor

  // Points and Gaussians.
  func farthestPoints(_ x: Tensor, choosing count: Int) -> IndexTensor
  func nearest(_ x: Tensor, in others: Tensor) -> IndexTensor
  func squaredDistances(_ x: Tensor, to points: Tensor, weights: Tensor) -> Tensor
  /// The image `[height, width, 5]`, and what the backward pass needs.
  func splat(_ inputs: [Tensor], view: SplattingView, background: SIMD3<Float>) -> (
    image: Tensor, state: SplattingState
  )
  func splatGradient(
    _ inputs: [Tensor], _ state: SplattingState, view: SplattingView, background: SIMD3<Float>, _ outputGradient: Tensor
  ) -> [Tensor?]
  func sphericalHarmonicColors(_ means: Tensor, _ coefficients: Tensor, from camera: SIMD3<Float>) -> Tensor
  func sphericalHarmonicCoefficientGradient(
    _ means: Tensor, terms: Int, colors: Tensor, from camera: SIMD3<Float>, _ outputGradient: Tensor
  ) -> Tensor
  func sphericalHarmonicMeanGradient(
    _ means: Tensor, _ coefficients: Tensor, colors: Tensor, from camera: SIMD3<Float>, _ outputGradient: Tensor
  ) -> Tensor

  // Training.
  func sumOfSquares(_ tensors: [Tensor]) -> Double
  /// The factor that clips gradients, see `GradientLog`; `numbers` are the log's.
  func clip(_ gradients: [Tensor], maximum: Float, loss: Tensor, row: Int, numbers: inout Tensor) -> Tensor
  /// Runs `body`, whose operations are nearly always the same ones for a name. A device may launch them at once when it ends.
  func repeated<Result>(_ name: String, _ body: () throws -> Result) rethrows -> Result
  /// Throws what failed since the last time: operations themselves do not throw.
  func check() throws
  /// Memory that tensors took on the device since `startCounting`; nil of the processor.
  var memory: MemoryReport? { get }
  func startCounting()
  /// `gradientScale` is one number; when it is none, nothing is changed.
  func update(_ targets: inout [AdamWStep.Target], betas: (Float, Float), epsilon: Float, gradientScale: Tensor)
}

// The processor's.
extension Backend {
  package func check() throws {}
  package var memory: MemoryReport? { nil }
  package func startCounting() {}
  package func unary(_ operation: ck_unary_operation, _ x: Tensor) -> Tensor {
    Kernel.unary(operation, x)
  }
  package func unaryGradient(_ operation: ck_unary_operation, _ x: Tensor, _ outputGradient: Tensor) -> Tensor {
    Kernel.unaryGradient(operation, x, outputGradient)
  }
  package func binary(_ operation: ck_binary_operation, _ a: Tensor, _ b: Float) -> Tensor {
    Kernel.binary(operation, a, b)
  }
  package func binary(_ operation: ck_binary_operation, _ a: Tensor, _ b: Tensor, shape: [Int]) -> Tensor {
    Kernel.binary(operation, a, b, shape: shape)
  }
  package func chosen(_ operation: ck_binary_operation, _ a: Tensor, _ b: Tensor) -> Tensor {
    Kernel.chosen(operation, a, b)
  }
  package func clampedGradient(_ x: Tensor, _ bounds: ClosedRange<Float>, _ outputGradient: Tensor) -> Tensor {
    Kernel.clampedGradient(x, bounds, outputGradient)
  }
  package func dropout(_ x: Tensor, key: UInt64, rate: Float) -> Tensor {
    Kernel.dropout(x, key: key, rate: rate)
  }
  package func accumulate(_ part: Tensor, into sum: inout Tensor) {
    Kernel.accumulate(part, into: &sum)
  }
  package func mix(_ other: Tensor, share: Float, into values: inout Tensor) {
    Kernel.mix(other, share: share, into: &values)
  }
  package func images(
    _ pixels: ByteTensor, crop: (height: Int, width: Int), offsets: [(y: Int, x: Int)]
  ) -> Tensor {
    Kernel.images(pixels, crop: crop, offsets: offsets)
  }
  package func broadcast(_ x: Tensor, to shape: [Int]) -> Tensor {
    Kernel.broadcast(x, to: shape)
  }
  package func permuted(_ x: Tensor, _ axes: [Int]) -> Tensor {
    Kernel.permuted(x, axes)
  }
  package func sliced(_ x: Tensor, axis: Int, _ range: Range<Int>) -> Tensor {
    Kernel.sliced(x, axis: axis, range)
  }
  package func padded(_ x: Tensor, axis: Int, before: Int, after: Int, value: Float) -> Tensor {
    Kernel.padded(x, axis: axis, before: before, after: after, value: value)
  }
  package func concatenated(_ tensors: [Tensor], axis: Int, shape: [Int]) -> Tensor {
    Kernel.concatenated(tensors, axis: axis, shape: shape)
  }
  package func gathered(_ x: Tensor, _ places: IndexTensor, axis: Int) -> Tensor {
    Kernel.gathered(x, places, axis: axis)
  }
  package func scattered(_ slices: Tensor, _ places: IndexTensor, shape: [Int], axis: Int) -> Tensor {
    Kernel.scattered(slices, places, shape: shape, axis: axis)
  }
  package func sum(_ x: Tensor, over axes: ClosedRange<Int>) -> Tensor {
    Kernel.sum(x, over: axes)
  }
  package func largest(_ x: Tensor, axis: Int) -> (values: Tensor, places: IndexTensor) {
    Kernel.largest(x, axis: axis)
  }
  package func largestGradient(_ outputGradient: Tensor, _ places: IndexTensor, shape: [Int], axis: Int) -> Tensor {
    Kernel.largestGradient(outputGradient, places, shape: shape, axis: axis)
  }
  package func softmax(_ x: Tensor) -> Tensor {
    Kernel.softmax(x)
  }
  package func softmaxGradient(_ y: Tensor, _ outputGradient: Tensor) -> Tensor {
    Kernel.softmaxGradient(y, outputGradient)
  }
  package func logSumExp(_ x: Tensor) -> Tensor {
    Kernel.logSumExp(x)
  }
  package func rowNorm(_ x: Tensor, scale: Tensor?, bias: Tensor?, epsilon: Float, centered: Bool) -> (
    Tensor, moments: Tensor
  ) {
    Kernel.rowNorm(x, scale: scale, bias: bias, epsilon: epsilon, centered: centered)
  }
  package func rowNormGradient(_ x: Tensor, moments: Tensor, scale: Tensor?, _ outputGradient: Tensor, centered: Bool)
    -> Tensor
  {
    Kernel.rowNormGradient(x, moments: moments, scale: scale, outputGradient, centered: centered)
  }
  package func rowNormParameters(_ x: Tensor, moments: Tensor, _ outputGradient: Tensor) -> (
    scale: Tensor, bias: Tensor
  ) {
    Kernel.rowNormParameters(x, moments: moments, outputGradient)
  }
  package func channelMoments(_ plan: ChannelPlan, _ x: Tensor, groups: Int, together: Bool, epsilon: Float) -> (
    moments: Tensor, variance: Tensor
  ) {
    Kernel.channelMoments(plan, x, groups: groups, together: together, epsilon: epsilon)
  }
  package func channelFactors(_ moments: Tensor, scale: Tensor?, bias: Tensor?) -> Tensor {
    Kernel.channelFactors(moments, scale: scale, bias: bias)
  }
  package func channelAffine(_ plan: ChannelPlan, _ x: Tensor, _ factors: ChannelFactors, adding: Tensor?) -> Tensor {
    Kernel.channelAffine(plan, x, factors, adding: adding)
  }
  package func channelNormGradient(
    _ plan: ChannelPlan, _ x: Tensor, moments: Tensor, groups: Int, scale: Tensor?, bias: Tensor?, adding: Tensor?,
    wantsAdded: Bool, _ outputGradient: Tensor
  ) -> (x: Tensor, added: Tensor?, scale: Tensor, bias: Tensor) {
    Kernel.channelNormGradient(
      plan, x, moments: moments, groups: groups, scale: scale, bias: bias, adding: adding, wantsAdded: wantsAdded,
      outputGradient)
  }
  package func channelAffineGradient(
    _ plan: ChannelPlan, _ x: Tensor, scale: Tensor, bias: Tensor?, adding: Tensor?, wantsAdded: Bool,
    _ outputGradient: Tensor
  ) -> (x: Tensor, added: Tensor?, scale: Tensor, bias: Tensor) {
    Kernel.channelAffineGradient(
      plan, x, scale: scale, bias: bias, adding: adding, wantsAdded: wantsAdded, outputGradient)
  }
  package func products(
    batch: Int, _ m: Int, _ n: Int, _ k: Int, _ a: Tensor, _ aTransposed: Bool, _ b: Tensor, _ bTransposed: Bool,
    bias: Tensor?, precisely: Bool, shape: [Int]
  ) -> Tensor {
    Kernel.products(batch: batch, m, n, k, a, aTransposed, b, bTransposed, bias: bias, shape: shape)
  }
  package func attention(_ plan: AttentionPlan, _ q: Tensor, _ k: Tensor, _ v: Tensor) -> (
    output: Tensor, totals: Tensor
  ) {
    Kernel.attention(plan, q, k, v)
  }
  package func attentionGradient(
    _ plan: AttentionPlan, _ q: Tensor, _ k: Tensor, _ v: Tensor, output: Tensor, totals: Tensor,
    _ outputGradient: Tensor
  ) -> (q: Tensor, k: Tensor, v: Tensor) {
    Kernel.attentionGradient(plan, q, k, v, output: output, totals: totals, outputGradient)
  }
  package func convolution(_ plan: ConvolutionPlan, _ x: Tensor, _ weight: Tensor, bias: Tensor?) -> Tensor {
    Kernel.convolution(plan, x, weight, bias: bias)
  }
  package func convolutionInputGradient(_ plan: ConvolutionPlan, _ outputGradient: Tensor, _ weight: Tensor) -> Tensor {
    Kernel.convolutionInputGradient(plan, outputGradient, weight)
  }
  package func convolutionWeightGradient(_ plan: ConvolutionPlan, _ x: Tensor, _ outputGradient: Tensor) -> Tensor {
    Kernel.convolutionWeightGradient(plan, x, outputGradient)
  }
  package func maxPool(_ plan: PoolingPlan, _ x: Tensor) -> Tensor {
    Kernel.maxPool(plan, x)
  }
  package func maxPoolGradient(_ plan: PoolingPlan, _ x: Tensor, result: Tensor, _ outputGradient: Tensor) -> Tensor {
    Kernel.maxPoolGradient(plan, x, result: result, outputGradient)
  }
  package func farthestPoints(_ x: Tensor, choosing count: Int) -> IndexTensor {
    Kernel.farthestPoints(x, choosing: count)
  }
  package func nearest(_ x: Tensor, in others: Tensor) -> IndexTensor {
    Kernel.nearest(x, in: others)
  }
  package func squaredDistances(_ x: Tensor, to points: Tensor, weights: Tensor) -> Tensor {
    Kernel.squaredDistances(x, to: points, weights: weights)
  }
  package func splat(_ inputs: [Tensor], view: SplattingView, background: SIMD3<Float>) -> (
    image: Tensor, state: SplattingState
  ) {
    Kernel.splat(inputs, view: view, background: background)
  }
  package func splatGradient(
    _ inputs: [Tensor], _ state: SplattingState, view: SplattingView, background: SIMD3<Float>, _ outputGradient: Tensor
  ) -> [Tensor?] {
    Kernel.splatGradient(inputs, state, view: view, background: background, outputGradient)
  }
  package func sphericalHarmonicColors(_ means: Tensor, _ coefficients: Tensor, from camera: SIMD3<Float>) -> Tensor {
    Kernel.sphericalHarmonicColors(means, coefficients, from: camera)
  }
  package func sphericalHarmonicCoefficientGradient(
    _ means: Tensor, terms: Int, colors: Tensor, from camera: SIMD3<Float>, _ outputGradient: Tensor
  ) -> Tensor {
    Kernel.sphericalHarmonicCoefficientGradient(means, terms: terms, colors: colors, from: camera, outputGradient)
  }
  package func sphericalHarmonicMeanGradient(
    _ means: Tensor, _ coefficients: Tensor, colors: Tensor, from camera: SIMD3<Float>, _ outputGradient: Tensor
  ) -> Tensor {
    Kernel.sphericalHarmonicMeanGradient(means, coefficients, colors: colors, from: camera, outputGradient)
  }
  package func sumOfSquares(_ tensors: [Tensor]) -> Double {
    Kernel.sumOfSquares(tensors)
  }
  package func clip(_ gradients: [Tensor], maximum: Float, loss: Tensor, row: Int, numbers: inout Tensor) -> Tensor {
    Kernel.clip(gradients, maximum: maximum, loss: loss.item, row: row, numbers: &numbers)
  }
  package func repeated<Result>(_ name: String, _ body: () throws -> Result) rethrows -> Result { try body() }
  package func update(_ targets: inout [AdamWStep.Target], betas: (Float, Float), epsilon: Float, gradientScale: Tensor)
  {
    Kernel.update(&targets, betas: betas, epsilon: epsilon, gradientScale: gradientScale.item)
  }
}
