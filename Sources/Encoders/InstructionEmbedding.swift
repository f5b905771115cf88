import Crypto
import Foundation
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
  case gone(file: String)
  case changed(file: String, sha256: String)

  public var description: String {
    switch self {
    case .notInTable(let text, let file): "\(file) has no embedding for the instruction \"\(text)\""
    case .widths(let file, let name): "\(file): the embedding of \"\(name)\" is not a row as wide as the others"
    case .empty(let file): "\(file) holds no embeddings"
    case .gone(let file):
      "\(file): the table of instructions that the policy was trained with is not there, and was too large to be kept with it; "
        + "bring it back"
    case .changed(let file, let sha256):
      "\(file): not the table of instructions that the policy was trained with; that one has SHA-256 \(sha256)"
    }
  }
}

/// Turns instructions into rows that modulate a trunk, or into nothing.
package struct InstructionEmbedding: Module {
  /// The largest table that travels with the weights, bytes; of a larger one only what tells it from others does.
  package static let tableLimit = 64 << 20
  private static let tensorPrefix = "instructions/"
  private static let digestKey = "instructions.sha256"

  /// Row 0 stands for words that training never saw.
  let words: Embedding?
  let projection: Linear?
  /// Nil when instructions are not used.
  package let width: Int?
  private let vocabulary: [String: Int]
  private let table: [String: Tensor]
  private let file: String
  /// What the table needs to be there again wherever the weights are loaded.
  package let attachments: [String: String]
  package let attachedTensors: [String: Tensor]

  package init(
    _ options: InstructionOptions, context: EncoderContext, limit: Int = InstructionEmbedding.tableLimit,
    random: inout Random
  ) throws {
    let vocabulary = context.vocabulary
    var (attachments, attached): ([String: String], [String: Tensor]) = ([:], [:])
    switch options {
    case .words(let width):
      words = Embedding(count: vocabulary.count + 1, width: width, random: &random)
      projection = Linear(inputs: width, outputs: width, random: &random)
      self.width = width
      self.vocabulary = Dictionary(uniqueKeysWithValues: vocabulary.enumerated().map { ($1, $0 + 1) })
      (table, file) = ([:], "")
    case .table(let file):
      (table, attachments) = try InstructionEmbedding.table(file, context, limit: limit)
      if attachments.isEmpty {
        for (name, row) in table { attached[InstructionEmbedding.tensorPrefix + name] = row }
      }
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
    (self.attachments, attachedTensors) = (attachments, attached)
  }

  /// The rows by instruction: those that came with the weights, else the file's; and its SHA-256 when they are too many to go
  /// along.
  private static func table(
    _ file: String, _ context: EncoderContext, limit: Int
  ) throws -> (rows: [String: Tensor], attachments: [String: String]) {
    let kept = context.tensors.filter { $0.key.hasPrefix(tensorPrefix) }
    if !kept.isEmpty {
      let rows = kept.map { (String($0.key.dropFirst(tensorPrefix.count)), $0.value) }
      return (Dictionary(uniqueKeysWithValues: rows), [:])
    }
    let digest = context.attachments[digestKey]
    if let digest {
      guard let data = try? Data(contentsOf: URL(fileURLWithPath: file), options: .mappedIfSafe) else {
        throw InstructionError.gone(file: file)
      }
      guard sha256(data) == digest else { throw InstructionError.changed(file: file, sha256: digest) }
    }
    let rows = try Safetensors.read(file).tensors
    if let digest { return (rows, [digestKey: digest]) }
    guard rows.reduce(0, { $0 + 4 * $1.value.count }) > limit else { return (rows, [:]) }
    return (rows, [digestKey: sha256(try Data(contentsOf: URL(fileURLWithPath: file), options: .mappedIfSafe))])
  }

  private static func sha256(_ data: Data) -> String {
    SHA256.hash(data: data).map { String(format: "%02x", $0) }.joined()
  }

  package func check(_ instruction: String) throws {
    if words == nil, width != nil, table[instruction] == nil {
      throw InstructionError.notInTable(instruction, file: file)
    }
  }

  /// `[instructions.count, width]`.
  package func callAsFunction(_ instructions: [String]) -> Tensor? {
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
