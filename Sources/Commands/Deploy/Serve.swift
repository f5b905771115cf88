import ArgumentParser
import Foundation
import ImitationKit

/// `imitate serve`: a policy for robots and simulators elsewhere.
struct Serve: Verb {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Serve a policy in openpi's protocol: a WebSocket that openpi-client speaks.",
    discussion: """
      docs/serving.md has the messages. GET /healthz says whether it serves, GET /metrics how much, for Prometheus. Ctrl-C \
      stops it after what is under way is answered.
      """)

  @Argument(help: "An exported package, or a run folder.") var policy: String
  @Option(help: "The address to listen at; beyond loopback a token is required.") var host = ServingOptions().host
  @Option(help: "The port to listen at; 0 for any that is free.") var port = ServingOptions().port
  @Option(help: "The file whose only line is the token that clients must send.") var tokenFile: String?
  @Option(help: "The certificate chain for TLS, a PEM file.") var certificate: String?
  @Option(help: "The certificate's private key, a PEM file.") var key: String?
  @Option(help: "The YAML file of what clients call the policy's observations: ours: theirs.") var map: String?
  @Option(help: "The most connections at once.") var connections = ServingOptions().mostConnections
  @Option(help: "The most requests that share a forward pass.") var batch = ServingOptions().mostRows
  @Option(help: "The longest message, MiB.") var messageLimit = ServingOptions().longestMessage >> 20
  @Option(help: "Seconds that a message may take to come, and its answer to be taken.")
  var timeout = Int(ServingOptions().messageSeconds)
  @Option(help: "Seconds after which a connection without messages is closed.")
  var idleTimeout = Int(ServingOptions().idleSeconds)
  @OptionGroup var device: DeviceChoice

  func validate() throws {
    try requirePositive(
      ("connections", connections), ("batch", batch), ("message-limit", messageLimit), ("timeout", timeout),
      ("idle-timeout", idleTimeout))
    guard (0...65535).contains(port) else { throw ValidationError("--port must be 0 to 65535") }
    guard messageLimit <= 1024 else { throw ValidationError("--message-limit must be at most 1024") }
    guard (certificate == nil) == (key == nil) else { throw ValidationError("--certificate and --key go together") }
  }

  func run(in session: Session) throws {
    let interruption = Interruption()
    let isPackage = FileManager.default.fileExists(atPath: policy + "/policy.json")
    let trained =
      isPackage
      ? try TrainedPolicy(package: policy, catalog: session.catalog)
      : try TrainedPolicy(run: policy, catalog: session.catalog)
    let server = try device.run(trained.recipe.training.precision ?? .tf32) {
      try PolicyServer(trained, options: options(trained.schema))
    }
    let port = try server.start()
    if tokenFile != nil, certificate == nil, try !PolicyServer.isLoopback(host) {
      tell(note: "without --certificate and --key the token and all else can be read on the way")
    }
    let address = "\(host.contains(":") ? "[\(host)]" : host):\(port)"
    print("serving \(trained.recipe.name) at \(certificate == nil ? "ws" : "wss")://\(address)")
    guard fflush(nil) == 0 else { throw CommandFailure("standard output: \(String(cString: strerror(errno)))") }
    while !interruption.isAsked, server.failure == nil { usleep(20_000) }
    server.stop()
    print("answered \(server.metrics.answers) requests")
    if let failure = server.failure { throw failure }
  }

  private func options(_ schema: ObservationSchema) throws -> ServingOptions {
    var options = ServingOptions()
    (options.host, options.port) = (host, port)
    options.token = try tokenFile.map(Serve.token)
    if let certificate, let key { options.tls = (certificate, key) }
    if let map {
      let setting = try SettingsFile.read(map).setting
      options.names = try SettingError.naming(map) { try ObservationNames(setting, schema: schema) }
    }
    (options.mostConnections, options.mostRows, options.longestMessage) = (connections, batch, messageLimit << 20)
    (options.messageSeconds, options.idleSeconds) = (Double(timeout), Double(idleTimeout))
    return options
  }

  static func token(in file: String) throws -> String {
    guard let data = FileManager.default.contents(atPath: file) else {
      throw CommandFailure("\(file): no such file, or not readable")
    }
    let token = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    guard ServingOptions.isToken(token) else { throw CommandFailure("\(file): \(ServingError.token)") }
    return token
  }
}
