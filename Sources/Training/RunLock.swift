import Foundation

extension RunFolder {
  /// Keeps other processes from training or evaluating the same run.
  ///
  /// - Parameters:
  ///   - creating: make the folder when it is not there; when it is still empty in the end, it goes again.
  ///   - shard: a part of an evaluation: other parts may be tried at the same time, by other machines too.
  /// - Throws: `RunError.busy` when one still does after ten seconds: a process that was asked to stop may need a moment.
  package func lock(creating: Bool = false, shard: String? = nil) throws -> RunLock {
    let whole = try locked(".lock", shard == nil ? LOCK_EX : LOCK_SH, creating: creating)
    guard let shard else { return RunLock(folder: path, files: [whole]) }
    do {
      return RunLock(folder: path, files: [try locked(".lock-\(shard)", LOCK_EX, creating: false), whole])
    } catch {
      close(whole.descriptor)
      throw error
    }
  }

  private func locked(_ name: String, _ mode: Int32, creating: Bool) throws -> (descriptor: Int32, isLocked: Bool) {
    for attempt in 0..<100 {
      if creating, (try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)) == nil {
        throw RunError.notWritable(folder: path)
      }
      let descriptor = open("\(path)/\(name)", O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
      // The one who had it may just be removing the folder.
      if descriptor < 0, creating, errno == ENOENT { continue }
      guard descriptor >= 0 else { throw RunError.notWritable(folder: path) }
      let outcome = RunLock.outcome(of: flock(descriptor, mode | LOCK_NB) == 0 ? 0 : errno)
      var (own, there) = (stat(), stat())
      // Or has removed it, and this is a file that nobody else will find.
      let isFound =
        fstat(descriptor, &own) == 0 && stat("\(path)/\(name)", &there) == 0 && own.st_ino == there.st_ino
      if outcome != .busy, isFound { return (descriptor, outcome == .locked) }
      close(descriptor)
      if attempt < 99 { usleep(100_000) }
    }
    throw RunError.busy(folder: path)
  }
}

/// A run that is this process's own until it is released or the process ends.
package struct RunLock: Sendable {
  /// What became of an attempt to lock.
  package enum Outcome: Equatable, Sendable {
    case locked
    /// Someone else has it, or a signal came in between: worth another attempt.
    case busy
    /// There are no locks here, for anyone.
    case unavailable
  }

  fileprivate let folder: String
  fileprivate let files: [(descriptor: Int32, isLocked: Bool)]

  /// - Parameter code: the `errno` of the attempt, 0 when it succeeded. File systems without locks answer ENOLCK (NFS
  ///   without its lock daemon), EOPNOTSUPP, ENOSYS or EINVAL (Lustre without `flock`, FUSE), or the kernel's own ENOTSUPP,
  ///   524 (DVS).
  package static func outcome(of code: Int32) -> Outcome {
    switch code {
    case 0: .locked
    case EWOULDBLOCK, EAGAIN, EINTR: .busy
    default: .unavailable
    }
  }

  /// What its user should know when nothing keeps others away; nil otherwise.
  package var note: String? {
    files.allSatisfy(\.isLocked)
      ? nil : "\(folder): this file system has no locks; do not train or evaluate the same run twice at once"
  }

  package func release() {
    // A run that never began leaves nothing behind.
    if (try? FileManager.default.contentsOfDirectory(atPath: folder)) == [".lock"] {
      unlink(folder + "/.lock")
      rmdir(folder)
    }
    for file in files { close(file.descriptor) }
  }
}
