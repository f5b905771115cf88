import Layers
import Support
import Tensors
import Testing

/// Layers with the same weights as a PyTorch network of the same kind: outputs, input gradients and the size of every
/// parameter's gradient.
@Suite struct GoldenLayerTests {
  let golden: Golden

  init() throws {
    golden = try Golden("layers")
  }

  private func backward(_ input: Parameter, _ body: (Tensor) -> Tensor) -> (out: Tensor, gradients: Gradients) {
    var out = Tensor(0)
    let (_, gradients) = withGradients(random: Random(seed: 1)) {
      let result = body(input.value)
      out = result.detached
      return (result * wave(result.shape, 200, scale: 1)).sum()
    }
    return (out, gradients)
  }

  @Test func transformerBlock() throws {
    var random = Random(seed: 1)
    let block = TransformerBlock(width: 32, heads: 4, attentionDropout: 0, dropout: 0, random: &random)
    block.fillWithWaves()
    let input = Parameter(wave([2, 5, 32], 100, scale: 1))
    let (out, gradients) = backward(input) { block($0, mask: MultiHeadAttention.causalMask(5)) }
    #expect(relativeError(out, golden["block/out"]) < 1e-4)
    #expect(relativeError(gradients[input]!, golden["block/input"]) < 1e-3)
    #expect(largestRelativeDifference(block.gradientNorms(gradients), golden["block/norms"]) < 1e-3)
  }

  @Test(arguments: TrunkNorm.allCases) func resNet18(_ norm: TrunkNorm) throws {
    var random = Random(seed: 1)
    let trunk = ResNet18(norm: norm, random: &random)
    trunk.fillWithWaves()
    let input = Parameter(wave([2, 36, 36, 3], 300, scale: 0.5, offset: 0.5))
    let (out, gradients) = backward(input) { trunk($0) }
    #expect(relativeError(out, golden["resnet-\(norm)/out"]) < 1e-4)
    let gradient = gradients[input]!
    let some = gradient.gathered(Array(stride(from: 0, to: 36, by: 4)), axis: 1)
      .gathered(Array(stride(from: 0, to: 36, by: 4)), axis: 2)
    #expect(relativeError(some, golden["resnet-\(norm)/input"]) < 1e-3)
    #expect(largestRelativeDifference(trunk.gradientNorms(gradients), golden["resnet-\(norm)/norms"]) < 1e-3)
    if let batch = trunk.stemNorm as? BatchNorm2d {
      #expect(relativeError(batch.mean.value, golden["resnet-batch/mean"]) < 1e-4)
      #expect(relativeError(batch.variance.value, golden["resnet-batch/variance"]) < 1e-4)
    }
  }

  @Test func film() throws {
    var random = Random(seed: 1)
    let film = FiLM(condition: 6, channels: 8, random: &random)
    film.fillWithWaves()
    let input = Parameter(wave([2, 3, 4, 8], 100, scale: 1))
    let condition = Parameter(wave([2, 6], 101, scale: 1))
    let (out, gradients) = backward(input) { film($0, condition: condition.value) }
    #expect(relativeError(out, golden["film/out"]) < 1e-4)
    #expect(relativeError(gradients[input]!, golden["film/input"]) < 1e-3)
    #expect(relativeError(gradients[condition]!, golden["film/condition"]) < 1e-3)
    #expect(largestRelativeDifference(film.gradientNorms(gradients), golden["film/norms"]) < 1e-3)
  }

  @Test func spatialSoftmax() throws {
    var random = Random(seed: 1)
    let keypoints = SpatialSoftmax(channels: 8, keypoints: 4, random: &random)
    keypoints.fillWithWaves()
    let input = Parameter(wave([2, 5, 6, 8], 100, scale: 3))
    let (out, gradients) = backward(input) { keypoints($0) }
    #expect(relativeError(out, golden["keypoints/out"]) < 1e-4)
    #expect(relativeError(gradients[input]!, golden["keypoints/input"]) < 1e-3)
    // A softmax does not feel a constant, so the bias has no gradient but rounding: only the weight is compared.
    let norms = keypoints.gradientNorms(gradients).sliced(axis: 0, 0..<1)
    #expect(largestRelativeDifference(norms, golden["keypoints/norms"].sliced(axis: 0, 0..<1)) < 1e-3)
  }

  @Test func adamWWithClipping() throws {
    let a = Parameter(wave([7], 0, scale: 1))
    let b = Parameter(wave([3, 2], 1, scale: 1))
    var optimizer = AdamW(
      [.init([("a", a)], weightDecay: 0.1), .init([("b", b)], weightDecay: 0)], betas: (0.9, 0.95))
    for step in 0..<6 {
      let (_, gradients) = withGradients(random: Random(seed: 1)) {
        (a.value - Float(step)).square().sum() + b.value.square().square().sum()
      }
      let (factor, norm) = clippingFactor(gradients, of: [("a", a), ("b", b)], maximum: 2)
      #expect(abs(norm - golden["adamw/norm\(step)"].item) < 1e-4 * norm)
      optimizer.step(gradients, learningRate: 1e-2, gradientScale: factor)
    }
    #expect(relativeError(a.value, golden["adamw/a"]) < 1e-5)
    #expect(relativeError(b.value, golden["adamw/b"]) < 1e-5)
  }
}
