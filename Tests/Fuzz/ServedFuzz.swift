import Imitation
import NIOCore
import NIOEmbedded
import Serving
import Support

/// A server whose sockets are arrays of bytes.
enum ServedFuzz {
  static let reader = ObservationReader(
    schema: ObservationSchema(images: ["i": .init(height: 4, width: 3)], vectors: ["x": 2, "y": 1]), steps: 2,
    prefix: ActionPrefix(policy: "fuzz", width: 3, most: 4))

  /// Asks for a WebSocket as `openpi-client` does.
  static let upgrade = Array(
    [
      "GET / HTTP/1.1", "Host: a", "Upgrade: websocket", "Connection: Upgrade",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "", "",
    ].joined(separator: "\r\n").utf8)

  /// More numbers than an input has bytes: nothing that comes is a whole observation, so that no other thread answers.
  private static let width = 5000

  private static let server: PolicyServer = {
    let same = Normalizer.Affine(scale: .init(repeating: 1, count: width), offset: .init(repeating: 0, count: width))
    var options = ServingOptions()
    options.longestMessage = 2000
    do {
      return try PolicyServer(
        agent: Agent(
          policy: Echo(), normalizer: Normalizer(keys: ["x": same, "actions": same]),
          schema: ObservationSchema(images: [:], vectors: ["x": width]), execute: 1),
        name: "fuzz", actions: .unknown(width: width), software: "", options: options)
    } catch {
      fatalError("\(error)")
    }
  }()

  /// A client that sends these bytes, in two parts, and waits for what comes of it.
  static func connect(_ bytes: [UInt8]) {
    let loop = EmbeddedEventLoop()
    let channel = EmbeddedChannel(loop: loop)
    do {
      try server.accept(channel)
      try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
      let middle = bytes.count - bytes.count / 3
      for part in [bytes[..<middle], bytes[middle...]] where channel.isActive {
        try channel.writeInbound(ByteBuffer(bytes: part))
        loop.run()
      }
    } catch {
      // A pipeline may report what it was sent; the server has to live.
    }
    // Longer than any of its timeouts.
    loop.advanceTime(by: .hours(2))
    _ = try? channel.finish(acceptAlreadyClosed: true)
  }
}
