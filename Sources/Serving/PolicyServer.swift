import Dispatch
import Foundation
import Imitation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket
import Synchronization

/// Serves a policy in openpi's protocol: a WebSocket with MessagePack messages, as `openpi-client` speaks it.
///
/// ```swift
/// let server = try PolicyServer(TrainedPolicy(package: "policy"))
/// print("listening at port \(try server.start())")
/// ```
///
/// docs/serving.md has the bytes.
public final class PolicyServer: Sendable {
  /// What it has done.
  package let metrics = ServingMetrics()
  let options: ServingOptions
  let reader: ObservationReader
  let inference: BatchedInference
  /// The first message of every connection.
  let greeting: [UInt8]
  private let tls: NIOSSLContext?
  private let state = Mutex(State())

  private struct State {
    var group: MultiThreadedEventLoopGroup?
    var listener: (any Channel)?
    var sockets: [ObjectIdentifier: any Channel] = [:]
    var connections = 0
    var numbered = 0
    var isStopping = false
  }

  /// Makes a server and lets the policy act once, so that the first request is as fast as the others.
  ///
  /// - Parameters:
  ///   - agent: acts with the policy; used from the server's thread from now on.
  ///   - name: the name of the policy in the metadata.
  ///   - actions: what the numbers of an action mean.
  ///   - vectors: what the numbers of observations mean, by key.
  ///   - software: the name and version of the program in the metadata.
  ///   - settings: what beside its weights decides what the policy does, as text.
  ///   - instruction: of the prediction before the first client's: one that the policy knows.
  /// - Throws: `ServingError`.
  package init(
    agent: Agent, name: String, actions: ActionSchema, vectors: [String: VectorSchema] = [:], software: String,
    settings: String = "", warmingUp instruction: String = "", options: ServingOptions = .init()
  ) throws {
    self.options = options
    if let token = options.token {
      guard ServingOptions.isToken(token) else { throw ServingError.token }
    } else if try !PolicyServer.isLoopback(options.host, port: options.port) {
      throw ServingError.tokenNeeded(host: options.host)
    }
    tls = try options.tls.map { try PolicyServer.context(certificate: $0.certificate, key: $0.key) }
    inference = BatchedInference(mostRows: options.mostRows, metrics: metrics) { agent.another }
    let first: [[Float]]
    do {
      var blank = agent.schema.blank
      blank.instruction = instruction
      first = try Agent.chunks(of: [agent.another], seeing: [[blank]])[0].get()
    } catch {
      inference.end()
      throw ServingError.policy(reason: "\(error)")
    }
    let prefix = ActionPrefix(
      policy: type(of: agent.policy).name, width: actions.count,
      most: agent.policy.continuesChunks ? first.count - 1 : 0)
    reader = ObservationReader(
      schema: agent.schema, steps: agent.policy.view.observations.count, names: options.names, prefix: prefix)
    greeting =
      PolicyServer.greeting(
        agent, name: name, actions: actions, vectors: vectors, software: software, settings: settings,
        chunk: first.count,
        names: options.names, isRealTime: prefix.most > 0
      ).encoded
  }

  /// What is wrong with the device that it computes on, if something is: it should be stopped then.
  package var failure: (any Error)? { inference.failure }

