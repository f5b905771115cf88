import Synchronization

/// Why a request or a connection was refused.
package enum RefusalReason: String, CaseIterable, Sendable {
  /// Without the server's token.
  case unauthorized
  /// A page in a browser, to a server without a token.
  case origin
  /// More connections than are allowed.
  case connections
  /// Larger than allowed.
  case size
  /// Half sent, or its answer not taken, for too long.
  case timeout
  /// No WebSocket, or no MessagePack.
  case malformed
  /// An observation that is not what the policy needs.
  case mismatch
  /// The policy could not act.
  case policy
  /// The server is stopping.
  case stopping
}

/// What a server has done, as a page that Prometheus reads.
package final class ServingMetrics: Sendable {
  /// How often something was at most as large as each bound.
  struct Histogram {
    let bounds: [Double]
    var counts: [Int]
    var sum = 0.0

    init(_ bounds: [Double]) { (self.bounds, counts) = (bounds, bounds.map { _ in 0 } + [0]) }

    mutating func add(_ value: Double) {
      counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
      sum += value
    }

    var count: Int { counts.reduce(0, +) }

    func lines(_ name: String, _ help: String) -> String {
      var text = "# HELP \(name) \(help)\n# TYPE \(name) histogram\n"
      var total = 0
      for (bound, count) in zip(bounds.map { "\($0)" } + ["+Inf"], counts) {
        total += count
        text += "\(name)_bucket{le=\"\(bound)\"} \(total)\n"
      }
      return text + "\(name)_sum \(sum)\n\(name)_count \(count)\n"
    }
  }

  private struct State {
    var requests = 0
    var answers = 0
    var opened = 0
    var open = 0
    var refused = Dictionary(uniqueKeysWithValues: RefusalReason.allCases.map { ($0, 0) })
    var latency = Histogram(ServingMetrics.seconds)
    var pass = Histogram(ServingMetrics.seconds)
    var rows = Histogram([1, 2, 4, 8, 16, 32, 64])
  }

  private static let seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
  private let state = Mutex(State())

  package init() {}

  /// A whole message has come.
  func requested() { state.withLock { $0.requests += 1 } }

  /// A message's actions have gone out.
  func answered(in time: Duration) {
    state.withLock {
      $0.answers += 1
      $0.latency.add(time / .seconds(1))
    }
  }

  func passed(rows: Int, in time: Duration) {
    state.withLock {
      $0.rows.add(Double(rows))
      $0.pass.add(time / .seconds(1))
    }
  }

  func refused(_ reason: RefusalReason) { state.withLock { $0.refused[reason, default: 0] += 1 } }

  func opened() {
    state.withLock {
      $0.opened += 1
      $0.open += 1
    }
  }

  func closed() { state.withLock { $0.open -= 1 } }

  /// How many requests were answered.
  package var answers: Int { state.withLock { $0.answers } }
  /// How often something was refused for this reason.
  package func refusals(_ reason: RefusalReason) -> Int { state.withLock { $0.refused[reason, default: 0] } }

  /// The page, in Prometheus' text format 0.0.4.
  package var page: String {
    let state = state.withLock { $0 }
    func lines(_ name: String, _ type: String, _ help: String, _ values: [(labels: String, value: Int)]) -> String {
      "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
        + values.map { "\(name)\($0.labels) \($0.value)\n" }.joined()
    }
    return lines("imitate_requests_total", "counter", "Whole messages received.", [("", state.requests)])
      + lines("imitate_answers_total", "counter", "Requests answered with actions.", [("", state.answers)])
      + lines(
        "imitate_refused_total", "counter", "Requests and connections refused, by reason.",
        RefusalReason.allCases.map { ("{reason=\"\($0.rawValue)\"}", state.refused[$0, default: 0]) })
      + lines("imitate_connections_total", "counter", "WebSocket connections made.", [("", state.opened)])
      + lines("imitate_connections", "gauge", "WebSocket connections open.", [("", state.open)])
      + state.latency.lines("imitate_request_seconds", "From a request's last byte to its answer's last byte.")
      + state.pass.lines("imitate_pass_seconds", "What a forward pass took.")
      + state.rows.lines("imitate_batch_size", "Requests that shared a forward pass.")
  }
}
