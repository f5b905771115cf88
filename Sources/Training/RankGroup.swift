import Files
import Foundation
import Tensors

/// The processes that train one policy together: this one's place among them, and its connections to the others.
///
/// Rank 0 is connected to every other one by TCP. It waits in the run folder, in a file that says where and with which word.
package final class RankGroup: Collective, @unchecked Sendable {  // Written in `init`; only one thread talks to the others.
  package let place: RankPlace
  package var rank: Int { place.rank }
  package var count: Int { place.count }
  package func rows(of batch: Int) -> Range<Int> { place.rows(of: batch) }
  /// Of rank 0 to the others, by their rank less one; of another one to rank 0.
  private let others: [RankConnection]

  /// POLLRDHUP, which the headers hide.
  private static let hangUp: Int16 = 0x2000

  /// How long ranks wait for each other at the start, in seconds: a cluster starts them one by one.
  package static let patience = 300

  /// Waits until all are there.
  ///
  /// - Parameters:
  ///   - folder: the run's, the same for all.
  ///   - check: asked while it waits: throws when one of them will not come.
  /// - Throws: `RankError`, or what `check` threw.
  package init(
    _ place: RankPlace, folder: String, patience: Int = RankGroup.patience, check: () throws -> Void = {}
  ) throws {
    self.place = place
    let meeting = RankMeeting(file: "\(folder)/.ranks", place: place, patience: patience)
    others = place.rank == 0 ? try meeting.received(check) : [try meeting.joined()]
  }

  /// Calls `body` on another thread once a connection has ended and this rank has not noticed it by itself for ten seconds: it may be
  /// waiting for a device that waits for that rank.
  package func watch(_ body: @escaping @Sendable () -> Void) {
    let descriptors = others.map { pollfd(fd: $0.descriptor, events: RankGroup.hangUp, revents: 0) }
    let thread = Thread { [weak self] in
      var descriptors = descriptors
      while self != nil {
        guard poll(&descriptors, nfds_t(descriptors.count), 1000) > 0 else { continue }
        Thread.sleep(forTimeInterval: 10)
        if self != nil { body() }
        return
      }
    }
    thread.name = "ranks"
    thread.start()
  }

  /// Whether any of them wants to stop; all get the same answer.
  package func agree(stop: Bool) throws -> Bool {
    try gathered([stop ? 1 : 0]) { answers in [answers.contains { $0 != [0] } ? 1 : 0] } == [1]
  }

  /// Runs `body` on rank 0 first, and on the others when it has finished there: what it keeps in files is then found.
  package func firstHere<Result>(_ body: () throws -> Result) throws -> Result {
    if rank == 0 {
      let result = try body()
      for other in others { try other.send([]) }
      return result
    }
    _ = try others[0].receive()
    return try body()
  }

  /// Bytes of rank 0, for all.
  package func shared(_ bytes: @autoclosure () throws -> [UInt8]) throws -> [UInt8] {
    guard rank == 0 else { return try others[0].receive() }
    let mine = try bytes()
    for other in others { try other.send(mine) }
    return mine
  }

  /// - Throws: `RankError.differs` when not all have this header (recipe, demonstrations and their statistics) and these weights.
  package func check(_ header: TensorArchive, weights: [String: Tensor]) throws {
    var hash = SHA256()
    for (name, text) in header.metadata.sorted(by: { $0.key < $1.key }) {
      hash.update(Array("\(name)=\(text)".utf8))
    }
    for (_, tensors) in (header.groups.sorted { $0.key < $1.key }) + [("", weights)] {
      for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
        hash.update(Array(name.utf8))
        tensor.scalars.withUnsafeBytes { hash.update($0) }
      }
    }
    let mine = hash.finalize()
    let other = try gathered(mine) { all in [UInt8(clamping: all.firstIndex { $0 != mine } ?? 0)] }
    if other != [0] { throw RankError.differs(rank: Int(other[0])) }
  }

  /// On the processor, by way of rank 0.
  package func sum(_ x: Tensor) throws -> Tensor {
    let bytes = x.scalars.withUnsafeBytes { [UInt8]($0) }
    let sum = try gathered(bytes) { all in
      var total = [Float](repeating: 0, count: x.count)
      for (rank, part) in all.enumerated() {
        guard part.count == bytes.count else { throw RankError.differs(rank: rank) }
        part.withUnsafeBytes { raw in
          let numbers = raw.bindMemory(to: Float.self)
          for place in total.indices { total[place] += numbers[place] }
        }
      }
      return total.withUnsafeBytes { [UInt8]($0) }
    }
    return Tensor(
      shape: x.shape,
      filledBy: { buffer in sum.withUnsafeBytes { UnsafeMutableRawBufferPointer(buffer).copyMemory(from: $0) } })
  }

  /// What rank 0 makes of everyone's bytes, in the order of the ranks.
  private func gathered(_ mine: [UInt8], _ answer: ([[UInt8]]) throws -> [UInt8]) throws -> [UInt8] {
    guard rank == 0 else {
      try others[0].send(mine)
      return try others[0].receive()
    }
    let result = try answer([mine] + others.map { try $0.receive() })
    for other in others { try other.send(result) }
    return result
  }
}
