import Tensors
import Testing

@Suite struct RandomTests {
  /// Known answers of Philox4x32-10 from the Random123 distribution (counter 0 and key 0), and its first words here.
  @Test func philoxGivesItsKnownAnswers() {
    #expect(Random.philox(key: 0, block: 0) == (0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
    var random = Random(key: 0, counter: 0)
    #expect(random.next() == 0xe169_c58d_6627_e8d5)
    #expect(random.next() == 0x9b00_dbd8_bc57_ac4c)
    #expect(random.counter == 2)
  }

  @Test func anyPositionCanBeReached() {
    var random = Random(seed: 3)
    let words = (0..<10).map { _ in random.next() }
    for position in 0..<10 {
      var later = Random(key: random.key, counter: UInt64(position))
      #expect(later.next() == words[position])
    }
  }

  @Test func splitsDependOnTheNameOnly() {
    let random = Random(seed: 3)
    var drawn = random
    for _ in 0..<7 { _ = drawn.next() }
    #expect(random.split("a") == drawn.split("a"))
    let streams = [random.split("a"), random.split("b"), random.split(0), random.split(1), random, Random(seed: 4)]
    #expect(Set(streams.map(\.key)).count == streams.count)
  }

  @Test func uniformAndNormalHaveTheirMoments() {
    var random = Random(seed: 5)
    let count = 200_000
    let uniform = (0..<count).map { _ in random.uniform() }
    #expect(uniform.allSatisfy { (0..<1).contains($0) })
    #expect(abs(uniform.reduce(0, +) / Double(count) - 0.5) < 0.003)
    let normal = (0..<count).map { _ in random.normal() }
    #expect(abs(normal.reduce(0, +) / Double(count)) < 0.01)
    #expect(abs(normal.reduce(0) { $0 + $1 * $1 } / Double(count) - 1) < 0.015)
    // Share within one and two standard deviations: 0.682689, 0.954500.
    #expect(abs(Double(normal.count { abs($0) < 1 }) / Double(count) - 0.682689) < 0.005)
    #expect(abs(Double(normal.count { abs($0) < 2 }) / Double(count) - 0.9545) < 0.003)
  }

  @Test func permutationsHoldEverythingOnce() {
    var random = Random(seed: 6)
    #expect(random.permutation(1000).sorted() == Array(0..<1000))
    #expect(random.permutation(1000) != Array(0..<1000))
    #expect(Set((0..<1000).map { _ in random.below(7) }) == Set(0..<7))
  }

  /// The bits that every machine must give.
  @Test func theFirstNumbersNeverChange() {
    var random = Random(seed: 1)
    #expect((0..<3).map { _ in random.next() } == RandomTests.firstWords)
    var normal = Random(seed: 1).split("weights")
    #expect((0..<3).map { _ in normal.normal().bitPattern } == RandomTests.firstNormals)
  }
  static let firstWords: [UInt64] = [
    16_326_800_385_650_405_095, 16_850_536_917_549_948_747, 12_418_786_158_860_748_286,
  ]
  static let firstNormals: [UInt64] = [
    13_823_177_118_904_144_373, 13_836_251_375_842_596_897, 13_835_177_115_957_080_711,
  ]

  /// The published values of FNV-1a, 64 bits.
  @Test func stableHashesAreFNV() {
    for (text, value) in [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
      as [(String, UInt64)]
    {
      var hash = StableHash()
      hash.add(text.utf8)
      #expect(hash.value == value)
    }
  }

  /// What evaluation.json keeps of an episode's actions: a number's bits are one word.
  @Test func actionsAreDigestedByWord() {
    var hash = StableHash()
    hash.add([1, -0.5] as [Float])
    let words: [UInt64] = [0x3f80_0000, 0xbf00_0000]
    #expect(hash.value == words.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ $1) &* 0x0000_0100_0000_01b3 })
  }

  @Test func coresAreThoseThatAreAllowed() {
    #expect(ProcessorCores.list("0-3,8,10-11") == [0, 1, 2, 3, 8, 10, 11])
    #expect(
      ProcessorCores.list(" 5\n") == [5] && ProcessorCores.list("x").isEmpty && ProcessorCores.list("3-1").isEmpty)
    #expect(!ProcessorCores.available.isEmpty)
  }
}
