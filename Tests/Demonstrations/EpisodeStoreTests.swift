import Demonstrations
import Foundation
import Testing

@Suite struct EpisodeStoreTests {
  private func folder() -> String { NSTemporaryDirectory() + "/parts-\(UUID().uuidString)" }

  /// Parts of something else are neither mixed in nor removed unasked; parts of nobody knows what go.
  @Test func partsBelongToWhatTheyWereMadeFrom() throws {
    let path = folder()
    defer { try? FileManager.default.removeItem(atPath: path) }
    let store = try EpisodeStore(folder: path, identity: "one")
    try store.markFailed(3, reason: "unstable")
    try Data("part".utf8).write(to: URL(fileURLWithPath: store.path(0)))
    #expect(try EpisodeStore(folder: path, identity: "one").failedAttempts == [3])
    #expect(throws: EpisodeStoreError.otherParts(folder: path)) { try EpisodeStore(folder: path, identity: "two") }
    #expect(store.missing(of: 2) == [1])
    // What was asked to be replaced is; what is one's own stays.
    // Parts by an earlier version's word for the same are gone on with, under the word of now.
    #expect(try EpisodeStore(folder: path, identity: "two", earlier: "one").failedAttempts == [3])
    #expect(throws: EpisodeStoreError.otherParts(folder: path)) { try EpisodeStore(folder: path, identity: "one") }
    _ = try EpisodeStore(folder: path, identity: "one", earlier: "two")
    #expect(try EpisodeStore(folder: path, identity: "one", replacing: true).missing(of: 2) == [1])
    let other = try EpisodeStore(folder: path, identity: "two", replacing: true)
    #expect(other.missing(of: 2) == [0, 1] && other.failedAttempts.isEmpty)
    // A removal that was killed may leave parts without the file that says whose they are.
    try Data("part".utf8).write(to: URL(fileURLWithPath: other.path(1)))
    try FileManager.default.removeItem(atPath: path + "/identity")
    #expect(try EpisodeStore(folder: path, identity: "three").missing(of: 2) == [0, 1])
  }

  /// Now and then is an attempt's own failure; one after the other is everybody's, and nobody's failure.
  @Test func whatBreaksOffIsHeldAgainstTheAttemptOrNot() {
    var broken = BrokenAttempts(limit: 3)
    #expect(!broken.add(4, reason: "a") && !broken.add(7, reason: "b"))
    let settled = broken.settle()
    #expect(settled.map(\.attempt) == [4, 7] && settled.map(\.reason) == ["a", "b"])
    #expect(broken.settle().isEmpty)
    #expect(!broken.add(8, reason: "c") && !broken.add(9, reason: "c") && broken.add(11, reason: "c"))
    var once = BrokenAttempts(limit: 1)
    let isLast = once.add(0, reason: "d")
    #expect(isLast)
  }
}
