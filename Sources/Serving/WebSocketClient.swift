import Foundation
import Imitation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket

/// A WebSocket that a thread waits at.
package final class WebSocketClient: Sendable {
  /// What a server sends.
  package enum Message: Sendable, Equatable {
    case binary([UInt8])
    case text(String)
    /// Nothing more comes, and why.
    case closed(code: Int?, reason: String)
  }

  private let channel: any Channel
  private let inbox: Inbox
  private let seconds: Double

  /// Connects.
  ///
  /// - Parameters:
  ///   - address: where the server is; wss:// for TLS.
  ///   - token: sent as `Authorization: Api-Key TOKEN`; nil for none.
  ///   - certificate: a PEM file of whom to trust with TLS; nil for those that the system trusts.
  ///   - seconds: how long the server may take to answer.
  /// - Throws: `WebSocketProblem`.
  package init(_ address: ServerAddress, token: String? = nil, certificate: String? = nil, seconds: Double = 60) throws
  {
    let inbox = Inbox()
    (self.inbox, self.seconds) = (inbox, seconds)
    let tls = try address.isSecure ? WebSocketClient.context(trusting: certificate) : nil
    let opened = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: Void.self)
    let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .connectTimeout(.nanoseconds(Int64(seconds * 1e9)))
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try WebSocketClient.prepare(channel, address, token, tls, inbox, opened)
        }
      }
    do {
      channel = try bootstrap.connect(host: address.host, port: address.port).wait()
    } catch {
      opened.fail(error)
      throw WebSocketProblem.unreachable("\(address)", reason: WebSocketProblem.reason(error))
    }
    do {
      try wait(for: opened)
    } catch {
      channel.close(promise: nil)
      throw error as? WebSocketProblem ?? .unreachable("\(address)", reason: WebSocketProblem.reason(error))
    }
  }

  deinit { channel.close(promise: nil) }

  /// - Throws: `WebSocketProblem.closed`; `.silent` when the server does not take it in time, and the connection ends then.
  package func send(_ bytes: [UInt8]) throws {
    let sent = channel.eventLoop.makePromise(of: Void.self)
    let written = channel.writeAndFlush(
      WebSocketFrame(fin: true, opcode: .binary, maskKey: .random(), data: ByteBuffer(bytes: bytes)))
    // The one that comes first counts.
    written.whenComplete { sent.completeWith($0) }
    do {
      try wait(for: sent)
    } catch {
      throw error as? WebSocketProblem ?? .closed(reason: WebSocketProblem.reason(error))
    }
  }

  /// Waits for what is to come in time; the connection ends when it does not.
  /// - Throws: `WebSocketProblem.silent`, or why nothing comes.
  private func wait(for promise: EventLoopPromise<Void>) throws {
    let late = channel.eventLoop.scheduleTask(in: .nanoseconds(Int64(seconds * 1e9))) { [channel, seconds] in
      promise.fail(WebSocketProblem.silent(seconds: seconds))
      channel.close(promise: nil)
    }
    defer { late.cancel() }
    try promise.futureResult.wait()
  }

  /// The next message, which may be that there is none.
  /// - Throws: `WebSocketProblem.silent`.
  package func receive() throws -> Message { try inbox.next(seconds: seconds) }

  /// The next message if it has come already; nil if none has.
  package func received() -> Message? { inbox.first() }

  /// Says goodbye. What was sent before arrives.
  package func close() {
    var data = ByteBuffer()
    data.write(webSocketErrorCode: .normalClosure)
    let channel = channel
    // A server that takes nothing gets no goodbye.
    let late = channel.eventLoop.scheduleTask(in: .nanoseconds(Int64(min(seconds, 5) * 1e9))) {
      channel.close(promise: nil)
    }
    defer { late.cancel() }
    channel.writeAndFlush(WebSocketFrame(fin: true, opcode: .connectionClose, maskKey: .random(), data: data))
      .whenComplete { _ in channel.close(promise: nil) }
    try? channel.closeFuture.wait()
  }

  private static func context(trusting certificate: String?) throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    do {
      if let certificate { configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(certificate)) }
      return try NIOSSLContext(configuration: configuration)
    } catch {
      throw ServingError.tls(file: certificate ?? "TLS", reason: "not PEM that can be used: \(error)")
    }
  }

  private static func prepare(
    _ channel: any Channel, _ address: ServerAddress, _ token: String?, _ tls: NIOSSLContext?, _ inbox: Inbox,
    _ opened: EventLoopPromise<Void>
  ) throws {
    let pipeline = channel.pipeline.syncOperations
    if let tls {
      let name = (try? SocketAddress(ipAddress: address.host, port: 0)) == nil ? address.host : nil
      try pipeline.addHandler(NIOSSLClientHandler(context: tls, serverHostname: name))
    }
    let handshake = Handshake(address, token, opened)
    let bound = NIOLoopBound(handshake, eventLoop: channel.eventLoop)
    let upgrade = NIOWebSocketClientUpgrader(
      maxFrameSize: 1 << 30,
      upgradePipelineHandler: { channel, _ in
        channel.eventLoop.makeCompletedFuture {
          channel.pipeline.syncOperations.removeHandler(bound.value, promise: nil)
          try channel.pipeline.syncOperations.addHandler(Receiver(inbox))
          bound.value.opened.succeed()
        }
      })
    try pipeline.addHTTPClientHandlers(
      leftOverBytesStrategy: .forwardBytes, withClientUpgrade: (upgraders: [upgrade], completionHandler: { _ in }))
    try pipeline.addHandler(handshake)
  }
}

