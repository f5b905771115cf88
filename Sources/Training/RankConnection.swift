import Foundation

/// A connection between two ranks: messages with their length before them.
final class RankConnection {
  let descriptor: Int32
  /// Who is at the other end.
  var rank: Int

  init(_ descriptor: Int32, to rank: Int) {
    (self.descriptor, self.rank) = (descriptor, rank)
    func set(_ level: Int32, _ option: Int32, _ value: Int32) {
      var value = value
      setsockopt(descriptor, level, option, &value, 4)
    }
    set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    // A machine that is gone says nothing: after a minute and a half it counts as gone.
    set(SOL_SOCKET, SO_KEEPALIVE, 1)
    set(Int32(IPPROTO_TCP), TCP_KEEPIDLE, 30)
    set(Int32(IPPROTO_TCP), TCP_KEEPINTVL, 10)
    set(Int32(IPPROTO_TCP), TCP_KEEPCNT, 6)
  }

  deinit { close(descriptor) }

  /// How long to wait for the other end, in seconds; 0 for ever.
  func wait(atMost seconds: Int) {
    var time = timeval(tv_sec: seconds, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
  }

  /// - Throws: `RankError.lost`.
  func send(_ bytes: [UInt8]) throws {
    var length = UInt64(bytes.count).littleEndian
    try withUnsafeBytes(of: &length) { try send($0) }
    try bytes.withUnsafeBytes { try send($0) }
  }

  private func send(_ bytes: UnsafeRawBufferPointer) throws {
    var done = 0
    while done < bytes.count {
      let count = Foundation.send(descriptor, bytes.baseAddress! + done, bytes.count - done, Int32(MSG_NOSIGNAL))
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw RankError.lost(rank: rank) }
      done += count
    }
  }

  /// - Parameter most: what is longer is not one of ours; longer than any gradient.
  /// - Throws: `RankError.lost`.
  func receive(atMost most: Int = 1 << 36) throws -> [UInt8] {
    var length: UInt64 = 0
    try withUnsafeMutableBytes(of: &length) { try receive(into: $0) }
    guard let count = Int(exactly: UInt64(littleEndian: length)), count <= most else {
      throw RankError.lost(rank: rank)
    }
    return try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      try receive(into: UnsafeMutableRawBufferPointer(buffer))
      initialized = count
    }
  }

  /// Exactly as many bytes as `buffer` holds.
  func receive(into buffer: UnsafeMutableRawBufferPointer) throws {
    var done = 0
    while done < buffer.count {
      let count = recv(descriptor, buffer.baseAddress! + done, buffer.count - done, 0)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw RankError.lost(rank: rank) }
      done += count
    }
  }
}
