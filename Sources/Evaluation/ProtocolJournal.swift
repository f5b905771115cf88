import Files
import Foundation
import Imitation
import Tensors

/// The attempts of a protocol, one a line, each on the disk before the next begins: whatever ends a session, none is lost.
package final class ProtocolJournal {
  /// What attempts must have in common to be counted together.
  private struct Identity: Codable, Equatable {
    var step: Int
    /// A digest of the policy's weights: training again gives others at the same step.
    var weights: String
    /// What was asked for.
    var task, instruction: String
    var horizon: Int
    /// A digest of the protocol's file.
    var digest: String
    var conditions: EvaluationConditions
  }

  private struct Line: Codable {
    var identity: Identity
    /// Nil where the operator had it repeated.
    var attempt: ProtocolAttempt?
    var repeated: TrialProtocol.Item?
  }

  private let identity: Identity
  private let file: LineFile
  /// Those that count, the last one of each item.
  package private(set) var attempts: [ProtocolAttempt]
  /// How many are there of another checkpoint, protocol or setting of the robot.
  package let others: Int

  /// Attempts that were repeated, in order.
  private var repeats: [TrialProtocol.Item]

  /// Opens the journal, or begins one.
  ///
  /// - Parameters:
  ///   - weights: a digest of the policy's.
  ///   - task, instruction, horizon: what is asked for; the instruction is empty when the robot's adapter says it.
  /// - Throws: `WriteError`, `JournalDamage`.
  package init(
    path: String, _ definition: TrialProtocol, step: Int, weights: String, task: String, instruction: String,
    horizon: Int, conditions: EvaluationConditions
  ) throws {
    var digest = StableHash()
    digest.add(definition.complete.json.utf8)
    let identity = Identity(
      step: step, weights: weights, task: task, instruction: instruction, horizon: horizon,
      digest: String(digest.value, radix: 16), conditions: conditions)
    self.identity = identity
    let data = FileManager.default.contents(atPath: path) ?? Data()
    var lines: [Line] = []
    let texts = data.split(separator: 0x0a, omittingEmptySubsequences: false)
    for (index, text) in texts.enumerated() where !text.isEmpty {
      if let line = try? JSONDecoder().decode(Line.self, from: Data(text)) {
        lines.append(line)
      } else if JSONSerialization.isValid(Data(text)) {
        // Whole, so nothing that a kill has cut short: an attempt must not be made again because nobody can read it.
        throw JournalDamage(path: path, line: index + 1)
      }
    }
    let own = lines.filter { $0.identity == identity }
    attempts = own.compactMap(\.attempt)
    repeats = own.compactMap(\.repeated)
    others = lines.count(where: { $0.attempt != nil }) - attempts.count
    try? FileManager.default.createDirectory(atPath: path.parentFolder, withIntermediateDirectories: true)
    file = try LineFile(path: path)
  }

  /// - Throws: `WriteError`.
  package func append(_ attempt: ProtocolAttempt) throws {
    var attempt = attempt
    attempt.repeated = repeats.count { ProtocolResult.Place($0) == ProtocolResult.Place(attempt) }
    try file.append(Line(identity: identity, attempt: attempt))
    attempts.append(attempt)
  }

  /// Keeps that an attempt was made and not counted.
  /// - Throws: `WriteError`.
  package func appendRepeat(of item: TrialProtocol.Item) throws {
    try file.append(Line(identity: identity, repeated: item))
    repeats.append(item)
  }

  /// Whether an item has still to be tried.
  package func isOpen(_ item: TrialProtocol.Item) -> Bool {
    !attempts.contains { ProtocolResult.Place($0) == ProtocolResult.Place(item) }
  }
}

/// A line of a journal that holds an attempt which this version cannot read.
package struct JournalDamage: Error, Equatable, CustomStringConvertible {
  package var path: String
  package var line: Int
  package var description: String {
    "\(path), line \(line): not an attempt that can be read; move the file away to begin again"
  }
}

extension JSONSerialization {
  fileprivate static func isValid(_ data: Data) -> Bool { (try? jsonObject(with: data)) != nil }
}
