import Foundation

/// How ranks find each other: rank 0 listens, and writes where, with a word that the others have to say, into a file of the run folder.
struct RankMeeting {
  let file: String
  let place: RankPlace
  /// Seconds.
  let patience: Int

  private static let wordLength = 32

  private var address: in_addr_t { place.isOneMachine ? INADDR_LOOPBACK.bigEndian : INADDR_ANY }

  private func waiting<Result>(
    missing: Int, _ check: () throws -> Void = {}, _ attempt: () throws -> Result?
  ) throws -> Result {
    let folder = (file as NSString).deletingLastPathComponent
    let end = ContinuousClock.now + .seconds(patience)
    while ContinuousClock.now < end {
      if let result = try attempt() { return result }
      try check()
      usleep(50_000)
    }
    throw RankError.alone(folder: folder, missing: missing, seconds: patience)
  }

  /// The others, in their order.
  func received(_ check: () throws -> Void) throws -> [RankConnection] {
    let listener = socket(
      AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    guard listener >= 0 else { throw RankError.system(call: "socket", code: errno) }
    defer { close(listener) }
    var own = sockaddr_in()
    own.sin_family = sa_family_t(AF_INET)
    own.sin_addr.s_addr = address
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let listens = withUnsafeMutablePointer(to: &own) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, size) == 0 && listen(listener, 128) == 0 && getsockname(listener, $0, &size) == 0
      }
    }
    guard listens else { throw RankError.system(call: "listen", code: errno) }
    var generator = SystemRandomNumberGenerator()
    let word = (0..<RankMeeting.wordLength).map { _ in UInt8.random(in: 97...122, using: &generator) }
    try write("\(host) \(UInt16(bigEndian: own.sin_port)) \(String(decoding: word, as: UTF8.self))\n")
    defer { unlink(file) }
    var found: [Int: RankConnection] = [:]
    while found.count < place.count - 1 {
      let connection = try waiting(missing: place.count - 1 - found.count, check) { () -> RankConnection? in
        let descriptor = accept(listener, nil, nil)
        guard descriptor >= 0 else { return nil }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        let connection = RankConnection(descriptor, to: 0)
        // Who says nothing, or not the word, is none of them.
        connection.wait(atMost: 5)
        var said = [UInt8](repeating: 0, count: RankMeeting.wordLength + 8)
        guard (try? said.withUnsafeMutableBytes({ try connection.receive(into: $0) })) != nil,
          Array(said[..<RankMeeting.wordLength]) == word
        else { return nil }
        let rank = said[RankMeeting.wordLength...].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard let rank = Int(exactly: rank), (1..<place.count).contains(rank), found[rank] == nil else { return nil }
        connection.rank = rank
        connection.wait(atMost: 0)
        return (try? connection.send([])).map { connection }
      }
      found[connection.rank] = connection
    }
    return (1..<place.count).map { found[$0]! }
  }

  /// To rank 0.
  func joined() throws -> RankConnection {
    try waiting(missing: 0) {
      guard let text = try? String(contentsOfFile: file, encoding: .utf8) else { return nil }
      let parts = text.split(whereSeparator: \.isWhitespace).map(String.init)
      // A file that an earlier run has left: nobody listens there, or somebody who does not answer to the word.
      guard parts.count == 3, parts[2].utf8.count == RankMeeting.wordLength,
        let descriptor = connected(host: place.isOneMachine ? "127.0.0.1" : parts[0], port: parts[1])
      else { return nil }
      let connection = RankConnection(descriptor, to: 0)
      var said = Array(parts[2].utf8)
      withUnsafeBytes(of: UInt64(place.rank).littleEndian) { said += $0 }
      guard said.withUnsafeBytes({ send(descriptor, $0.baseAddress!, $0.count, Int32(MSG_NOSIGNAL)) }) == said.count
      else { return nil }
      connection.wait(atMost: 10)
      guard (try? connection.receive(atMost: 0)) == [] else { return nil }
      connection.wait(atMost: 0)
      return connection
    }
  }

  /// What the others call this machine.
  private var host: String {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, 255)
    return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// For its owner's eyes only: who reads the word may send gradients.
  private func write(_ text: String) throws {
    let draft = "\(file)-\(getpid())"
    unlink(draft)
    let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw RankError.system(call: draft, code: errno) }
    let bytes = Array(text.utf8)
    let written = Foundation.write(descriptor, bytes, bytes.count)
    close(descriptor)
    guard written == bytes.count, rename(draft, file) == 0 else {
      let code = written >= 0 && written < bytes.count ? ENOSPC : errno
      unlink(draft)
      throw RankError.system(call: file, code: code)
    }
  }

  private func connected(host: String, port: String) -> Int32? {
    var hints = addrinfo()
    (hints.ai_family, hints.ai_socktype) = (AF_INET, Int32(SOCK_STREAM.rawValue))
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, port, &hints, &found) == 0, let first = found else { return nil }
    defer { freeaddrinfo(found) }
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    guard connect(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0 else {
      close(descriptor)
      return nil
    }
    return descriptor
  }
}
