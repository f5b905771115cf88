import Foundation
import Imitation
import Layers
import Tensors

/// The attempts of a protocol, one a line, each on the disk before the next begins: whatever ends a session, none is lost.
package final class ProtocolJournal {
  /// What attempts must have in common to be counted together.
  private struct Identity: Codable, Equatable {
    var step: Int
    /// A digest of the protocol's file.
    var digest: String
    var conditions: EvaluationConditions
  }

  private struct Line: Codable {
    var identity: Identity
    var attempt: ProtocolAttempt
  }

  private let identity: Identity
  private let handle: FileHandle
  private let path: String
  /// Those that count, the last one of each item.
  package private(set) var attempts: [ProtocolAttempt]
  /// How many are there of another checkpoint, protocol or setting of the robot.
  package let others: Int

  /// Opens the journal, or begins one.
  /// - Throws: `WriteError`.
  package init(path: String, _ definition: TrialProtocol, step: Int, conditions: EvaluationConditions) throws {
    self.path = path
    var digest = StableHash()
    digest.add(definition.complete.json.utf8)
    let identity = Identity(step: step, digest: String(digest.value, radix: 16), conditions: conditions)
    self.identity = identity
    let data = FileManager.default.contents(atPath: path) ?? Data()
    let lines = data.split(separator: 0x0a).compactMap { try? JSONDecoder().decode(Line.self, from: Data($0)) }
    attempts = lines.filter { $0.identity == identity }.map(\.attempt)
    others = lines.count - attempts.count
    let folder = (path as NSString).deletingLastPathComponent
    try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw WriteError.failed(path: path, reason: String(cString: strerror(errno))) }
    handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    // A line that a kill cut short must not swallow the next one.
    if let last = data.last, last != 0x0a { try write(Data("\n".utf8)) }
  }

  /// - Throws: `WriteError`.
  package func append(_ attempt: ProtocolAttempt) throws {
    try write(JSONEncoder().encode(Line(identity: identity, attempt: attempt)) + Data("\n".utf8))
    attempts.append(attempt)
  }

  /// Whether an item has still to be tried.
  package func isOpen(_ item: TrialProtocol.Item) -> Bool {
    !attempts.contains { ProtocolResult.Place($0) == ProtocolResult.Place(item) }
  }

  private func write(_ data: Data) throws {
    do {
      try handle.write(contentsOf: data)
      try handle.synchronize()
    } catch {
      throw WriteError.failed(path: path, reason: String(cString: strerror(errno)))
    }
  }
}
