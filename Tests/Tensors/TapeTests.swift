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

  @Test func partsOfASplitGetTheGradientsOfSlices() {
    let parameter = Parameter(Tensor((0..<12).map { Float($0) - 5.5 }, shape: [2, 6]))
    /// The first part is not used, the second twice, the third as the whole is, and the whole once more by itself.
    func gradient(_ parts: @escaping (Tensor) -> [Tensor]) -> [Float] {
      let (_, gradients) = withGradients(random: Random(seed: 1)) {
        let whole = parameter.value
        let parts = parts(whole)
        return (parts[1] * parts[1]).sum() + (parts[2] * 3).sum() + whole.square().sum()
      }
      return gradients[parameter]!.scalars
    }
    let split = gradient { $0.split(axis: 1, [1, 2, 3]) }
    #expect(split == gradient { x in [0..<1, 1..<3, 3..<6].map { x.sliced(axis: 1, $0) } })
    let (factors, added): ([Float], [Float]) = ([2, 4, 4, 2, 2, 2], [0, 0, 0, 3, 3, 3])
    let expected = (0..<12).map { (place: Int) -> Float in
      factors[place % 6] * (Float(place) - 5.5) + added[place % 6]
    }
    #expect(split == expected)
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

@Suite struct RecomputationTests {
  @Test func givesTheSameGradients() {
    var random = Random(seed: 3)
    let weight = Parameter(.normal([16, 16], random: &random))
    let bias = Parameter(.normal([16], random: &random))
    let x = Parameter(.normal([12, 16], random: &random))
    func block(_ x: Tensor) -> Tensor { x.linear(weight.value, bias: bias.value).gelu() + x }
    func gradients(_ apply: (Tensor) -> Tensor) -> (value: Float, all: [Tensor]) {
      let (value, gradients) = withGradients(random: Random(seed: 5)) {
        apply(apply(x.value).tanh()).square().mean()
      }
      return (value.item, [weight, bias, x].map { gradients[$0]! })
    }
    let (again, kept) = (gradients { recomputed($0, block) }, gradients(block))
    #expect(again.value == kept.value)
    for (a, b) in zip(again.all, kept.all) { #expect(relativeError(a, b) < 1e-6) }
  }

  @Test func dropsTheSamePlacesTwice() {
    var random = Random(seed: 3)
    let x = Parameter(.uniform([50, 40], 1...2, random: &random))
    var output = Tensor(0)
    let (_, gradients) = withGradients(random: Random(seed: 5)) {
      output = recomputed(x.value) { $0.dropout(0.3) }
      return output.sum()
    }
    // Each number times its own slope is what came out.
    #expect(relativeError(gradients[x]! * x.value, output.detached) < 1e-6)
    #expect(output.scalars.contains(0))
  }

  @Test func keepsNothingOfWhatLiesBetween() {
    let weight = Parameter(.ones([4, 4]))
    let names = Tape.operations { _ = recomputed(weight.value) { $0.matmul(weight.value).gelu().square() } }
    #expect(names == ["parameter", "recomputed"])
  }
}

@Suite struct ParallelTests {
  /// Every chunk once, whatever runs at the same time and inside.
  @Test func everyChunkRunsOnce() async {
    await withTaskGroup(of: Bool.self) { group in
      for task in 0..<4 {
        group.addTask {
          for round in 0..<200 {
            let count = 1 + (task * 37 + round * 11) % 97
            let marks = UnsafeMutablePointer<Int32>.allocate(capacity: count)
            defer { marks.deallocate() }
            marks.initialize(repeating: 0, count: count)
            nonisolated(unsafe) let target = marks
            parallel(count: count, grain: 1 + round % 3) { range in
              for i in range {
                parallel(count: 3, grain: 1) { inner in for _ in inner where i % 2 == 0 { continue } }
                target[i] += 1
              }
            }
            if (0..<count).contains(where: { marks[$0] != 1 }) { return false }
          }
          return true
        }
      }
      for await good in group { #expect(good) }
    }
  }

  @Test func bitsDoNotDependOnTheNumberOfCores() {
    var random = Random(seed: 3)
    let x = Parameter(.normal([9, 12, 12, 16], random: &random))
    let wide = Parameter(.normal([3, 3, 16, 32], random: &random))
    let strided = Parameter(.normal([3, 3, 32, 48], random: &random))
    let scale = Parameter(.ones([32]))
    let bias = Parameter(.zeros([32]))
    let out = Parameter(.normal([48, 96], random: &random))
    func gradients() -> [[Float]] {
      let (value, gradients) = withGradients(random: Random(seed: 5)) {
        let y = x.value.conv2d(wide.value, padding: 1)
          .groupNorm(groups: 2, scale: scale.value, bias: bias.value, finish: .relu)
        let z = y.conv2d(strided.value, stride: 2, padding: 1).reshaped([9, 36, 48])
        let rows = z.reshaped([9, 36, 4, 12])
        let mixed = rows.attention(keys: rows, values: rows).reshaped([9, 36, 48])
        return mixed.matmul(out.value).layerNorm(scale: nil, bias: nil).dropout(0.2).square().mean()
      }
      return [value.scalars] + [x, wide, strided, scale, bias, out].map { gradients[$0]!.scalars }
    }
    let all = gradients()
    #expect(all == Threads.$isSerial.withValue(true) { gradients() })
    #expect(all.allSatisfy { $0.allSatisfy(\.isFinite) })
  }
}
