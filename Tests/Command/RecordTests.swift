#if Kitchenette
  import Demonstrations
  import Foundation
  import Testing

  @Suite struct RecordTests {
    /// The same demonstrations, going on after the step that solves the task.
    @Test func goesOnAfterSuccess() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      let record = [
        "record", "--environment", "kitchenette:OpenDrawer", "--episodes", "2", "--set",
        "evaluation.simulator.cameras=[]",
        "--output",
      ]
      for (path, more) in [("usual.hdf5", []), ("long.hdf5", ["--after-success", "4"])] {
        let recorded = try runner.run(record + [path] + more)
        #expect(recorded.status == 0, "\(recorded.errors)")
      }
      let (usual, long) = try (
        DemonstrationFile(path: runner.folder + "/usual.hdf5"), DemonstrationFile(path: runner.folder + "/long.hdf5")
      )
      for demo in usual.demos {
        let (few, many) = try (usual.length(demo), long.length(demo))
        #expect(many == few + 4)
        let (path, width) = ("data/\(demo)/actions", 12)
        #expect(try long.hdf5.floats(path).prefix(few * width) == usual.hdf5.floats(path)[...])
        // Solved at the step that ended the shorter one, and not before.
        let (ends, shorter) = try (long.hdf5.doubles("data/\(demo)/dones"), usual.hdf5.doubles("data/\(demo)/dones"))
        #expect(ends.firstIndex(of: 1) == few - 1 && shorter.firstIndex(of: 1) == few - 1)
      }
      // Nothing that is there is taken for what was asked for in silence.
      let other = try runner.run(record + ["long.hdf5"])
      #expect(
        other.status == 0 && other.errors.contains("recorded with --after-success 4; --replace"), "\(other.errors)")
      let wrong = try runner.run(record + ["other.hdf5", "--after-success", "10001"])
      #expect(wrong.status != 0 && wrong.errors.contains("--after-success must be from 0 to 10000"), "\(wrong.errors)")
    }
  }
#endif
