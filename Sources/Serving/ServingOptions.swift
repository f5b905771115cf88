/// How a policy is served.
public struct ServingOptions: Sendable {
  /// The name or address to listen at. Beyond loopback a token is required.
  public var host = "127.0.0.1"
  /// The port to listen at; 0 for any that is free.
  public var port = 8000
  /// What clients must know, sent as `Authorization: Api-Key TOKEN`; nil for none.
  public var token: String?
  /// The certificate chain and its private key, PEM files; nil to serve without TLS.
  public var tls: (certificate: String, key: String)?
  /// How clients name what the policy looks at.
  public var names = ObservationNames()
  /// How many WebSocket connections may be open at once.
  public var mostConnections = 64
  /// How many requests one forward pass may be for.
  public var mostRows = 16
  /// The longest message, bytes.
  public var longestMessage = 16 << 20
  /// How long a message may take to come, and its answer to be taken, seconds.
  public var messageSeconds = 10.0
  /// How long a connection may stay without a message, seconds.
  public var idleSeconds = 3600.0
  /// How long stopping waits for answers that are being computed or sent, seconds.
  public var stoppingSeconds = 10.0

  /// The defaults.
  public init() {}

  /// Whether a text can be a token.
  package static func isToken(_ text: String) -> Bool {
    (8...1000).contains(text.utf8.count) && text.utf8.allSatisfy { (33..<127).contains($0) }
  }
}

/// Why a server does not start.
public enum ServingError: Error, Equatable, CustomStringConvertible {
  /// An address beyond loopback, and no token.
  case tokenNeeded(host: String)
  /// A token that cannot be sent in a header.
  case token
  /// An address where it cannot listen, and why.
  case address(host: String, port: Int, reason: String)
  /// A certificate or a key that cannot be used, and why.
  case tls(file: String, reason: String)
  /// A policy that cannot act even before it is served, and why.
  case policy(reason: String)

  public var description: String {
    switch self {
    case .tokenNeeded(let host):
      "\(host) can be reached from other machines: a token is required there; give one with --token-file"
    case .token: "a token is 8 to 1000 visible ASCII characters without spaces"
    case .address(let host, let port, let reason): "cannot listen at \(host), port \(port): \(reason)"
    case .tls(let file, let reason): "\(file): \(reason)"
    case .policy(let reason): "the policy cannot act: \(reason)"
    }
  }
}
