import NIOCore

/// What happens to a connection besides its messages.
enum ConnectionEvent: Sendable {
  /// A message's rest has not come in time.
  case halfSent
  /// Its client has not taken an answer in time.
  case notTaken
  /// No message has come for long.
  case idle
  case serverStops
}

/// Sits next to the socket: takes no more bytes while a request is being answered, and watches how long things take.
final class ConnectionWatch: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer

  private enum Phase {
    case connecting
    case receiving
    case computing
    case answering
    case closing(listening: Bool)
  }

  private let options: ServingOptions
  private let metrics: ServingMetrics
  private var context: ChannelHandlerContext?
  private var timer: RepeatedTask?
  private var phase = Phase.connecting { didSet { since = .now() } }
  /// Since when it is in its phase, or has no whole message.
  private var since = NIODeadline.now()
  /// Bytes that belong to no whole frame yet.
  private var rest = 0
  /// Since when a message is begun and not whole; nil between messages.
  private var begun: NIODeadline?
  private var wantsRead = false

  init(_ options: ServingOptions, _ metrics: ServingMetrics) { (self.options, self.metrics) = (options, metrics) }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    let interval = TimeAmount.milliseconds(Int64(max(10, 250 * min(options.messageSeconds, options.idleSeconds))))
    let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
    timer = context.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in bound.value.look() }
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    timer?.cancel()
    self.context = nil
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if case .closing(listening: false) = phase { return }
    rest += ConnectionWatch.unwrapInboundIn(data).readableBytes
    if begun == nil { begun = .now() }
    context.fireChannelRead(data)
  }

  func read(context: ChannelHandlerContext) {
    switch phase {
    case .computing, .answering: wantsRead = true
    default: context.read()
    }
  }

  /// It is a WebSocket from now on.
  func upgraded() { (phase, rest, begun) = (.receiving, 0, nil) }

  /// A frame has come, so many bytes long as it was sent; `isWhole` when it ends a message.
  func framed(bytes: Int, isWhole: Bool) {
    rest = max(0, rest - bytes)
    if isWhole { begun = rest > 0 ? .now() : nil }
    since = .now()
  }

  /// A request is to be answered: its connection's next bytes wait.
  func computes() { phase = .computing }

  /// Its answer is being sent.
  func answers() { phase = .answering }

  /// Its answer is sent.
  func answered() {
    phase = .receiving
    if begun != nil { begun = .now() }
    guard wantsRead else { return }
    wantsRead = false
    context?.read()
  }

  /// The connection says its last words; what still comes is dropped, or looked at for the client's own last words.
  func closes(listening: Bool) {
    phase = .closing(listening: listening)
    if wantsRead { context?.read() }
  }

  private func look() {
    guard let context else { return }
    func isOver(_ seconds: Double, since: NIODeadline) -> Bool {
      NIODeadline.now() - since > .nanoseconds(Int64(seconds * 1e9))
    }
    switch phase {
    case .connecting:
      if isOver(options.messageSeconds, since: since) {
        metrics.refused(.timeout)
        context.close(promise: nil)
      }
    case .receiving:
      if let begun, isOver(options.messageSeconds, since: begun) {
        context.fireUserInboundEventTriggered(ConnectionEvent.halfSent)
      } else if isOver(options.idleSeconds, since: since) {
        context.fireUserInboundEventTriggered(ConnectionEvent.idle)
      }
    case .answering:
      if isOver(options.messageSeconds, since: since) {
        context.fireUserInboundEventTriggered(ConnectionEvent.notTaken)
      }
    case .computing, .closing: break
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    // What has not asked for anything yet is closed without a word.
    if case .connecting = phase, event as? ConnectionEvent == .serverStops { return context.close(promise: nil) }
    context.fireUserInboundEventTriggered(event)
  }
}