  /// Listens from now on.
  ///
  /// - Returns: the port.
  /// - Throws: `ServingError.address`.
  @discardableResult
  public func start() throws -> Int {
    guard !state.withLock({ $0.isStopping }) else {
      throw ServingError.address(
        host: options.host, port: options.port, reason: "this server has been stopped; make another one")
    }
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    let server = ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 256)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.socketOption(.so_keepalive), value: 1)
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      .childChannelOption(.maxMessagesPerRead, value: 1)
      .childChannelInitializer { [self] channel in
        channel.eventLoop.makeCompletedFuture { try accept(channel) }
      }
    do {
      let listener = try server.bind(host: options.host, port: options.port).wait()
      state.withLock { ($0.group, $0.listener) = (group, listener) }
      return listener.localAddress?.port ?? options.port
    } catch {
      try? group.syncShutdownGracefully()
      inference.end()
      throw ServingError.address(
        host: options.host, port: options.port,
        reason: (error as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(error)")
    }
  }

  /// Stops: nobody else is let in, who waits for an answer gets it, and all connections are closed. A server does not start again.
  public func stop() {
    let (group, listener, sockets) = state.withLock { state in
      state.isStopping = true
      // Whoever stops it a second time finds nothing to do.
      defer { (state.group, state.listener) = (nil, nil) }
      return (state.group, state.listener, Array(state.sockets.values))
    }
    try? listener?.close().wait()
    let closed = DispatchGroup()
    for socket in sockets {
      closed.enter()
      socket.closeFuture.whenComplete { _ in closed.leave() }
      socket.pipeline.fireUserInboundEventTriggered(ConnectionEvent.serverStops)
    }
    if closed.wait(timeout: .now() + options.stoppingSeconds) == .timedOut {
      for socket in sockets { socket.close(promise: nil) }
      _ = closed.wait(timeout: .now() + 1)
    }
    inference.end()
    try? group?.syncShutdownGracefully()
  }

  // MARK: - Connections

  /// How many sockets may be between connecting and being refused or upgraded.
  private static let mostPending = 32

  /// Sets up a socket that has connected.
  package func accept(_ channel: any Channel) throws {
    let isWelcome = state.withLock { state in
      guard !state.isStopping, state.sockets.count < options.mostConnections + PolicyServer.mostPending else {
        return false
      }
      state.sockets[ObjectIdentifier(channel)] = channel
      return true
    }
    guard isWelcome else {
      metrics.refused(.connections)
      return channel.close(promise: nil)
    }
    channel.closeFuture.whenComplete { [self] _ in
      _ = state.withLock { $0.sockets.removeValue(forKey: ObjectIdentifier(channel)) }
    }
    let pipeline = channel.pipeline.syncOperations
    if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls)) }
    let watch = ConnectionWatch(options, metrics)
    let pages = WebPages(self)
    let bound = NIOLoopBound((watch, pages), eventLoop: channel.eventLoop)
    let upgrade = NIOWebSocketServerUpgrader(
      maxFrameSize: options.longestMessage, automaticErrorHandling: false,
      shouldUpgrade: { [self] channel, head in
        channel.eventLoop.makeSucceededFuture(admits(channel, head) ? HTTPHeaders() : nil)
      },
      upgradePipelineHandler: { [self] channel, _ in
        channel.eventLoop.makeCompletedFuture {
          let (watch, pages) = bound.value
          channel.pipeline.syncOperations.removeHandler(pages, promise: nil)
          let number = state.withLock { state in
            state.numbered += 1
            return state.numbered
          }
          try channel.pipeline.syncOperations.addHandler(PolicyConnection(self, watch, number: number))
        }
      })
    try pipeline.addHandler(watch)
    try pipeline.configureHTTPServerPipeline(
      withPipeliningAssistance: false, withServerUpgrade: (upgraders: [upgrade], completionHandler: { _ in }),
      withErrorHandling: true)
    try pipeline.addHandler(pages)
  }

  /// Whether a client's request for a WebSocket is granted; it then counts as a connection until it is closed.
  private func admits(_ channel: any Channel, _ head: HTTPRequestHead) -> Bool {
    guard refusal(of: head) == nil else { return false }
    let isAdmitted = state.withLock { state in
      guard !state.isStopping, state.connections < options.mostConnections else { return false }
      state.connections += 1
      return true
    }
    guard isAdmitted else { return false }
    metrics.opened()
    channel.closeFuture.whenComplete { [self] _ in
      metrics.closed()
      state.withLock { $0.connections -= 1 }
    }
    return true
  }

  /// Why a request may not become a WebSocket, whatever else is going on.
  func refusal(of head: HTTPRequestHead) -> RefusalReason? {
    if options.token != nil { return isAuthorized(head) ? nil : .unauthorized }
    // A page in a browser may come from anywhere, and reaches this machine's loopback.
    return head.headers.contains(name: "origin") ? .origin : nil
  }

  /// Whether a request has the server's token, if there is one.
  func isAuthorized(_ head: HTTPRequestHead) -> Bool {
    guard let token = options.token else { return true }
    let words = head.headers.first(name: "authorization")?.split(separator: " ", omittingEmptySubsequences: true) ?? []
    guard words.count == 2, ["api-key", "bearer"].contains(words[0].lowercased()) else { return false }
    let (given, ours) = (Array(words[1].utf8), Array(token.utf8))
    // As long for every wrong token.
    var difference = given.count ^ ours.count
    for index in ours.indices { difference |= Int(ours[index] ^ (index < given.count ? given[index] : 0)) }
    return difference == 0
  }

  // MARK: - Set-up

  /// - Throws: `ServingError.address` for a name that stands for no address.
  package static func isLoopback(_ host: String, port: Int = 0) throws -> Bool {
    guard !host.isEmpty, let address = try? SocketAddress.makeAddressResolvingHost(host, port: 0).ipAddress else {
      throw ServingError.address(host: host.isEmpty ? "''" : host, port: port, reason: "no address of that name")
    }
    return address == "::1" || address.hasPrefix("127.")
  }

  private static func context(certificate: String, key: String) throws -> NIOSSLContext {
    func naming<Result>(_ file: String, _ body: () throws -> Result) throws -> Result {
      guard FileManager.default.isReadableFile(atPath: file) else {
        throw ServingError.tls(file: file, reason: "no such file, or not readable")
      }
      do { return try body() } catch {
        throw ServingError.tls(file: file, reason: "not PEM that can be used: \(error)")
      }
    }
    let chain = try naming(certificate) { try NIOSSLCertificate.fromPEMFile(certificate) }
    let privateKey = try naming(key) { try NIOSSLPrivateKey(file: key, format: .pem) }
    do {
      return try NIOSSLContext(
        configuration: .makeServerConfiguration(
          certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(privateKey)))
    } catch {
      throw ServingError.tls(file: key, reason: "not the key of the certificate in \(certificate)")
    }
  }

  /// The metadata, which a client gets first: what to send, and what comes back.
  private static func greeting(
    _ agent: Agent, name: String, actions: ActionSchema, vectors: [String: VectorSchema], software: String,
    settings: String, chunk: Int,
    names: ObservationNames, isRealTime: Bool
  ) -> MessagePack {
    func integers(_ values: [Int]) -> MessagePack { .list(values.map { .integer(Int64($0)) }) }
    func map<Value>(_ values: [String: Value], _ body: (Value) -> MessagePack) -> MessagePack {
      .map(
        values.sorted { $0.key < $1.key }.map {
          MessagePack.Entry(key: .text(names[$0.key].description), value: body($0.value))
        })
    }
    func each(_ value: (ActionSchema.Dimension) -> MessagePack?) -> MessagePack {
      .list(actions.dimensions.map { value($0) ?? .null })
    }
    func text(_ value: String?) -> MessagePack { value.map { .text($0) } ?? .null }
    func number(_ value: Float?) -> MessagePack? { value.map { .number(Double($0)) } }
    return .map([
      "policy": .text(name),
      "digest": .text(agent.policy.digest(normalizer: agent.normalizer, settings: settings)),
      "server": .text(software),
      "images": map(agent.schema.images) { integers([$0.height, $0.width, 3]) },
      "vectors": map(agent.schema.vectors) { integers([$0]) },
      "vector_schemas": map(vectors.filter { agent.schema.vectors[$0.key] != nil }) { schema in
        .map([
          "unit": text(schema.unit), "frame": text(schema.frame), "quaternion": text(schema.quaternion),
        ])
      },
      "prompt": .text(names[ObservationNames.prompt].key),
      "history": .integer(Int64(agent.policy.view.observations.count)),
      "real_time": .bool(isRealTime),
      "actions": .map([
        "shape": integers([chunk, actions.count]),
        "n_action_steps": .integer(Int64(min(agent.execute, chunk))),
        "names": each { $0.name.map { .text($0) } },
        "units": each { $0.unit.map { .text($0) } },
        "low": each { number($0.low) },
        "high": each { number($0.high) },
        "control_hertz": actions.controlHertz.map { .number($0) } ?? .null,
        "control": text(actions.control),
        "rotations": integers((agent.actions?.rotations ?? []).sorted()),
      ]),
    ])
  }
}

extension ObservationSchema {
  /// An observation of nothing: black images and zeros.
  var blank: Observation {
    Observation(
      images: images.mapValues { Image(width: $0.width, height: $0.height) },
      vectors: vectors.mapValues { [Float](repeating: 0, count: $0) })
  }
}

extension Agent {
  /// Another agent of the same policy, at the start of an episode.
  fileprivate var another: Agent {
    Agent(
      policy: policy, normalizer: normalizer, schema: schema, actions: actions, execute: execute, ensemble: ensemble)
  }
}
