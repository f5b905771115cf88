import Imitation
import Layers
import Tensors

/// How instructions become a condition.
public enum InstructionOptions: Codable, Sendable, Equatable {
  /// The mean of one learned row a word, through a layer: `{kind: words, width: 64}`.
  case words(width: Int)
  /// Rows computed before, for example by CLIP, one tensor named like each instruction: `{kind: table, file: PATH}`.
  case table(file: String)
  /// Not at all, for data of one task: `{kind: none}`.
  case none

  private enum CodingKeys: String, CodingKey { case kind, width, file }

  public init(from decoder: any Decoder) throws {
    let keys = try decoder.container(keyedBy: CodingKeys.self)
    switch try keys.decodeIfPresent(String.self, forKey: .kind) ?? "words" {
    case "words":
      let width = try keys.decodeIfPresent(Int.self, forKey: .width) ?? 64
      guard (1...4096).contains(width) else {
        throw DecodingError.dataCorruptedError(forKey: .width, in: keys, debugDescription: "must be from 1 to 4096")
      }
      self = .words(width: width)
    case "table": self = .table(file: try keys.decode(String.self, forKey: .file))
    case "none": self = .none
    case let kind:
      throw DecodingError.dataCorruptedError(
        forKey: .kind, in: keys, debugDescription: "unknown kind '\(kind)'; known: none, table, words")
    }
  }

  public func encode(to encoder: any Swift.Encoder) throws {
    var keys = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .words(let width):
      try keys.encode("words", forKey: .kind)
      try keys.encode(width, forKey: .width)
    case .table(let file):
      try keys.encode("table", forKey: .kind)
      try keys.encode(file, forKey: .file)
    case .none: try keys.encode("none", forKey: .kind)
    }
  }
}

/// An instruction that a table of embeddings does not have.
public enum InstructionError: Error, Equatable, CustomStringConvertible {
  case notInTable(String, file: String)
  case widths(file: String, name: String)
  case empty(file: String)

  public var description: String {
    switch self {
    case .notInTable(let text, let file): "\(file) has no embedding for the instruction \"\(text)\""
    case .widths(let file, let name): "\(file): the embedding of \"\(name)\" is not a row as wide as the others"
    case .empty(let file): "\(file) holds no embeddings"
    }
  }
}

/// Turns instructions into rows that modulate a trunk, or into nothing.
struct InstructionEmbedding: Module {
  /// Row 0 stands for words that training never saw.
  let words: Embedding?
  let projection: Linear?
  /// Nil when instructions are not used.
  let width: Int?
  private let vocabulary: [String: Int]
  private let table: [String: Tensor]
  private let file: String

  init(_ options: InstructionOptions, vocabulary: [String], random: inout Random) throws {
    switch options {
    case .words(let width):
      words = Embedding(count: vocabulary.count + 1, width: width, random: &random)
      projection = Linear(inputs: width, outputs: width, random: &random)
      self.width = width
      self.vocabulary = Dictionary(uniqueKeysWithValues: vocabulary.enumerated().map { ($1, $0 + 1) })
      (table, file) = ([:], "")
    case .table(let file):
      table = try Safetensors.read(file).tensors
      guard let width = table.values.first?.count else { throw InstructionError.empty(file: file) }
      for (name, row) in table where row.count != width { throw InstructionError.widths(file: file, name: name) }
      (words, projection) = (nil, nil)
      self.width = width
      self.file = file
      self.vocabulary = [:]
    case .none:
      (words, projection, width, table, file) = (nil, nil, nil, [:], "")
      self.vocabulary = [:]
    }
  }

  func check(_ instruction: String) throws {
    if words == nil, width != nil, table[instruction] == nil {
      throw InstructionError.notInTable(instruction, file: file)
    }
  }

  /// `[instructions.count, width]`.
  func callAsFunction(_ instructions: [String]) -> Tensor? {
    guard let width else { return nil }
    guard let words, let projection else {
      return Tensor.stacked(
        instructions.map { table[$0]?.reshaped([width]) ?? .zeros([width]) }, axis: 0)
    }
    // Each instruction is embedded once, however many windows share it.
    let unique = Array(Set(instructions)).sorted()
    let rows = unique.map { text in
      let indices = Vocabulary.words(of: text).map { vocabulary[$0] ?? 0 }
      return words(indices.isEmpty ? [0] : indices).mean(axes: [0])
    }
    let place = Dictionary(uniqueKeysWithValues: unique.enumerated().map { ($1, $0) })
    return projection(Tensor.stacked(rows, axis: 0).silu()).gathered(instructions.map { place[$0]! })
  }
}
