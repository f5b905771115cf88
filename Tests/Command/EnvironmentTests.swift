#if Kitchenette
  import Evaluation
  import Foundation
  import ImitationKit
  import Testing

  /// Environments in processes of their own: the kitchen behind the wire is the kitchen, whatever happens to its process.
  @Suite(.serialized) struct EnvironmentTests {
    private struct Episode: Equatable {
      var observations: [Observation] = []
      var rewards: [Float] = []
      var states: [[Double]] = []
      var solved = false

      init(_ environment: any StateRestoring & ExpertProviding, _ episode: EpisodeSpec, steps: Int) throws {
        observations = [try environment.reset(episode)]
        let expert = try #require(environment.expert(seed: 5, noise: 1))
        expert.begin(seed: 5)
        for _ in 0..<steps where !solved {
          states.append(try environment.state)
          let transition = try environment.step(expert.action(for: observations.last!))
          observations.append(transition.observation)
          rewards.append(transition.reward)
          solved = transition.success
        }
      }
    }

    @Test func aServedEpisodeHasTheSameBits() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.serveKitchenette()
      let recipe =
        "evaluation: {simulator: {kind: kitchenette, image_size: 20, cameras: [robot0_agentview_left, robot0_eye_in_hand], depth: true}}"
      try runner.write(recipe, to: "served.yaml")
      let options = KitchenetteEnvironment.Options {
        ($0.imageSize, $0.depth) = (20, true)
        $0.cameras = [.left, .hand]
      }
      let own = try KitchenetteEnvironment(options: options)
      for encoding in [ProcessOptions.ImageEncoding.raw, .png] {
        let served = try ProcessEnvironment(
          kind: "process", command: [runner.folder + "/serve.sh"], process: ProcessOptions { $0.encoding = encoding })
        let (mine, theirs) = (own.spec, served.spec)
        #expect(theirs.schema == mine.schema && theirs.actions == mine.actions && theirs.tasks == mine.tasks)
        #expect(theirs.name == mine.name && theirs.versions == mine.versions)
        #expect(theirs.recorded.observations == mine.recorded.observations)
        for task in ["OpenDrawer", "PnPCounterToSink"] {
          let episode = EpisodeSpec(task: task, seed: 1 << 40 + 3, pool: .evaluation)
          let (mine, theirs) = (try Episode(own, episode, steps: 25), try Episode(served, episode, steps: 25))
          #expect(mine == theirs)
          #expect(served.description.model == own.description.model)
          #expect(try Setting(json: served.description.metadata).json == Setting(json: own.description.metadata).json)
          let state = mine.states[10]
          #expect(try served.restore(state, of: episode) == own.restore(state, of: episode))
        }
      }
    }

    /// An evaluation behind the wire, its simulators killed and stopped: the same actions, step for step.
    @Test func anEvaluationBehindTheWireIsTheSame() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject()
      try runner.serveKitchenette()
      #expect(try runner.run("train", "recipe.yaml", "--run", "run", "--set", "training.steps=4").status == 0)
      let number = ["--episodes", "4", "--with", "expert,random", "--workers", "2"]
      let own = try runner.run(["evaluate", "run"] + number)
      #expect(own.status == 0, "\(own.errors)")
      let path = runner.folder + "/run/evaluation.json"
      let undisturbed = try EvaluationResult.read(path)

      let recipe = try #require(try? String(contentsOfFile: runner.folder + "/recipe.yaml", encoding: .utf8))
      try runner.write(
        recipe.replacingOccurrences(
          of: "simulator: {kind: kitchenette, image_size: 20}",
          with: "simulator: {kind: process, command: [./serve.sh], deadline: 5}"), to: "recipe.yaml")
      #expect(
        try runner.run("train", "recipe.yaml", "--run", "run2", "--set", "training.steps=4").status == 0)
      let process = try runner.start(["evaluate", "run2"] + number, log: "evaluate")
      var signals: [Int32] = [SIGKILL, SIGSTOP, SIGKILL, SIGKILL, SIGSTOP, SIGKILL]
      while process.isRunning {
        usleep(400_000)
        guard let signal = signals.last else { continue }
        // Those that play, not the one that the verb itself asks first.
        guard runner.bytes("run2/episodes.jsonl")?.isEmpty == false,
          let simulator = runner.children(of: process.processIdentifier).randomElement()
        else { continue }
        kill(simulator, signal)
        signals.removeLast()
      }
      let errors = String(decoding: try #require(runner.bytes("evaluate.err")), as: UTF8.self)
      #expect(process.terminationStatus == 0, "\(errors)")
      // One that was hit three times is tried again by the same command.
      if errors.contains("crashed") { #expect(try runner.run(["evaluate", "run2"] + number).status == 0) }
      let disturbed = try EvaluationResult.read(runner.folder + "/run2/evaluation.json")
      #expect(disturbed.versions == undisturbed.versions)
      #expect(disturbed.episodes.map(\.trace) == undisturbed.episodes.map(\.trace))
      #expect(disturbed.episodes.map(\.success) == undisturbed.episodes.map(\.success))
      #expect(disturbed.episodes.map(\.reward) == undisturbed.episodes.map(\.reward))
      #expect(disturbed.episodes.map(\.layout) == undisturbed.episodes.map(\.layout))
      #expect(disturbed.simulator == "process" && disturbed.options?.contains("deadline") == false)

      // Named on the command line, it is the same evaluation of the first run under other conditions.
      let named = try runner.run(["evaluate", "run", "--environment", "./serve.sh:OpenDrawer"] + number)
      #expect(named.status == 0, "\(named.errors)")
      #expect(try EvaluationResult.read(path).episodes.map(\.trace) == undisturbed.episodes.map(\.trace))
    }

    @Test func recordsWithoutARecipe() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject(demos: 2)
      try runner.serveKitchenette()
      try FileManager.default.removeItem(atPath: runner.folder + "/Datasets/small/files/OpenDrawer.hdf5")
      let own = try runner.run(
        "record", "recipe.yaml", "--set", "evaluation.simulator.cameras=[robot0_agentview_left]")
      #expect(own.status == 0, "\(own.errors)")
      let arguments = [
        "record", "--environment", "./serve.sh:OpenDrawer", "--output", "out/demos.hdf5", "--episodes", "2",
      ]
      let served = try runner.run(arguments)
      #expect(served.status == 0, "\(served.errors)")
      let (mine, theirs) = (
        try DemonstrationFile(path: runner.folder + "/Datasets/small/files/OpenDrawer.hdf5"),
        try DemonstrationFile(path: runner.folder + "/out/demos.hdf5")
      )
      #expect(theirs.task == "OpenDrawer" && theirs.demos == mine.demos && mine.demos.count == 2)
      for demo in mine.demos {
        for part in ["actions", "states", "rewards", "obs/robot0_base_to_eef_pos"] {
          #expect(
            try mine.hdf5.doubles("data/\(demo)/\(part)") == theirs.hdf5.doubles("data/\(demo)/\(part)"), "\(part)")
        }
        let images = "data/\(demo)/obs/robot0_agentview_left_image"
        #expect(try mine.hdf5.images(images) == theirs.hdf5.images(images))
        #expect(try mine.metadata(demo).instruction == theirs.metadata(demo).instruction)
      }
      #expect(try theirs.vectorSchemas() == mine.vectorSchemas() && !theirs.vectorSchemas().isEmpty)
      #expect(try theirs.actionSchema(of: "actions", width: 12) == .roboCasa)
      // Nothing is recorded again, and other settings are noticed.
      let again = try runner.run(arguments)
      #expect(
        again.status == 0 && again.errors.contains("out/demos.hdf5: has its 2 demonstrations already"),
        "\(again.errors)")
      for (words, complaint) in [
        (["--output", "a.hdf5"], "--environment must name a task"),
        (["--output", "a.hdf5", "--environment", "./serve.sh"], "--environment must name a task"),
        (["--environment", "./serve.sh:OpenDrawer", "--episodes", "2"], "either a recipe, or --output FILE"),
        (["recipe.yaml", "--output", "a.hdf5"], "either a recipe, or --output FILE"),
        (["--output", "a.hdf5", "--environment", "./serve.sh:Juggle", "--episodes", "1"], "no task 'Juggle'"),
        (["--output", "a.hdf5", "--environment", "./none.sh:Juggle", "--episodes", "1"], "./none.sh: not started"),
        (["--output", "a.hdf5", "--environment", "nothing:Juggle", "--episodes", "1"], "unknown kind 'nothing'"),
        (
          ["--output", "a.hdf5", "--environment", "metaworld:reach-v3", "--python", "/no/python", "--episodes", "1"],
          "metaworld: /no/python: not started"
        ),
      ] {
        let refused = try runner.run(["record"] + words)
        #expect(refused.status != 0 && refused.errors.contains(complaint), "\(words): \(refused.errors)")
        #expect(runner.bytes("a.hdf5") == nil)
      }
    }

    /// Cameras, sizes and vectors that the policy was not trained with: refused before the first step, both sides named.
    @Test(arguments: [
      (
        "image_size: 24",
        "the size of camera 'robot0_agentview_left_image' is 20x20 for the policy and 24x24 for kitchenette"
      ),
      (
        "image_size: 20, cameras: [robot0_eye_in_hand]",
        "the policy needs camera 'robot0_agentview_left_image', which kitchenette does not have; it has: robot0_eye_in_hand_image"
      ),
      ("image_size: 20, control: absolute", "for the policy and "),
    ])
    func whatThePolicyDoesNotKnowIsRefused(_ options: String, _ complaint: String) throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject()
      try runner.serveKitchenette()
      #expect(try runner.run("train", "recipe.yaml", "--run", "run", "--set", "training.steps=2").status == 0)
      try runner.write("evaluation: {simulator: {kind: kitchenette, \(options)}}\n", to: "served.yaml")
      let refused = try runner.run("evaluate", "run", "--environment", "./serve.sh")
      #expect(refused.status == 1 && refused.complaint.contains(complaint), "\(refused.errors)")
      #expect(runner.bytes("run/episodes.jsonl") == nil)
    }

    /// An environment that goes down over every episode: each is accounted for, in one line.
    @Test func everyEpisodeIsAccountedFor() throws {
      let runner = try CommandRunner()
      defer { runner.remove() }
      try runner.writeSmallProject()
      try runner.serveKitchenette()
      #expect(try runner.run("train", "recipe.yaml", "--run", "run", "--set", "training.steps=2").status == 0)
      // What is served is cut off in the middle of an answer.
      try runner.write(
        """
        #!/usr/bin/env python3
        import os, subprocess
        command = ["\(CommandRunner.executable)", "serve-environment", "\(runner.folder)/served.yaml"]
        served, left = subprocess.Popen(command, stdout=subprocess.PIPE), 60_000
        while left > 0:
            data = os.read(served.stdout.fileno(), min(left, 4096))
            if not data:
                break
            os.write(1, data)
            left -= len(data)
        os._exit(0)

        """, to: "serve.sh")
      let result = try runner.run("evaluate", "run", "--environment", "./serve.sh", "--episodes", "3")
      #expect(result.status == 1 && result.errors.contains("3 of 3 episodes crashed"), "\(result.errors)")
      let episodes = try EvaluationResult.read(runner.folder + "/run/evaluation.json").episodes
      #expect(episodes.count == 3)
      for episode in episodes {
        let error = try #require(episode.error)
        #expect(
          error.contains("the process ended") && error.contains("its log is") && !error.contains("\n"), "\(error)")
      }
    }
  }
#endif