/// Where a server is: `ws://HOST:PORT` or `wss://HOST:PORT`.
package struct ServerAddress: Sendable, Equatable, CustomStringConvertible {
  package var host: String
  package var port: Int
  package var isSecure = false

  package init(host: String, port: Int, isSecure: Bool = false) {
    (self.host, self.port, self.isSecure) = (host, port, isSecure)
  }

  /// - Returns: nil for another text than `ws://HOST:PORT` or `wss://HOST:PORT`.
  package init?(_ text: String) {
    guard let match = text.wholeMatch(of: /(wss?):\/\/(?:\[([0-9A-Fa-f:.%]+)\]|([^:\/\[\]@?#\s]+)):(\d{1,5})\/?/),
      let port = Int(match.4), (1...65535).contains(port), let host = match.2 ?? match.3
    else { return nil }
    self.init(host: String(host), port: port, isSecure: match.1 == "wss")
  }

  package var description: String {
    "\(isSecure ? "wss" : "ws")://\(host.contains(":") ? "[\(host)]" : host):\(port)"
  }
}

/// What ends a conversation with a server.
package enum WebSocketProblem: ConnectionLoss, Equatable, CustomStringConvertible {
  case unreachable(String, reason: String)
  case refused(status: Int, reason: String)
  case silent(seconds: Double)
  case closed(reason: String)

  package var description: String {
    switch self {
    case .unreachable(let address, let reason): "\(address): \(reason)"
    case .refused(let status, let reason): "the server refuses (\(status)): \(reason)"
    case .silent(let seconds): "the server says nothing for \(seconds) s"
    case .closed(let reason): "the server has closed the connection: \(reason)"
    }
  }

  /// The system's own words where it has some.
  static func reason(_ error: any Error) -> String {
    switch error {
    case let error as IOError: String(cString: strerror(error.errnoCode))
    case let error as NIOConnectionError:
      error.connectionErrors.first.map { reason($0.error) } ?? "no such host"
    default: "\(error)"
    }
  }
}

/// Messages that wait to be taken.
private final class Inbox: Sendable {
  private let condition = NSCondition()
  /// Guarded by `condition`.
  private nonisolated(unsafe) var messages: [WebSocketClient.Message] = []

  func put(_ message: WebSocketClient.Message) {
    condition.withLock {
      messages.append(message)
      condition.broadcast()
    }
  }

  func next(seconds: Double) throws -> WebSocketClient.Message {
    try condition.withLock {
      let end = Date(timeIntervalSinceNow: seconds)
      while messages.isEmpty {
        guard condition.wait(until: end) else { throw WebSocketProblem.silent(seconds: seconds) }
      }
      return taken()
    }
  }

  func first() -> WebSocketClient.Message? { condition.withLock { messages.isEmpty ? nil : taken() } }

  private func taken() -> WebSocketClient.Message {
    // Nothing follows the end, however often it is asked for.
    if case .closed = messages[0] { return messages[0] }
    return messages.removeFirst()
  }
}

/// Asks for the WebSocket and reads why there is none.
private final class Handshake: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias OutboundOut = HTTPClientRequestPart

  private let address: ServerAddress
  private let token: String?
  let opened: EventLoopPromise<Void>
  private var status = 0
  private var text = ""

  init(_ address: ServerAddress, _ token: String?, _ opened: EventLoopPromise<Void>) {
    (self.address, self.token, self.opened) = (address, token, opened)
  }

  func channelActive(context: ChannelHandlerContext) {
    var headers = HTTPHeaders([("host", "\(address.host):\(address.port)"), ("content-length", "0")])
    if let token { headers.add(name: "authorization", value: "Api-Key \(token)") }
    let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/", headers: headers)
    context.write(Handshake.wrapOutboundOut(.head(head)), promise: nil)
    context.writeAndFlush(Handshake.wrapOutboundOut(.end(nil)), promise: nil)
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch Handshake.unwrapInboundIn(data) {
    case .head(let head): status = Int(head.status.code)
    case .body(let bytes): text += String(String(buffer: bytes).prefix(1000 - min(text.count, 1000)))
    case .end:
      let reason = text.split(whereSeparator: \.isNewline).first.map(String.init) ?? "no reason"
      opened.fail(WebSocketProblem.refused(status: status, reason: reason))
      context.close(promise: nil)
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    opened.fail(WebSocketProblem.closed(reason: "before it answered"))
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    opened.fail(error)
    context.close(promise: nil)
  }
}

/// Puts whole messages into the inbox.
private final class Receiver: ChannelInboundHandler {
  typealias InboundIn = WebSocketFrame
  typealias OutboundOut = WebSocketFrame

  private let inbox: Inbox
  private var parts: (buffer: ByteBuffer, isText: Bool)?

  init(_ inbox: Inbox) { self.inbox = inbox }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let frame = Receiver.unwrapInboundIn(data)
    var data = frame.unmaskedData
    switch frame.opcode {
    case .binary, .text, .continuation:
      var whole = parts ?? (ByteBuffer(), frame.opcode == .text)
      whole.buffer.writeBuffer(&data)
      parts = frame.fin ? nil : whole
      guard frame.fin else { return }
      inbox.put(whole.isText ? .text(String(buffer: whole.buffer)) : .binary(Array(whole.buffer.readableBytesView)))
    case .ping:
      context.writeAndFlush(
        Receiver.wrapOutboundOut(WebSocketFrame(fin: true, opcode: .pong, maskKey: .random(), data: data)), promise: nil
      )
    case .connectionClose:
      let code = data.readInteger(as: UInt16.self).map(Int.init)
      inbox.put(.closed(code: code, reason: String(buffer: data)))
      var answer = ByteBuffer()
      answer.writeInteger(UInt16(code ?? 1000))
      let channel = context.channel
      context.writeAndFlush(
        Receiver.wrapOutboundOut(WebSocketFrame(fin: true, opcode: .connectionClose, maskKey: .random(), data: answer))
      ).whenComplete { _ in channel.close(promise: nil) }
    default: break
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    inbox.put(.closed(code: nil, reason: "the connection is gone"))
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    inbox.put(.closed(code: nil, reason: WebSocketProblem.reason(error)))
    context.close(promise: nil)
  }
}
