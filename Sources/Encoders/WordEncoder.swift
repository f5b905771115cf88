import Imitation
import Layers
import Tensors

/// The mean of one learned row a word, through a layer.
public struct WordEncoder: TextEncoder {
  public struct Options: PluginOptions {
    @Key("Width of the row.", 1...4096) public var width = 64
    public init() {}
  }

  public static let name = "words"
  public static let help =
    "The mean of one learned row a word, through a layer. Words that training never saw share one row."

  /// Row 0 stands for words that training never saw.
  let words: Embedding
  let projection: Linear
  public let width: Int?
  private let vocabulary: [String: Int]

  public init(options: Options, context: EncoderContext, random: inout Random) {
    let vocabulary = context.vocabulary
    words = Embedding(count: vocabulary.count + 1, width: options.width, random: &random)
    projection = Linear(inputs: options.width, outputs: options.width, random: &random)
    width = options.width
    self.vocabulary = Dictionary(uniqueKeysWithValues: vocabulary.enumerated().map { ($1, $0 + 1) })
  }

  public func callAsFunction(_ instructions: [String]) -> Tensor? {
    if GraphTrace.isActive { return projection(shares(instructions).matmul(words.weight.value).silu()) }
    // Each instruction is embedded once, however many windows share it.
    let unique = Array(Set(instructions)).sorted()
    let rows = unique.map { text in
      words(indices(of: text)).mean(axes: [0])
    }
    let place = Dictionary(uniqueKeysWithValues: unique.enumerated().map { ($1, $0) })
    return projection(Tensor.stacked(rows, axis: 0).silu()).gathered(instructions.map { place[$0]! })
  }

  private func indices(of text: String) -> [Int] {
    let indices = Vocabulary.words(of: text).map { vocabulary[$0] ?? 0 }
    return indices.isEmpty ? [0] : indices
  }

  /// What a graph has in place of text: how large a share of an instruction each word is, `[instructions, words]`.
  private func shares(_ instructions: [String]) -> Tensor {
    GraphTrace.input(named: "instruction") {
      let count = vocabulary.count + 1
      return Tensor(shape: [instructions.count, count]) { buffer in
        buffer.update(repeating: 0)
        for (item, text) in instructions.enumerated() {
          let indices = indices(of: text)
          for index in indices { buffer[item * count + index] += 1 / Float(indices.count) }
        }
      }
    }
  }
}

/// No text encoder, for data of one task.
public struct NoTextEncoder: TextEncoder {
  public struct Options: PluginOptions {
    public init() {}
  }

  public static let name = "none"
  public static let help =
    "Instructions are not used: for data of a single task, and to see what the instruction is worth."

  public let width: Int? = nil

  public init(options: Options, context: EncoderContext, random: inout Random) {}

  public func callAsFunction(_ instructions: [String]) -> Tensor? { nil }
}
