import Foundation
import Serving

/// A plain TCP socket to a server of this machine, for what no proper client sends.
final class Socket {
  private let descriptor: Int32

  init(port: Int) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let status = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0 else { throw WebSocketProblem.unreachable("\(port)", reason: String(cString: strerror(errno))) }
    var time = timeval(tv_sec: 20, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
  }

  deinit { close(descriptor) }

  /// - Returns: whether all of it was taken.
  @discardableResult
  func send(_ bytes: [UInt8]) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes {
        Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      rest = rest.dropFirst(count)
    }
    return true
  }

  @discardableResult
  func send(_ text: String) -> Bool { send(Array(text.utf8)) }

  /// All that comes until the server closes, or until `count` bytes are there.
  func receive(_ count: Int = .max) -> [UInt8] {
    var found: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while found.count < count {
      let received = recv(descriptor, &buffer, min(buffer.count, count - found.count), 0)
      guard received > 0 else { break }
      found += buffer.prefix(received)
    }
    return found
  }

  func text() -> String { String(decoding: receive(), as: UTF8.self) }

  static func get(_ path: String, port: Int, headers: String = "") throws -> String {
    let socket = try Socket(port: port)
    socket.send("GET \(path) HTTP/1.1\r\nHost: x\r\n\(headers)\r\n")
    return socket.text()
  }

  static let upgrade = """
    Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n
    """

  /// A socket that has become a WebSocket and has taken the first message.
  static func upgraded(port: Int) throws -> Socket {
    let socket = try Socket(port: port)
    socket.send("GET / HTTP/1.1\r\nHost: x\r\n\(upgrade)\r\n")
    var head = ""
    while !head.hasSuffix("\r\n\r\n") {
      let byte = socket.receive(1)
      guard !byte.isEmpty else { throw WebSocketProblem.closed(reason: head) }
      head += String(decoding: byte, as: UTF8.self)
    }
    // RFC 6455, 1.3: the answer to the key above.
    guard head.hasPrefix("HTTP/1.1 101"), head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") else {
      throw WebSocketProblem.closed(reason: head)
    }
    _ = socket.frame()
    return socket
  }

  /// The next frame; nil at the end.
  func frame() -> (code: UInt8, data: [UInt8])? {
    let head = receive(2)
    guard head.count == 2 else { return nil }
    let size = head[1] < 126 ? [head[1]] : receive(head[1] == 126 ? 2 : 8)
    return (head[0], receive(size.reduce(0) { $0 << 8 | Int($1) }))
  }

  /// A frame as a client sends it, with the mask 1, 2, 3, 4.
  static func frame(_ code: UInt8, _ data: [UInt8], length: Int? = nil) -> [UInt8] {
    let count = length ?? data.count
    var frame = [code]
    if count < 126 {
      frame.append(0x80 | UInt8(count))
    } else if count <= UInt16.max {
      frame += [0xfe, UInt8(count >> 8), UInt8(count & 255)]
    } else {
      frame += [0xff] + (0..<8).reversed().map { UInt8(truncatingIfNeeded: count >> (8 * $0)) }
    }
    return frame + [1, 2, 3, 4] + data.enumerated().map { $1 ^ UInt8($0 % 4 + 1) }
  }
}
