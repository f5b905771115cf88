import NIOCore
import NIOHTTP1
import NIOWebSocket

/// Answers what is asked in plain HTTP: the health page, the metrics, and why there is no WebSocket.
final class WebPages: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let server: PolicyServer
  private var isAnswered = false

  init(_ server: PolicyServer) { self.server = server }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    // A body is of no interest.
    guard case .head(let head) = WebPages.unwrapInboundIn(data), !isAnswered else { return }
    isAnswered = true
    let path = head.uri.prefix { $0 != "?" }
    let isPage = [.GET, .HEAD].contains(head.method)
    switch path {
    case "/healthz" where isPage: respond(context, head, .ok, "OK\n")
    case "/metrics" where isPage && server.isAuthorized(head):
      respond(context, head, .ok, server.metrics.page, type: "text/plain; version=0.0.4; charset=utf-8")
    case "/metrics" where isPage: refuse(context, head, .unauthorized)
    default:
      if !head.headers[canonicalForm: "upgrade"].contains(where: { $0.lowercased() == "websocket" }) {
        respond(context, head, .notFound, "there are /healthz, /metrics and a WebSocket (docs/serving.md)\n")
      } else if let reason = server.refusal(of: head) {
        refuse(context, head, reason)
      } else if head.headers.first(name: "sec-websocket-version") != "13"
        || head.headers["sec-websocket-key"].count != 1
      {
        refuse(context, head, .malformed)
      } else {
        refuse(context, head, .connections)
      }
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    // Why there is no WebSocket is answered when its request comes by.
    if error is NIOWebSocketUpgradeError { return }
    // What was no HTTP has had its 400; half of a head when the socket is closed is not counted.
    if error is HTTPParserError, context.channel.isActive { server.metrics.refused(.malformed) }
    context.close(promise: nil)
  }

  private func refuse(_ context: ChannelHandlerContext, _ head: HTTPRequestHead, _ reason: RefusalReason) {
    server.metrics.refused(reason)
    switch reason {
    case .unauthorized:
      respond(
        context, head, .unauthorized,
        "the header 'Authorization: Api-Key TOKEN' is missing, or it is another token than the server's\n")
    case .origin:
      respond(context, head, .forbidden, "a page in a browser (header Origin) needs a server with a token\n")
    case .malformed:
      respond(
        context, head, .badRequest, "a WebSocket needs 'Sec-WebSocket-Version: 13' and one 'Sec-WebSocket-Key'\n")
    default:
      respond(
        context, head, .serviceUnavailable,
        "the server is stopping, or all of its \(server.options.mostConnections) connections are taken\n")
    }
  }

  private func respond(
    _ context: ChannelHandlerContext, _ head: HTTPRequestHead, _ status: HTTPResponseStatus, _ text: String,
    type: String = "text/plain; charset=utf-8"
  ) {
    var headers = HTTPHeaders([
      ("content-type", type), ("content-length", "\(text.utf8.count)"), ("connection", "close"),
    ])
    if status == .unauthorized { headers.add(name: "www-authenticate", value: "Api-Key") }
    context.write(
      WebPages.wrapOutboundOut(.head(HTTPResponseHead(version: head.version, status: status, headers: headers))),
      promise: nil)
    if head.method != .HEAD {
      context.write(WebPages.wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
    }
    let channel = context.channel
    context.writeAndFlush(WebPages.wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
  }
}
