import Crypto
import Foundation
import Imitation
import Layers
import Tensors

/// How instructions become a condition.
public enum InstructionOptions: SettingValue, Equatable {
  /// The mean of one learned row a word, through a layer: `{kind: words, width: 64}`.
  case words(width: Int)
  /// Rows computed before, for example by CLIP, one tensor named like each instruction: `{kind: table, file: PATH}`.
  case table(file: String)
  /// Not at all, for data of one task: `{kind: none}`.
  case none

  private enum Kind: String, CaseIterable, SettingValue { case none, table, words }

  private struct Keys: PluginOptions {
    @Key("How.") var kind = Kind.words
    @Key("Width of the condition.", 1...4096) var width = 64
    @Key("The safetensors file.") var file: String?

    func validate() throws {
      if kind == .table, file == nil { throw $file.refused("must name the table's safetensors file") }
    }
  }

  public static var settingType: String { "{kind: words, width: 64}, {kind: table, file: PATH} or {kind: none}" }

  public init(_ setting: Setting, path: String) throws {
    let keys = try Keys(setting, path: path)
    self =
      switch keys.kind {
      case .words: .words(width: keys.width)
      case .table: .table(file: keys.file!)
      case .none: .none
      }
  }

  public var setting: Setting {
    var keys = Keys()
    switch self {
    case .words(let width): keys.width = width
    case .table(let file): (keys.kind, keys.file) = (.table, file)
    case .none: keys.kind = .none
    }
    return Choice(kind: keys.kind.rawValue, options: keys.setting.without("kind")).setting
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
