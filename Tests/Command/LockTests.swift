import Foundation
import Testing
import Training

/// Locks that cannot be had are not locks that are held.
@Suite struct LockTests {
  @Test func onlyAnotherHolderIsWaitedFor() {
    #expect(RunLock.outcome(of: 0) == .locked)
    for code in [EWOULDBLOCK, EAGAIN, EINTR] { #expect(RunLock.outcome(of: code) == .busy) }
    for code in [ENOLCK, EOPNOTSUPP, 524, ENOSYS, EINVAL, EIO, ENOTSUP] {
      #expect(RunLock.outcome(of: code) == .unavailable, "\(code)")
    }
  }

  @Test func aLockIsHeldUntilItIsReleased() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    let folder = RunFolder(runner.folder + "/run")
    let lock = try folder.lock(creating: true)
    #expect(lock.note == nil)
    #expect(throws: RunError.busy(folder: folder.path)) { try folder.lock() }
    lock.release()
    #expect(!FileManager.default.fileExists(atPath: folder.path))
  }

  /// What `flock` answers on NFS without its lock daemon, on Lustre without `flock`, on DVS, and to a signal.
  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/cc")), arguments: [37, 95, 524, 38, 22])
  func trainsWithoutLocks(_ code: Int) throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try runner.write(
      """
      #include <errno.h>
      int flock(int descriptor, int operation) { errno = \(code); return -1; }
      """, to: "flock.c")
    let shim = runner.folder + "/flock.so"
    let built = try runner.run("-shared", "-fPIC", "-o", shim, "flock.c", executable: "/usr/bin/cc")
    #expect(built.status == 0, "\(built.errors)")
    try runner.writeSmallProject()
    let trained = try runner.run(
      "LD_PRELOAD=\(shim)", CommandRunner.executable, "train", "recipe.yaml", "--run",
      "run", "--set", "training.steps=2", executable: "/usr/bin/env")
    #expect(trained.status == 0, "\(trained.errors)")
    let notes = trained.errors.split(separator: "\n").filter { $0.contains("has no locks") }
    #expect(
      notes == ["note: run: this file system has no locks; do not train or evaluate the same run twice at once"],
      "\(trained.errors)")
    #expect(runner.bytes("run/checkpoints/step-0000002.safetensors") != nil)
  }

  /// A run that someone else has locked is busy as ever, also when a signal comes in between.
  @Test func aBusyRunIsRefused() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try runner.writeSmallProject()
    let lock = try RunFolder(runner.folder + "/run").lock(creating: true)
    defer { lock.release() }
    let refused = try runner.run("train", "recipe.yaml", "--run", "run")
    #expect(refused.status == 1 && refused.complaint.contains("another process trains or evaluates"))
    #expect(!refused.errors.contains("has no locks"))
  }

  /// A `recipe.yaml` that is not this run's own is nothing to write over.
  @Test func aForeignRecipeIsKept() throws {
    let runner = try CommandRunner()
    defer { runner.remove() }
    try runner.writeSmallProject()
    try FileManager.default.createDirectory(atPath: runner.folder + "/run", withIntermediateDirectories: true)
    try runner.write("flour: 500 g\n", to: "run/recipe.yaml")
    let arguments = ["train", "recipe.yaml", "--run", "run", "--set", "training.steps=2"]
    let refused = try runner.run(arguments)
    #expect(refused.status == 1 && refused.complaint.contains("run/recipe.yaml: is there already"), "\(refused.errors)")
    #expect(runner.bytes("run/recipe.yaml") == Data("flour: 500 g\n".utf8))
    #expect(try runner.run(arguments + ["--restart"]).status == 0)
    // What is trained stays until it is clear that something new can be.
    let trained = try #require(runner.bytes("run/checkpoints/step-0000002.safetensors"))
    let file = runner.folder + "/Datasets/small/files/OpenDrawer.hdf5"
    try FileManager.default.moveItem(atPath: file, toPath: file + ".away")
    #expect(try runner.run(arguments + ["--restart"]).status == 1)
    #expect(runner.bytes("run/checkpoints/step-0000002.safetensors") == trained)
    try FileManager.default.moveItem(atPath: file + ".away", toPath: file)
    // Its own is there already when a run goes on.
    #expect(try runner.run(arguments).status == 0)
  }
}
