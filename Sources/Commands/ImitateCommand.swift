import ArgumentParser
import Files
import Foundation
import ImitationKit

/// The command `imitate`. Another package runs it with plug-ins of its own:
///
/// ```swift
/// ImitateCommand.main(catalog: .standard.adding(MyEncoder.self))
/// ```
public struct ImitateCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "imitate",
    abstract: "Learn robot policies from demonstrations.",
    version: Toolkit.version,
    subcommands: [
      Tasks.self, Kinds.self, Inspect.self, Play.self, Record.self, Generate.self, Repack.self, Train.self,
      Evaluate.self, Replay.self, Observe.self,
      Ablate.self, WriteReport.self,
      ExportPolicy.self, Import.self, Serve.self,
      Verify.self, World.self, Probe.self, Benchmark.self, Doctor.self, CUDAReport.self,
      ServeEnvironment.self, Worker.self, DoctorCheck.self,
    ])

  public init() {}

  /// Runs the command line of this process with the plug-ins of `catalog`, and does not return.
  public static func main(catalog: Catalog) -> Never {
    // A reader that goes away (`imitate tasks | head`) ends in a write error, not in a signal.
    signal(SIGPIPE, SIG_IGN)
    // A file that may not grow ends in a write error as well.
    signal(SIGXFSZ, SIG_IGN)
    ChildProcess.followParent()
    Memory.keepFreed()
    do {
      var command = try ImitateCommand.parseAsRoot()
      if let verb = command as? any Verb { try verb.run(in: Session(catalog: catalog)) } else { try command.run() }
      // Results that nobody got are no success.
      guard fflush(nil) == 0 else {
        throw CommandFailure("standard output: not written: \(String(cString: strerror(errno)))")
      }
      exit(withError: nil)
    } catch let error where CommandFailure.isOurs(error) {
      Quiet.end()
      tell("imitate: \(CommandFailure.line(error))")
      Foundation.exit(1)
    } catch {
      exit(withError: error)
    }
  }
}

/// What the verbs of one process share: made once by `main` and handed down.
struct Session: Sendable {
  let catalog: Catalog
}

/// A verb that needs plug-ins. ArgumentParser makes verbs itself and calls `run()` without arguments, so the session comes
/// with this call instead.
protocol Verb: ParsableCommand {
  func run(in session: Session) throws
}
