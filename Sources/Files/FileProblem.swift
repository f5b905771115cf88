import Foundation

/// Why a file cannot be the weights it is taken for: what the system says of it, and what its first bytes tell it is.
package enum FileProblem {
  /// - Returns: what is wrong and what to do, or nil when nothing speaks against it.
  package static func found(in path: String) -> String? {
    // Without waiting: a pipe that nobody writes to would have it wait for ever.
    let file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard file >= 0 else { return reason(errno) }
    defer { close(file) }
    var facts = stat()
    guard fstat(file, &facts) == 0 else { return reason(errno) }
    switch facts.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: return "a folder; name a file in it"
    default: return "not an ordinary file"
    }
    guard facts.st_size > 0 else { return "empty: it was not written or copied to the end; fetch it again" }
    var head = [UInt8](repeating: 0, count: 64)
    let count = read(file, &head, head.count)
    guard count >= 0 else { return reason(errno) }
    return kind(of: Array(head[..<count]))
  }

  /// - Parameter code: the `errno` of the failed call.
  package static func reason(_ code: Int32) -> String {
    switch code {
    case ENOENT: "no such file"
    case EACCES, EPERM: "no permission to read it; `chmod u+r` or its owner gives that"
    default: "cannot be read: \(String(cString: strerror(code)))"
    }
  }

  /// What a file is that begins like this; nil for what may be safetensors.
  static func kind(of head: [UInt8]) -> String? {
    func begins(_ bytes: [UInt8]) -> Bool { head.starts(with: bytes) }
    if begins(Array("version https://git-lfs".utf8)) {
      return "a Git LFS pointer, not the file itself; `git lfs pull` fetches it"
    }
    // Behind the length of its header, safetensors has a brace: a length may begin like anything else.
    if head.count > 8, head[8] == UInt8(ascii: "{") { return nil }
    if begins([0x50, 0x4b, 0x03, 0x04]) || (2...5).contains(where: { begins([0x80, $0]) }) {
      return
        "a checkpoint of PyTorch or an archive, not safetensors; `python docs/checkpoint_to_safetensors.py` writes the weights of robomimic and Diffusion Policy as safetensors"
    }
    if begins([0x89, 0x48, 0x44, 0x46]) { return "an HDF5 file, not safetensors" }
    if begins([0x1f, 0x8b]) || begins([0x28, 0xb5, 0x2f, 0xfd]) { return "compressed; unpack it first" }
    if begins(Array("<!".utf8)) || begins(Array("<html".utf8)) {
      return "a web page, not the file itself; fetch it again where you are signed in"
    }
    return nil
  }
}
