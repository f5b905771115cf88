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

    /// Scenes of another seed, and another task, are not what was asked for.
    @Test func otherSeedsAndTasksAreNotTakenForWhatIsAskedFor() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      func record(_ task: String, _ more: String...) throws -> CommandRunner.Result {
        try runner.run(
          [
            "record", "--environment", "kitchenette:\(task)", "--episodes", "2", "--set",
            "evaluation.simulator.cameras=[]", "--output", "demos.hdf5",
          ] + more)
      }
      let path = runner.folder + "/demos.hdf5"
      func seed() throws -> Int { try HDF5File(forReading: path).integer(of: "data/demo_0", "seed") }
      #expect(try record("OpenDrawer").status == 0)
      let first = try seed()
      #expect(try HDF5File(forReading: path).integer(of: "data", "recording_seed") == 1)
      for isOlder in [false, true] {
        if isOlder { try older(path) }
        let same = try record("OpenDrawer", "--replace")
        #expect(same.status == 0 && same.errors.contains("has its 2 demonstrations already"), "\(same.errors)")
        #expect(!same.errors.contains("note:"), "\(same.errors)")
        let other = try record("OpenDrawer", "--set", "seed=2")
        #expect(
          other.status == 0 && other.errors.contains("recorded with another seed than 2; --replace"), "\(other.errors)")
        #expect(try seed() == first)
      }
      let replaced = try record("OpenDrawer", "--set", "seed=2", "--replace")
      #expect(replaced.status == 0, "\(replaced.errors)")
      #expect(try seed() != first)

      let bytes = runner.bytes("demos.hdf5")
      let task = try record("CloseDrawer", "--set", "seed=2")
      #expect(
        task.status == 1 && task.complaint.contains("holds demonstrations of OpenDrawer, not of CloseDrawer"),
        "\(task.errors)")
      #expect(runner.bytes("demos.hdf5") == bytes)
      #expect(try record("CloseDrawer", "--set", "seed=2", "--replace").status == 0)
      #expect(try DemonstrationFile(path: path).task == "CloseDrawer")
    }

    /// A file as it was written before it said which seed it is of.
    private func older(_ path: String) throws {
      let old = try DemonstrationFile(path: path)
      try HDF5File.atomically(path) { file in
        try file.createGroup("data")
        for demo in old.demos { try file.copy("data/\(demo)", from: old.hdf5, as: "data/\(demo)") }
        for name in ["env_args", "action_schema", "observation_schema"] {
          if let text = try old.hdf5.textIfPresent(of: "data", name) { try file.setText(text, of: "data", name) }
        }
        try file.setInteger(try old.hdf5.integer(of: "data", "total"), of: "data", "total")
        try file.copy("mask", from: old.hdf5, as: "mask")
      }
    }
  }
#endif
