import Demonstrations
import Foundation
import Imitation
import Testing

/// Files as other programs leave them; h5py writes those that we cannot.
@Suite struct OtherFilesTests {
  /// Runs Python with h5py and NumPy at hand, `folder` as its working directory.
  func python(_ script: String, in folder: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: H5pyTests.root + "/.venv/bin/python")
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.arguments = ["-c", "import h5py, json, os, numpy as np\n" + script]
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
  }

  func folder() throws -> String {
    let path = FileManager.default.temporaryDirectory.path + "/others-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }

  static let frames = """
    def demo(file, name, frames, **options):
        group = file.create_group("data/" + name)
        group["actions"] = np.linspace(-1, 1, 7 * len(frames)).reshape(-1, 7)
        group.create_dataset("obs/cam", data=frames, **options)
        return group
    ramp = (np.arange(6 * 8 * 8 * 3) % 251).astype("u1").reshape(6, 8, 8, 3)

    """

  /// What `ramp` holds.
  static let ramp = (0..<6 * 8 * 8 * 3).map { UInt8($0 % 251) }

  @Test(arguments: [
    "compression='lzf'", "chunks=(2, 8, 8, 3), compression='lzf'", "compression='gzip', shuffle=True",
    "compression='gzip', fletcher32=True", "chunks=(4, 3, 8, 2)", "chunks=(4, 3, 8, 1), compression='gzip'",
  ]) func readsEveryFilter(_ options: String) throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try python(Self.frames + "with h5py.File('f.hdf5', 'w') as f: demo(f, 'demo_0', ramp, \(options))", in: folder)
    let file = try DemonstrationFile(path: folder + "/f.hdf5")
    #expect(try file.images("cam", of: "demo_0") == Self.ramp)
    #expect(try file.images("cam", of: "demo_0", rows: 3..<5) == Array(Self.ramp[3 * 192..<5 * 192]))
  }

  /// Streams by hand: literals, a short and a long copy, one that reaches into itself.
  @Test func inflatesLZF() {
    func inflate(_ stream: [UInt8], _ room: Int) -> (LZF.Outcome, [UInt8]) {
      var target = [UInt8](repeating: 0, count: room)
      let outcome = stream.withUnsafeBytes { source in
        target.withUnsafeMutableBytes { LZF.inflate(source, into: $0) }
      }
      return (outcome, target)
    }
    // "abc", then 3 from 3 back, then 12 (7 + 3 + 2) from 1 back.
    let stream: [UInt8] = [2, 97, 98, 99, 0x20, 2, 0xe0, 3, 0]
    let (outcome, bytes) = inflate(stream, 18)
    #expect(
      outcome == .bytes(18) && String(decoding: bytes, as: UTF8.self) == "abcabc" + String(repeating: "c", count: 12))
    #expect(inflate(stream, 17).0 == .tooSmall)
    #expect(
      inflate([2, 97], 9).0 == .damaged && inflate([0x20, 0], 9).0 == .damaged && inflate([0xe0], 9).0 == .damaged)
  }

  /// A matrix and its transpose are as wide; a file that two tasks share would be learned for one and held out for the other;
  /// groups of other names are told.
  @Test func whatWouldBeMixedUpIsRefusedOrTold() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try python(
      Self.frames + """
        def poses(name, shapes, extra=()):
            with h5py.File(name, 'w') as f:
                for i, shape in enumerate(shapes):
                    group = demo(f, f"demo_{i}", ramp)
                    group["obs/pose"] = np.zeros((6,) + shape)
                    group["obs/peg_depth"] = np.linspace(0, 900, 6)
                for other in extra: f.create_group("data/" + other)
        poses('mixed.hdf5', [(3, 4), (4, 3)])
        poses('same.hdf5', [(3, 4), (3, 4, 1)], ["demo_3a", "Demo_4"])
        """, in: folder)
    func open(_ file: String, tasks: [String] = ["A"]) throws -> Demonstrations {
      try Demonstrations(
        EpisodeRequest(
          tasks.map { .init(path: "\(folder)/\(file)", task: $0, key: nil) }, images: ["cam"],
          vectors: ["pose", "peg_depth"], actions: ActionColumns(), memory: 1 << 20))
    }
    #expect { try open("mixed.hdf5") } throws: {
      "\($0)".contains("'pose' is 4x3 a row, in the other demos 3x4 a row")
    }
    let same = try open("same.hdf5")
    #expect(same.schema.vectors == ["pose": 12, "peg_depth": 1], "the depth of a peg is no camera's")
    #expect(same.notes.contains { $0.contains("2 entries of data are passed over") && $0.contains("demo_3a") })
    #expect { try open("same.hdf5", tasks: ["A", "B"]) } throws: { "\($0)".contains("the file of A and of B") }
  }

  @Test func chunksNeverWrittenHoldTheFillValue() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try python(
      Self.frames + """
        with h5py.File('f.hdf5', 'w') as f:
            for i, options in enumerate([{}, {"chunks": (1, 8, 8, 3)}, {"chunks": (1, 8, 8, 3), "compression": "gzip"}]):
                group = f.create_group(f"data/demo_{i}")
                group["actions"] = np.zeros((6, 7))
                d = group.create_dataset("obs/cam", (6, 8, 8, 3), "u1", fillvalue=7, **options)
                if options: d[2] = 200
        """, in: folder)
    let file = try DemonstrationFile(path: folder + "/f.hdf5")
    for demo in file.demos {
      let frames = try file.images("cam", of: demo)
      let rows = (0..<6).map { frames[$0 * 192] }
      #expect(rows == (demo == "demo_0" ? [7, 7, 7, 7, 7, 7] : [7, 7, 200, 7, 7, 7]), "\(demo)")
    }
  }

  /// The file that holds the frames, not the one that was named.
  @Test func followsExternalLinksAndTheOpenFile() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try python(
      Self.frames + """
        with h5py.File('part.hdf5', 'w') as f: demo(f, 'demo_0', np.full((6, 8, 8, 3), 200, 'u1'))
        with h5py.File('f.hdf5', 'w') as f:
            f["padding"] = np.zeros(100000, "u1")
            f["data/demo_0"] = h5py.ExternalLink("part.hdf5", "/data/demo_0")
            demo(f, 'demo_1', ramp)
        with h5py.File('other.hdf5', 'w') as f:
            f["padding"] = np.zeros(100000, "u1")
        """, in: folder)
    let file = try DemonstrationFile(path: folder + "/f.hdf5")
    #expect(try file.images("cam", of: "demo_0") == Array(repeating: 200, count: 6 * 192))
    let demonstrations = try Demonstrations(.init([.init(path: file.path)], images: ["cam"], vectors: [], memory: 0))
    #expect(demonstrations.linkedFiles == [["\(folder)/part.hdf5"]])
    // Replaced while it is open.
    try #require(rename(folder + "/other.hdf5", folder + "/f.hdf5") == 0)
    #expect(try demonstrations.images("cam", episode: 1, rows: [0, 1, 2, 3, 4, 5]) == Self.ramp)
  }

  @Test func unparsableIsNotAbsent() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var number = 0
    func train(_ attributes: String) throws -> Demonstrations {
      number += 1
      try python(
        Self.frames
          + "with h5py.File('f\(number).hdf5', 'w') as f:\n    g = demo(f, 'demo_0', ramp)\n    \(attributes)",
        in: folder)
      return try Demonstrations(
        .init([.init(path: "\(folder)/f\(number).hdf5", task: "Toy")], images: ["cam"], vectors: [], memory: 0))
    }
    let nan = try train(
      #"g.attrs["ep_meta"] = json.dumps({"lang": "say \"NaN\", twice", "x": [float("nan"), -float("inf")]})"#)
    #expect(nan.episodes[0].instruction == "say \"NaN\", twice" && nan.notes.isEmpty)
    #expect(try train("pass").notes == ["1 of 1 demonstrations have no instruction"])
    let libero = #"f["data"].attrs["problem_info"] = json.dumps({"language_instruction": "push"})"#
    #expect(try train(libero).episodes[0].instruction == "push")
    for (broken, words) in [
      (#"g.attrs["ep_meta"] = "{'lang': 1}""#, "demo_0: ep_meta is not JSON"),
      (#"g.attrs["ep_meta"] = json.dumps({"lang": ["a", "b"]})"#, "'lang' is a list of 2"),
      (#"g.attrs["ep_meta"] = json.dumps({"lang": 3})"#, "'lang' is not a text"),
      (#"f["data"].attrs["env_args"] = "{""#, "data: env_args is not JSON"),
      (#"f["data"].attrs["env_args"] = 3"#, "does not hold text"),
      (#"f["data"].attrs["env_args"] = json.dumps({"env_name": "Other"})"#, "of 'Other', not of 'Toy'"),
    ] {
      do {
        _ = try train(broken)
        Issue.record("\(broken) was accepted")
      } catch {
        #expect("\(error)".contains(words), "\(error)")
      }
      // It still opens to be looked at, with the same words.
      let problems = DatasetSummary(try DemonstrationFile(path: "\(folder)/f\(number).hdf5")).problems
      if !broken.contains("Other") { #expect(problems.contains { $0.contains(words) }, "\(problems)") }
    }
  }

  @Test func readsACTsEpisodes() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try python(
      Self.frames + """
        import io
        os.mkdir("set")
        for i in (0, 2, 10):
            with h5py.File(f"set/episode_{i}.hdf5", "w") as f:
                f["action"] = np.full((6, 14), i / 20, "f4")
                f["observations/qpos"] = np.full((6, 14), i + 1, "f4")
                f["observations/images/top"] = ramp
        """, in: folder)
    let all = try Demonstrations(
      .init([.init(path: folder + "/set", task: "Any")], images: ["top"], vectors: ["qpos"], memory: 1 << 20))
    #expect(all.episodes.map(\.name) == ["episode_0", "episode_2", "episode_10"])
    #expect(all.actionWidth == 14 && all.schema.vectors == ["qpos": 14] && all.episodes[0].task == "Any")
    #expect(try all.actions(episode: 2) == Array(repeating: 0.5, count: 6 * 14))
    #expect(try all.vectors("qpos", episode: 1, rows: 2..<4) == Array(repeating: 3, count: 28))
    #expect(try all.images("top", episode: 1, rows: [5]) == Array(Self.ramp[5 * 192..<6 * 192]))
    let one = try DemonstrationFile(path: folder + "/set/episode_2.hdf5")
    #expect(one.layout == .act && one.demos == ["episode_2"])
    #expect(throws: RepackingError.layout(file: one.path)) { try Repacking(one, to: folder + "/out.hdf5", as: .raw) }
  }

  @Test func heldOutByAFilterKey() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try python(
      Self.frames + """
        with h5py.File('f.hdf5', 'w') as f:
            for i in range(5): demo(f, f"demo_{i}", ramp)
            f["mask/train"] = np.array(["demo_0", "demo_1", "demo_3", "demo_1"], dtype="S")
            f["mask/valid"] = np.array(["demo_3", "demo_4"], dtype="S")
            f["mask/every"] = np.array([f"demo_{i}" for i in range(5)], dtype="S")
            f["mask/numbers"] = np.array([1, 2])
        """, in: folder)
    func open(_ key: String?, _ heldOut: String?) throws -> Demonstrations {
      try Demonstrations(
        .init([.init(path: folder + "/f.hdf5", key: key, heldOutKey: heldOut)], images: ["cam"], vectors: [], memory: 0)
      )
    }
    let all = try open(nil, "valid")
    #expect(all.episodes.map(\.name) == (0..<5).map { "demo_\($0)" } && all.heldOut == [3, 4])
    #expect(
      throws: DemonstrationError.inBoth(file: folder + "/f.hdf5", demo: "demo_3", key: "train", heldOut: "valid")
    ) { try open("train", "valid") }
    #expect(try open("train", nil).notes.contains { $0.contains("'train' names demos more than once") })
    #expect(try open("train", nil).episodes.count == 3)
    #expect(throws: DemonstrationError.allHeldOut(key: "every")) { try open(nil, "every") }
    do {
      _ = try open("numbers", nil)
      Issue.record("numbers were taken for names")
    } catch {
      #expect("\(error)".contains("'mask/numbers' does not hold names of demos"))
    }
  }

  /// Wide vectors are no part of what is kept without being asked for, and rows of them are read alone.
  @Test func wideVectorsFollowTheBudget() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try python(
      Self.frames + """
        with h5py.File('f.hdf5', 'w') as f:
            g = demo(f, "demo_0", ramp)
            g["obs/c_depth"] = (np.arange(6 * 40 * 40).reshape(6, 40, 40, 1) / 1000).astype("f4")
            g["obs/m_depth"] = np.full((6, 4, 4, 1), 1500.0)
            g["obs/i_depth"] = np.full((6, 4, 4, 1), 1500, "u2")
        """, in: folder)
    let path = folder + "/f.hdf5"
    for memory in [0, 1 << 20] {
      let data = try Demonstrations(.init([.init(path: path)], images: [], vectors: ["c_depth"], memory: memory))
      #expect(data.schema.vectors == ["c_depth": 1600])
      #expect(
        try data.vectors("c_depth", episode: 0, rows: 4..<5) == (0..<1600).map { Float(Double(6400 + $0) / 1000) })
      let statistics = try data.statistics(of: "c_depth", episodes: [0])
      #expect(statistics.count == 6 && abs(statistics.maximum[1599] - 9.599) < 1e-6)
    }
    for (key, words) in [("m_depth", "values around 1500"), ("i_depth", "millimeters")] {
      do {
        _ = try Demonstrations(.init([.init(path: path)], images: [], vectors: [key], memory: 0))
        Issue.record("\(key) was taken for meters")
      } catch {
        #expect("\(error)".contains(words) && "\(error)".contains(key))
      }
    }
  }

  @Test func framesThatMustBeAskedFor() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try python(
      Self.frames + """
        with h5py.File('f.hdf5', 'w') as f:
            demo(f, "demo_0", ramp.transpose(0, 3, 1, 2))
            demo(f, "demo_1", (ramp / 255).astype("f4"))
            demo(f, "demo_2", (ramp / 255).transpose(0, 3, 1, 2))
            demo(f, "demo_3", ramp.astype("f4"))
            for i in range(4): f[f"mask/demo_{i}"] = np.array([f"demo_{i}"], dtype="S")
        """, in: folder)
    let path = folder + "/f.hdf5"
    let plain = try DemonstrationFile(path: path)
    for (demo, words) in [
      ("demo_0", "channels_first"), ("demo_1", "unit"), ("demo_2", "unit, image_order: channels_first"),
    ] {
      #expect(try plain.camera("cam", of: demo) == nil)
      do {
        _ = try Demonstrations(.init([.init(path: path, key: demo)], images: ["cam"], vectors: [], memory: 0))
        Issue.record("\(demo) was read")
      } catch {
        #expect("\(error)".contains(words), "\(error)")
      }
    }
    let asked = try DemonstrationFile(path: path, format: FrameFormat(isChannelsFirst: true, isUnitRange: true))
    for demo in ["demo_0", "demo_1", "demo_2"] {
      #expect(try asked.images("cam", of: demo, rows: 1..<4) == Array(Self.ramp[192..<4 * 192]), "\(demo)")
    }
    #expect(throws: HDF5Error.self) { try asked.images("cam", of: "demo_3") }
  }

  /// However far away they are, and whoever reads.
  @Test func missingSourcesAreNoFillValues() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try python(
      Self.frames + """
        def virtual(file, name, source, inner, shape=(6, 8, 8, 3)):
            layout = h5py.VirtualLayout(shape, "u1")
            layout[:] = h5py.VirtualSource(source, inner, shape)
            file.create_virtual_dataset(name, layout)
        with h5py.File("leaf.hdf5", "w") as f: f["x"] = ramp
        with h5py.File("middle.hdf5", "w") as f: virtual(f, "x", "leaf.hdf5", "x")
        with h5py.File("f.hdf5", "w") as f:
            for i, (source, inner) in enumerate([("middle.hdf5", "x"), ("middle.hdf5", "nothing"), ("gone.hdf5", "x")]):
                f[f"data/demo_{i}/actions"] = np.zeros((6, 7))
                virtual(f, f"data/demo_{i}/obs/cam", source, inner)
        with h5py.File("a.hdf5", "w") as f: f["data/demo_0"] = h5py.ExternalLink("b.hdf5", "/x")
        with h5py.File("b.hdf5", "w") as f: f["x"] = h5py.ExternalLink("a.hdf5", "/data/demo_0")
        """, in: folder)
    let path = folder + "/f.hdf5"
    let file = try DemonstrationFile(path: path)
    #expect(try file.images("cam", of: "demo_0") == Self.ramp)
    #expect(file.filesBehind.contains("\(folder)/leaf.hdf5"))
    for (demo, words) in [("demo_1", "nothing"), ("demo_2", "gone.hdf5")] {
      #expect(throws: HDF5Error.self) { try file.images("cam", of: demo) }
      #expect(throws: HDF5Error.self) { _ = try Playback(file, demo: demo).frames([0]) }
      #expect(DatasetSummary(file).problems.contains { $0.contains(demo) && $0.contains(words) })
    }
    #expect(throws: HDF5Error.self) { _ = try Repacking(file, to: folder + "/o.hdf5", as: .raw).run() }
    // The one at the end of the line.
    try FileManager.default.removeItem(atPath: folder + "/leaf.hdf5")
    do {
      _ = try DemonstrationFile(path: path).images("cam", of: "demo_0")
      Issue.record("fill values were read")
    } catch {
      #expect("\(error)".contains("f.hdf5") && "\(error)".contains("leaf.hdf5"), "\(error)")
    }
    // Links that lead to each other end in a line as well.
    let circle = DatasetSummary(try DemonstrationFile(path: folder + "/a.hdf5"))
    #expect(circle.problems.contains { $0.contains("circle") || $0.contains("link") }, "\(circle.problems)")
  }

  /// A folder that happens to have the name of our unfinished work is somebody's own.
  @Test func removesNoFolderOfOthers() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.createDirectory(atPath: folder + "/a", withIntermediateDirectories: true)
    try Data("precious".utf8).write(to: URL(fileURLWithPath: folder + "/a/thesis.txt"))
    try Data().write(to: URL(fileURLWithPath: folder + "/b"))
    for name in ["a", "b"] {
      #expect(throws: EpisodeStoreError.notOurs(folder: "\(folder)/\(name)")) {
        try EpisodeStore(folder: "\(folder)/\(name)", identity: "x", replacing: true)
      }
    }
    #expect(FileManager.default.fileExists(atPath: folder + "/a/thesis.txt"))
  }

  @Test func geometryIsThatOfACamera() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try python(
      Self.frames + """
        good = np.array([16, 16, 8, 8, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0.5])
        bad = {"eye": np.eye(4).ravel(), "zeros": np.zeros(16), "far": good + 500 * (np.arange(16) == 7),
               "scaled": np.concatenate([good[:4], 1000 * good[4:]]), "short": good[:9]}
        with h5py.File('f.hdf5', 'w') as f:
            g = demo(f, "demo_0", ramp)
            g["obs/good_calibration"] = np.tile(good, (6, 1))
            for key, values in bad.items(): g[f"obs/{key}_calibration"] = np.tile(values, (6, 1))
            depth = np.full((6, 4, 4, 1), 0.7); depth[:, 0] = 90
            g["obs/sky_depth"] = depth
            depth[4] = 700; g["obs/row_depth"] = depth
            depth[4] = 0; g["obs/lost_depth"] = depth
            g["obs/cm_depth"] = np.full((6, 4, 4, 1), 70.0)
        """, in: folder)
    func open(_ key: String) throws {
      _ = try Demonstrations(.init([.init(path: folder + "/f.hdf5")], images: [], vectors: [key], memory: 0))
    }
    try open("good_calibration")
    try open("sky_depth")
    for (key, words) in [
      ("eye_calibration", "focal"), ("zeros_calibration", "focal"), ("far_calibration", "meters away"),
      ("scaled_calibration", "rotation"), ("short_calibration", "9 values"), ("row_depth", "in row 4"),
      ("lost_depth", "in row 4"), ("cm_depth", "values around 70"),
    ] {
      do {
        try open(key)
        Issue.record("\(key) was accepted")
      } catch {
        #expect("\(error)".contains(words) && "\(error)".contains(key), "\(error)")
      }
    }
  }

  @Test func saysWhyAFileDoesNotOpen() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.createDirectory(atPath: folder + "/dir.hdf5", withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(atPath: folder + "/link.hdf5", withDestinationPath: "gone.hdf5")
    try python(
      """
      open("lfs.hdf5", "w").write("version https://git-lfs.github.com/spec/v1\\noid sha256:0\\nsize 1\\n")
      open("gz.hdf5", "wb").write(b"\\x1f\\x8b\\x08" + bytes(99))
      open("zip.hdf5", "wb").write(b"PK\\x03\\x04" + bytes(99))
      open("tar.hdf5", "wb").write(bytes(257) + b"ustar\\0" + bytes(600))
      open("empty.hdf5", "wb")
      with h5py.File("block.hdf5", "w", userblock_size=1024) as f: f["data/demo_0/actions"] = np.zeros((2, 7))
      data = open("block.hdf5", "rb").read()
      open("short.hdf5", "wb").write(data[:-200])
      f = h5py.File("left.hdf5", "w", libver="latest"); f["data/demo_0/actions"] = np.zeros((2, 7)); f.flush(); os._exit(0)
      """, in: folder)
    for (name, words) in [
      ("none", "no such file"), ("dir", "folder"), ("link", "symbolic link to gone.hdf5"), ("lfs", "git lfs pull"),
      ("gz", "gzip"), ("zip", "unzip"), ("tar", "tar xf"), ("empty", "empty"), ("short", "truncated"),
      ("left", "h5clear -s"),
    ] {
      do {
        _ = try DemonstrationFile(path: "\(folder)/\(name).hdf5")
        Issue.record("\(name) opened")
      } catch {
        #expect("\(error)".contains(words), "\(name): \(error)")
      }
    }
    #expect(try DemonstrationFile(path: folder + "/block.hdf5").length("demo_0") == 2)
  }
}
