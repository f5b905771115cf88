import Files
import Foundation
import Imitation
import Layers
import Tensors

/// An instruction that a table of embeddings does not have.
public enum InstructionError: Error, Equatable, CustomStringConvertible {
  /// An instruction without a row.
  case notInTable(String, file: String)
  /// A row of another width than the others.
  case widths(file: String, name: String)
  /// A table without rows.
  case empty(file: String)
  /// A file that is not there.
  case absent(file: String)
  /// A file that a trained policy needs and that is no longer there.
  case gone(file: String)
  /// A file that is another one than it was trained with.
  case changed(file: String, sha256: String)

  public var description: String {
    switch self {
    case .notInTable(let text, let file): "\(file) has no embedding for the instruction \"\(text)\""
    case .widths(let file, let name): "\(file): the embedding of \"\(name)\" is not a row as wide as the others"
    case .empty(let file): "\(file) holds no embeddings"
    case .absent(let file): "there is no table of instructions \(file)"
    case .gone(let file):
      "\(file): the table of instructions that the policy was trained with is not there, and was too large to be kept with it; "
        + "bring it back"
    case .changed(let file, let sha256):
      "\(file): not the table of instructions that the policy was trained with; that one has SHA-256 \(sha256)"
    }
  }
}

/// Rows computed before, for example by CLIP: a safetensors file with one tensor named like each instruction.
public struct TableEncoder: TextEncoder {
  public struct Options: PluginOptions {
    @Key("The safetensors file.") public var file: String
    public init() {}
  }

  public static let name = "table"
  public static let help =
    "Embeddings computed before, for example by CLIP: a safetensors file with one tensor per instruction, named by it."

  /// The largest table that travels with the weights, bytes; of a larger one only what tells it from others does.
  package static let limit = 64 << 20
  private static let tensorPrefix = "instructions/"
  private static let digestKey = "instructions.sha256"

  public let width: Int?
  private let table: [String: Tensor]
  private let file: String
  public let attachments: [String: String]
  public let attachedTensors: [String: Tensor]

  public static func checkFiles(_ options: Options) throws {
    guard FileManager.default.fileExists(atPath: options.file) else {
      throw InstructionError.absent(file: options.file)
    }
  }

  public init(options: Options, context: EncoderContext, random: inout Random) throws {
    try self.init(file: options.file, context: context, limit: TableEncoder.limit)
  }

  package init(file: String, context: EncoderContext, limit: Int) throws {
    let (table, attachments) = try TableEncoder.table(file, context, limit: limit)
    guard let width = table.values.first?.count else { throw InstructionError.empty(file: file) }
    for (name, row) in table where row.count != width { throw InstructionError.widths(file: file, name: name) }
    (self.table, self.file, self.width, self.attachments) = (table, file, width, attachments)
    attachedTensors =
      attachments.isEmpty
      ? Dictionary(uniqueKeysWithValues: table.map { (TableEncoder.tensorPrefix + $0, $1) }) : [:]
  }

  /// The rows by instruction: those that came with the weights, else the file's, and its SHA-256 when they are too many.
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
    SHA256.hash(data).hexadecimal
  }

  public var example: String { table.keys.min() ?? "" }

  public func check(_ instruction: String) throws {
    guard table[instruction] != nil else { throw InstructionError.notInTable(instruction, file: file) }
  }

  public func callAsFunction(_ instructions: [String]) -> Tensor? {
    GraphTrace.input(named: "instruction") {
      Tensor.stacked(instructions.map { table[$0]?.reshaped([width!]) ?? .zeros([width!]) }, axis: 0)
    }
  }
}
