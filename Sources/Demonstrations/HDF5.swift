import CHDF5
import Foundation

/// The library's own settings, and all of a dataset.
let (h5Default, h5All) = (hid_t(H5P_DEFAULT), hid_t(H5S_ALL))

/// Something of the library's that is open: an object, a type, a space, a list of properties. It is closed at the end of its
/// scope, so it needs a name: as part of an expression it is closed too early.
struct Handle: ~Copyable {
  let id: hid_t

  init(_ id: hid_t) { self.id = id }

  deinit { if id > 0 { H5Idec_ref(id) } }
}

extension String {
  /// What a call of the library's writes that tells the length of its text without a place for it.
  init(asking call: (UnsafeMutablePointer<CChar>?, Int) -> Int) {
    var characters = [CChar](repeating: 0, count: Swift.max(0, call(nil, 0)) + 1)
    _ = call(&characters, characters.count)
    self.init(untilZero: characters)
  }
}

/// Debian's HDF5 is the serial library: one call at a time in the whole process, whichever file it is for.
enum HDF5 {
  private static let lock: NSRecursiveLock = {
    // Files are closed where they are no longer used; what is left at exit are those that could not be written, and closing
    // one of those crashes.
    H5dont_atexit()
    H5open()
    LZF.register()
    return NSRecursiveLock()
  }()

  static func locked<Result: ~Copyable>(_ body: () throws -> Result) rethrows -> Result {
    lock.lock()
    defer { lock.unlock() }
    // Errors come back as values; the library would print them as well, a setting that some builds keep by thread.
    H5Eset_auto2(0, nil, nil)
    return try body()
  }

  /// The version that this program runs with, for example "1.10.8".
  static var version: String {
    var (major, minor, release): (UInt32, UInt32, UInt32) = (0, 0, 0)
    _ = locked { H5get_libversion(&major, &minor, &release) }
    return "\(major).\(minor).\(release)"
  }

  /// What the library says about the call that failed last.
  struct Complaint {
    /// The innermost first.
    var lines: [String] = []
    private(set) var isAboutVersions = false

    var innermost: String { lines.first ?? "" }

    fileprivate mutating func add(_ line: String, isVersion: Bool) {
      lines.append(line)
      // Not every place that meets a later format says so by number.
      if isVersion || line.contains("version number") || line.contains("unknown version") { isAboutVersions = true }
    }

    /// Whether a file could not be locked although nobody holds its lock: on NFS, Lustre and DVS there may be none. Somebody
    /// else's lock is EAGAIN.
    var isAboutLocksThatCannotBeHad: Bool {
      line(with: "unable to lock file").map { !$0.contains("errno = \(EAGAIN),") } ?? false
    }

    func line(with words: String) -> String? { lines.first { $0.contains(words) } }
  }

  /// Read right after the failed call, under the lock: the next call forgets it.
  static func complaint() -> Complaint {
    var complaint = Complaint()
    withUnsafeMutablePointer(to: &complaint) { target in
      _ = H5Ewalk2(
        h5_error_stack(), H5E_WALK_UPWARD,
        { _, entry, target in
          guard let entry = entry?.pointee, let target = target?.assumingMemoryBound(to: Complaint.self) else {
            return 0
          }
          target.pointee.add(entry.desc.map { String(cString: $0) } ?? "", isVersion: entry.min_num == h5_bad_version())
          return 0
        }, target)
    }
    return complaint
  }
}

extension HDF5File {
  /// The version of the library that this program runs with, for example "1.10.8".
  package static var libraryVersion: String { HDF5.version }
}
