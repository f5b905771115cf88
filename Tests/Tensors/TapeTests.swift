import Support
import Tensors
import Testing

@Suite struct TapeTests {
  /// A graph of parents would overflow the stack when it is freed.
  @Test func aLongChainIsWalkedWithoutRecursion() {
    let parameter = Parameter(Tensor(1))
    let (value, gradients) = withGradients(random: Random(seed: 1)) {
      var x = parameter.value
      for _ in 0..<200_000 { x = x + 1 }
      return x * 2
    }
    #expect(value.item == 400_002)
    #expect(gradients[parameter]!.item == 2)
  }

  @Test func constantsAndFrozenParametersRecordNothing() {
    let used = Parameter(Tensor(3))
    let frozen = Parameter(Tensor(4), trainable: false)
    let unused = Parameter(Tensor(5))
    let (_, gradients) = withGradients(random: Random(seed: 1)) { used.value * frozen.value }
    #expect(gradients[used]!.item == 4)
    #expect(gradients[frozen] == nil && gradients[unused] == nil)
    #expect(Tape.operations { _ = frozen.value * Tensor(2) }.isEmpty)
  }

  @Test func aParameterUsedTwiceGetsBothGradients() {
    let parameter = Parameter(Tensor([2, 3], shape: [2]))
    let (_, gradients) = withGradients(random: Random(seed: 1)) {
      (parameter.value * parameter.value).sum() + parameter.value.sum()
    }
    #expect(gradients[parameter]!.scalars == [5, 7])
  }

  @Test func aTensorOfAFinishedTapeIsAConstant() {
    let parameter = Parameter(Tensor(2))
    var kept = Tensor(0)
    _ = withGradients(random: Random(seed: 1)) {
      kept = parameter.value * 3
      return kept
    }
    let (value, gradients) = withGradients(random: Random(seed: 1)) { kept * parameter.value }
    #expect(value.item == 12 && gradients[parameter]!.item == 6)
  }

  @Test func dropoutIsOnWhileATapeRecords() {
    let ones = Tensor.ones([100, 100])
    #expect(ones.dropout(0.3).scalars == ones.scalars)
    let parameter = Parameter(ones)
    func run(_ seed: UInt64) -> (out: [Float], gradient: [Float]) {
      var out: [Float] = []
      let (_, gradients) = withGradients(random: Random(seed: seed)) {
        let dropped = parameter.value.dropout(0.3)
        out = dropped.scalars
        return dropped.sum()
      }
      return (out, gradients[parameter]!.scalars)
    }
    let (out, gradient) = run(1)
    #expect(out == gradient)  // of ones: the same mask both ways
    #expect(out.allSatisfy { $0 == 0 || abs($0 - 1 / 0.7) < 1e-6 })
    #expect(abs(Double(out.count { $0 == 0 }) / 10_000 - 0.3) < 0.02)
    #expect(run(1).out == out && run(2).out != out)
  }

  /// Large enough that every operation is cut into several chunks.
  @Test func resultsDoNotDependOnTheNumberOfThreads() {
    func bits() -> [[UInt32]] {
      var random = Random(seed: 2)
      let x = Parameter(.normal([6, 33, 31, 16], random: &random))
      let weight = Parameter(.normal([3, 3, 16, 32], random: &random))
      let scale = Parameter(.ones([32]))
      let square = Parameter(.normal([300, 300], random: &random))
      let (value, gradients) = withGradients(random: Random(seed: 3)) {
        let image = x.value.conv2d(weight.value, padding: 1).groupNorm(groups: 2, scale: scale.value, bias: nil).gelu()
        let rows = square.value.matmul(square.value).softmax().dropout(0.1).layerNorm(scale: nil, bias: nil)
        return image.square().mean() + (rows * rows).sum()
          + image.maxPool2d(size: 3, stride: 2).sum(axes: [0, 1]).square().mean()
      }
      return ([value] + [x, weight, scale, square].map { gradients[$0]! }).map { $0.scalars.map(\.bitPattern) }
    }
    #expect(bits() == Threads.$isSerial.withValue(true) { bits() })
  }

  @Test func extremesStayFinite() {
    let x = Tensor([-1000, -100, -20, 0, 20, 100, 1000], shape: [7])
    for result in [
      x.softplus(), x.sigmoid(), x.tanh(), x.gelu(), x.silu(), x.mish(), x.softmax(), x.logSoftmax(),
      x.logSumExp(axis: 0),
    ] {
      #expect(result.isFinite)
    }
    #expect(x.softplus().scalars[6] == 1000 && x.softplus().scalars[0] < 1e-30)
    #expect(!Tensor([.nan], shape: [1]).softplus().isFinite && !Tensor([.nan], shape: [1]).gelu().isFinite)
  }
}
