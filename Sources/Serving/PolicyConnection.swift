import Imitation
import NIOCore
import NIOWebSocket

/// A client's WebSocket: one request at a time, each answered with actions or with a text that says why not.
final class PolicyConnection: ChannelInboundHandler {
  typealias InboundIn = WebSocketFrame
  typealias OutboundOut = WebSocketFrame

  private let server: PolicyServer
  private let watch: ConnectionWatch
  private let number: Int
  private var context: ChannelHandlerContext?
  /// What has come of a message in several frames.
  private var parts: (buffer: ByteBuffer, isText: Bool)?
  /// Frames that came together with one that is being answered.
  private var waiting: [WebSocketFrame] = []
  private var isBusy = false
  private var isClosing = false
  private var isServerStopping = false
  /// From the last request's last byte to its answer's last byte.
  private var lastTime: Duration?

  init(_ server: PolicyServer, _ watch: ConnectionWatch, number: Int) {
    (self.server, self.watch, self.number) = (server, watch, number)
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    watch.upgraded()
    send(.binary, ByteBuffer(bytes: server.greeting))
  }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func channelInactive(context: ChannelHandlerContext) {
    isClosing = true
    server.inference.forget(number)
    context.fireChannelInactive()
  }

  // MARK: - What comes

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let frame = PolicyConnection.unwrapInboundIn(data)
    let isPart = !frame.opcode.isControlOpcode
    watch.framed(bytes: frame.bytes, isWhole: isPart ? frame.fin : parts == nil)
    if isClosing {
      if frame.opcode == .connectionClose { context.close(promise: nil) }
      return
    }
    guard frame.maskKey != nil, !frame.rsv1, !frame.rsv2, !frame.rsv3 else {
      return refuse(.malformed, "no WebSocket: a client's frames are masked, and no extension is used", .protocolError)
    }
    switch frame.opcode {
    case .ping: send(.pong, frame.unmaskedData)
    case .pong: break
    case .connectionClose: leaves(context)
    case .binary, .text, .continuation: isBusy ? waiting.append(frame) : take(frame)
    default: refuse(.malformed, "no WebSocket: a frame of an unknown kind", .protocolError)
    }
  }

  /// The client has said its last words: they are answered with ours.
  private func leaves(_ context: ChannelHandlerContext) {
    isClosing = true
    server.inference.forget(number)
    let sent = context.eventLoop.makePromise(of: Void.self)
    let channel = context.channel
    sent.futureResult.whenComplete { _ in channel.close(promise: nil) }
    send(.connectionClose, PolicyConnection.lastWords(.normalClosure, ""), sent)
  }

  private func take(_ frame: WebSocketFrame) {
    guard (frame.opcode == .continuation) == (parts != nil) else {
      return refuse(.malformed, "no WebSocket: a message begins within another, or without a beginning", .protocolError)
    }
    var data = frame.unmaskedData
    let isText = parts?.isText ?? (frame.opcode == .text)
    guard (parts?.buffer.readableBytes ?? 0) + data.readableBytes <= server.options.longestMessage else {
      return refuse(.size, tooLong, .messageTooLarge)
    }
    if parts != nil { parts?.buffer.writeBuffer(&data) } else { parts = (data, isText) }
    guard frame.fin, let whole = parts?.buffer else { return }
    parts = nil
    isText
      ? refuse(.malformed, "a text message; an observation is a binary message of MessagePack", .unacceptableData)
      : answer(whole)
  }

  private var tooLong: String {
    "a message of more than \(server.options.longestMessage) bytes, which is the most that this server reads"
  }

  private func answer(_ message: ByteBuffer) {
    let start = ContinuousClock.now
    server.metrics.requested()
    let request: ActionRequest
    do {
      request = try server.reader.request(Array(message.readableBytesView)[...])
    } catch let error as MessagePackError {
      return refuse(.malformed, "\(error)", .dataInconsistentWithMessage)
    } catch {
      return refuse(.mismatch, "\(error)")
    }
    guard let context else { return }
    isBusy = true
    watch.computes()
    let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
    server.inference.submit(request, of: number) { result in
      bound.eventLoop.execute { bound.value.answer(result, since: start) }
    }
  }

  // MARK: - What goes

  private func answer(_ result: Result<Prediction, any Error>, since start: ContinuousClock.Instant) {
    guard !isClosing, let context else { return }
    func milliseconds(_ time: Duration) -> MessagePack { .number(time / .milliseconds(1)) }
    let sent = context.eventLoop.makePromise(of: Void.self)
    switch result {
    case .success(let prediction):
      var timing: [MessagePack.Entry] = [
        .init(key: .text("infer_ms"), value: milliseconds(ContinuousClock.now - start)),
        .init(key: .text("queue_ms"), value: milliseconds(prediction.waited)),
      ]
      if let lastTime { timing.append(.init(key: .text("prev_total_ms"), value: milliseconds(lastTime))) }
      let answer = MessagePack.map([
        "actions": MessagePack(NumericArray(prediction.actions, width: prediction.actions.first?.count ?? 0)),
        "policy_timing": .map(["infer_ms": milliseconds(prediction.pass)]),
        "server_timing": .map(timing),
      ])
      send(.binary, ByteBuffer(bytes: answer.encoded), sent)
    case .failure(let error):
      server.metrics.refused(error as? AgentError == .notFinite ? .policy : .mismatch)
      send(.text, ByteBuffer(string: "\(error)"), sent)
    }
    watch.answers()
    let isAnswer = (try? result.get()) != nil
    let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
    sent.futureResult.whenSuccess { bound.value.sent(isAnswer, since: start) }
  }

  private func sent(_ isAnswer: Bool, since start: ContinuousClock.Instant) {
    guard !isClosing else { return }
    lastTime = ContinuousClock.now - start
    if isAnswer { server.metrics.answered(in: ContinuousClock.now - start) }
    isBusy = false
    if isServerStopping { return stops() }
    while !isBusy, !isClosing, !waiting.isEmpty { take(waiting.removeFirst()) }
    if !isBusy, !isClosing { watch.answered() }
  }

  private func stops() {
    if !waiting.isEmpty { server.metrics.refused(.stopping) }
    close(.goingAway, "the server is stopping")
  }

  private func send(_ opcode: WebSocketOpcode, _ data: ByteBuffer, _ promise: EventLoopPromise<Void>? = nil) {
    guard let context else { return promise?.fail(ChannelError.ioOnClosedChannel) ?? () }
    context.writeAndFlush(
      PolicyConnection.wrapOutboundOut(WebSocketFrame(fin: true, opcode: opcode, data: data)), promise: promise)
  }

  /// Says why there are no actions. With a code the connection is closed; without one it goes on.
  ///
  /// - Parameter listening: whether what still comes can be understood.
  private func refuse(
    _ reason: RefusalReason, _ text: String, _ code: WebSocketErrorCode? = nil, listening: Bool = true
  ) {
    guard !isClosing else { return }
    server.metrics.refused(reason)
    send(.text, ByteBuffer(string: text))
    if let code { close(code, text, listening: listening) }
  }

  /// The last frame. The client is given a second to read it: closing at once would drop what it has not read yet.
  private func close(_ code: WebSocketErrorCode, _ text: String, listening: Bool = true) {
    guard let context, !isClosing else { return }
    isClosing = true
    server.inference.forget(number)
    send(.connectionClose, PolicyConnection.lastWords(code, text))
    watch.closes(listening: listening)
    let channel = context.channel
    context.eventLoop.scheduleTask(in: .seconds(1)) { channel.close(promise: nil) }
  }

  private static func lastWords(_ code: WebSocketErrorCode, _ text: String) -> ByteBuffer {
    var data = ByteBuffer()
    data.write(webSocketErrorCode: code)
    // A control frame holds 125 bytes.
    data.writeString(String(decoding: text.utf8.prefix(120), as: UTF8.self).replacing("\u{FFFD}", with: ""))
    return data
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard let event = event as? ConnectionEvent else { return context.fireUserInboundEventTriggered(event) }
    switch event {
    case .halfSent:
      refuse(
        .timeout, "the rest of a message did not come within \(server.options.messageSeconds) s", .policyViolation,
        listening: false)
    case .notTaken:
      server.metrics.refused(.timeout)
      context.close(promise: nil)
    case .idle: close(.goingAway, "no message for \(server.options.idleSeconds) s")
    case .serverStops:
      isServerStopping = true
      if !isBusy { stops() }
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    switch error as? NIOWebSocketError {
    case nil: context.close(promise: nil)
    case .invalidFrameLength?: refuse(.size, tooLong, .messageTooLarge, listening: false)
    default: refuse(.malformed, "no WebSocket: \(error)", .protocolError, listening: false)
    }
  }
}

extension WebSocketOpcode {
  fileprivate var isControlOpcode: Bool { [.connectionClose, .ping, .pong].contains(self) }
}

extension WebSocketFrame {
  /// How many bytes it took on its way here.
  fileprivate var bytes: Int {
    length + (length < 126 ? 2 : length <= UInt16.max ? 4 : 10) + (maskKey == nil ? 0 : 4)
  }
}
