#if Kitchenette
  import Evaluation
  import Foundation
  import Testing

  /// Environments that answer every request and yet tell nothing: which scene a seed is, or whether a task is solved.
  @Suite(.serialized) struct SilentEnvironmentTests {
    private func project() throws -> CommandRunner {
      let runner = try CommandRunner()
      try runner.writeSmallProject()
      try runner.serveKitchenette()
      #expect(try runner.run("train", "recipe.yaml", "--run", "run", "--set", "training.steps=2").status == 0)
      return runner
    }

    /// A program that serves the kitchen and changes what goes one way: `change` sees `header` and `count`, of those like it so far.
    private func write(_ name: String, to runner: CommandRunner, changing way: String, _ change: String) throws {
      try runner.write(
        """
        #!/usr/bin/env python3
        import json, os, struct, subprocess, sys
        command = [os.path.dirname(os.path.abspath(__file__)) + "/serve.sh"]
        if "\(way)" == "requests":
            child = subprocess.Popen(command, stdin=subprocess.PIPE)
            source, target = sys.stdin.buffer, child.stdin
        else:
            child = subprocess.Popen(command, stdout=subprocess.PIPE)
            source, target = child.stdout, sys.stdout.buffer
        count = 0
        while len(start := source.read(16)) == 16:
            sizes = struct.unpack("<IQ", start[4:])
            header, body = json.loads(source.read(sizes[0])), source.read(sizes[1])
            if header.get("call") == "reset" or "success" in header:
                count += 1
                \(change)
            text = json.dumps(header).encode()
            target.write(start[:4] + struct.pack("<IQ", len(text), len(body)) + text + body)
            target.flush()

        """, to: name)
    }

    /// Simulators that ignore seeds, or give another scene each time, are told before and after policies are judged in them.
    @Test func seedsThatChooseNothingAreTold() throws {
      let runner = try project()
      defer { runner.remove() }
      func doctor(_ name: String, seed: String) throws -> String {
        try write(name, to: runner, changing: "requests", "header['seed'] = \(seed)")
        let result = try runner.run("doctor", "--environment", "./\(name):OpenDrawer")
        #expect(result.status == 0, "\(result.output) \(result.errors)")
        return result.output
      }
      #expect(try doctor("fixed", seed: "7").contains("seeds 1 and 2 give the same scene"))
      #expect(try doctor("restless", seed: "count").contains("the same seed gives another scene"))
      #expect(try !doctor("right", seed: "header['seed']").contains("scene"))
      func note(_ name: String, episodes: Int) throws -> Bool {
        let result = try runner.run(
          "evaluate", "run", "--environment", "./\(name):OpenDrawer", "--episodes", "\(episodes)")
        #expect(result.status == 0, "\(result.errors)")
        return result.errors.contains("OpenDrawer: every episode began with the same observation")
      }
      #expect(try note("fixed", episodes: 2) && !note("fixed", episodes: 1) && !note("right", episodes: 2))
    }

    /// Steps that nobody judged count as failed, and that is told; one that was judged is enough, and of what crashed nothing is known.
    @Test func whatNobodyJudgesIsTold() throws {
      let runner = try project()
      defer { runner.remove() }
      for (name, change, isTold, status) in [
        ("never", "header['judged'] = False", true, 0), ("once", "header['judged'] = count == 3", false, 0),
        ("crashing", "sys.exit(3)", false, 1),
      ] {
        try write(name, to: runner, changing: "answers", change)
        let result = try runner.run(
          "evaluate", "run", "--environment", "./\(name):OpenDrawer", "--episodes", "1", "--workers", "1")
        #expect(result.status == Int32(status), "\(result.errors)")
        #expect(result.errors.contains("never said whether a task is solved") == isTold, "\(result.errors)")
      }
    }
  }
#endif
