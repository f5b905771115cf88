import Foundation
import Imitation
import Policies
import Serving
import Support
import Synchronization
import Tensors

/// A small BC-Transformer that draws its actions and takes its time: three frames of one number to three actions of two.
struct Slow: Policy {
  struct Options: PluginOptions { init() {} }
  static let name = "slow"
  static let help = "For tests."
  let inner: BCTransformer
  var seconds = 0.0
  var encoder: any ObservationEncoder { inner.encoder }
  var window: Window { inner.window }

  init(seconds: Double) throws {
    var random = Random(seed: 1)
    inner = try BCTransformer(
      options: .init(
        Setting(
          json: """
            {"context": 3, "horizon": 3, "width": 32, "layers": 1, "heads": 2, "low_noise_std": 0.1}
            """)), encoder: Echo().encoder, actionWidth: 2, random: &random)
    for (_, parameter) in inner.parameters() {
      parameter.value = parameter.value + .normal(parameter.value.shape, deviation: 0.05, random: &random)
    }
    self.seconds = seconds
  }

  init(options: Options, encoder: any ObservationEncoder, actionWidth: Int, random: inout Random) throws {
    try self.init(seconds: 0)
  }

  func loss(on batch: Batch) -> PolicyLoss { inner.loss(on: batch) }

  func actions(for observations: ObservationBatch, randoms: inout [Random]) -> Tensor {
    Thread.sleep(forTimeInterval: seconds)
    return inner.actions(for: observations, randoms: &randoms)
  }
}

/// A server of a small policy, and its clients.
final class Served: Sendable {
  let server: PolicyServer
  let port: Int

  /// An agent that carries out three actions of a prediction.
  static func agent(seconds: Double = 0) throws -> Agent {
    Agent(
      policy: try Slow(seconds: seconds),
      normalizer: Normalizer(keys: [
        "x": .init(scale: [2], offset: [1]), "actions": .init(scale: [1, 3], offset: [0, 0.5]),
      ]), schema: Echo.schema, actions: ActionLayout(learned: [0, 2], template: [0, -1, 0]), execute: 3)
  }

  static let actions = ActionSchema(
    dimensions: [.init(name: "a", unit: "m", low: -1, high: 1), .init(), .init(name: "c")], controlHertz: 20)

  init(
    _ agent: Agent? = nil, seconds: Double = 0, _ change: (inout ServingOptions) -> Void = { _ in }
  ) throws {
    var options = ServingOptions()
    options.port = 0
    change(&options)
    server = try PolicyServer(
      agent: agent ?? Served.agent(seconds: seconds), name: "trial", actions: Served.actions, software: "test",
      options: options)
    do { port = try server.start() } catch {
      server.stop()
      throw error
    }
  }

  deinit { server.stop() }

  func client(token: String? = nil, seconds: Double = 20) throws -> (WebSocketClient, greeting: MessagePack) {
    let client = try WebSocketClient(.init(host: "127.0.0.1", port: port), token: token, seconds: seconds)
    guard case .binary(let bytes) = try client.receive() else { throw WebSocketProblem.closed(reason: "no greeting") }
    return (client, try MessagePack(bytes[...]))
  }

  /// A message with values of `x`, one a frame.
  static func message(_ x: [Float], seed: Int64? = nil) -> [UInt8] {
    let data = x.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian) { Array($0) } }
    var entries = MessagePack.map([
      "x": MessagePack(NumericArray(type: "<f4", shape: [x.count, 1], data: data[...])), "prompt": .text("go"),
    ])
    if let seed, case .map(let some) = entries {
      entries = .map(
        some + [.init(key: .text("reset"), value: .bool(true)), .init(key: .text("seed"), value: .integer(seed))])
    }
    return entries.encoded
  }

  /// The actions of an answer, row by row.
  static func actions(_ message: WebSocketClient.Message) throws -> [[Float]] {
    guard case .binary(let bytes) = message else { throw WebSocketProblem.closed(reason: "\(message)") }
    guard let array = try MessagePack(bytes[...])["actions"]?.array, let values = array.floats, array.shape.count == 2
    else { throw WebSocketProblem.closed(reason: "no actions") }
    let width = array.shape[1]
    return (0..<array.shape[0]).map { Array(values[$0 * width..<($0 + 1) * width]) }
  }

  static func ask(_ client: WebSocketClient, _ x: [Float], seed: Int64? = nil) throws -> [[Float]] {
    try client.send(message(x, seed: seed))
    return try actions(client.receive())
  }

  /// What client `number` sees at a step.
  static func seen(_ number: Int, _ step: Int) -> Float { Float(number) - 2 + 0.1 * Float(step) }

  /// What an agent of this process does in an episode of `client`, `steps` of them, in chunks of three.
  static func alone(_ number: Int, steps: Int, seed: UInt64) throws -> [[[Float]]] {
    let agent = try agent()
    agent.begin(seed: seed)
    let actions = try (0..<steps).map {
      try agent.action(for: Observation(vectors: ["x": [seen(number, $0)]], instruction: "go"))
    }
    return stride(from: 0, to: steps, by: 3).map { Array(actions[$0..<$0 + 3]) }
  }

  /// The same through the server: a request every three steps, with the frames since the last one.
  static func through(_ client: WebSocketClient, _ number: Int, steps: Int, seed: Int64) throws -> [[[Float]]] {
    try stride(from: 0, to: steps, by: 3).map { step in
      let frames = step == 0 ? [seen(number, 0)] : (step - 2...step).map { seen(number, $0) }
      return try ask(client, frames, seed: step == 0 ? seed : nil)
    }
  }
}

/// Runs all of them at once, each on a thread of its own, and gives what they found.
func atOnce<Value: Sendable>(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Value) throws -> [Value] {
  let found = Found<Value>()
  let group = DispatchGroup()
  for number in 0..<count {
    group.enter()
    Thread {
      let result = Result { try body(number) }
      found.results.withLock { $0[number] = result }
      group.leave()
    }.start()
  }
  group.wait()
  return try found.results.withLock { results in try (0..<count).map { try results[$0]!.get() } }
}

private final class Found<Value: Sendable>: Sendable {
  let results = Mutex<[Int: Result<Value, any Error>]>([:])
}
