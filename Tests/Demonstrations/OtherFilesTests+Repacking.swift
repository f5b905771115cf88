import Demonstrations
import Foundation
import Imitation
import Testing

/// What repacking keeps of them.
extension OtherFilesTests {
  @Test func repackingKeepsAndComparesEverything() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try python(
      Self.frames + """
        lists = np.empty(2, dtype=h5py.vlen_dtype("f4"))
        lists[0], lists[1] = np.arange(3, dtype="f4"), np.arange(5, dtype="f4")
        with h5py.File('part.hdf5', 'w') as f: demo(f, 'demo_0', np.full((6, 8, 8, 3), 9, 'u1'))
        with h5py.File('f.hdf5', 'w') as f:
            f.attrs["license"] = "CC-BY-4.0"
            f.attrs["names"] = np.array(["a", "bb"], dtype=h5py.string_dtype())
            g = demo(f, "demo_0", ramp, compression="gzip")
            g["obs/cam"].attrs["fovy"] = 45.0
            g["obs"].attrs["rate"] = 20.0
            g["notes"] = np.array(["x", "yy"], dtype=h5py.string_dtype())
            g["lists"] = lists
            g["rows"] = np.ones(3, [("a", "i4"), ("b", "f8", 2)])
            g["obs/again"] = h5py.SoftLink("/data/demo_0/obs/cam")
            g["twin"] = g["actions"]
            f["data/demo_1"] = h5py.ExternalLink("part.hdf5", "/data/demo_0")
            f["data/camera_info/intrinsics"] = np.eye(3)
            f.copy("data/demo_0", f["data"], "failed_0")
            f["mask/all"] = np.array(["demo_0"], dtype="S")
            f["mask"].attrs["made_by"] = "split.py"
        """, in: folder)
    for (kind, name) in [(FrameStorage.raw, "raw"), (.lossless, "lossless")] {
      let out = "\(folder)/\(name).hdf5"
      _ = try Repacking(DemonstrationFile(path: folder + "/f.hdf5"), to: out, as: kind).run()
      try python(
        """
        def tree(f):
            found = {"/": ("group", dict(f.attrs))}
            def add(name, o): found[name] = (o[()].tolist() if isinstance(o, h5py.Dataset) else "group", dict(o.attrs))
            def walk(g, prefix):
                for k in g:
                    add(prefix + k, g[k])
                    if isinstance(g[k], h5py.Group): walk(g[k], prefix + k + "/")
            walk(f, "")
            return found
        a, b = tree(h5py.File("f.hdf5")), tree(h5py.File("\(name).hdf5"))
        assert a.keys() == b.keys(), a.keys() ^ b.keys()
        for k in a: assert repr(a[k]) == repr(b[k]), k
        assert isinstance(h5py.File("\(name).hdf5").get("data/demo_0/obs/again", getlink=True), h5py.SoftLink)
        assert isinstance(h5py.File("\(name).hdf5").get("data/demo_1", getlink=True), h5py.HardLink)
        """, in: folder)
      #expect(!FileManager.default.fileExists(atPath: out + ".parts"))
    }
    // Whatever cannot be copied is an error, and nothing stays.
    for (change, words) in [
      (#"f["data/demo_0/where"] = f["data/demo_0"].ref"#, "references"),
      (#"f["data/demo_0/self"] = f["data/demo_0"]"#, "the group holds itself"),
      (#"f["data/lost"] = h5py.SoftLink("/nowhere")"#, "'data/lost' is a link to '/nowhere'"),
      (#"f["mask/gone"] = h5py.ExternalLink("gone.hdf5", "/x")"#, "'gone.hdf5': no such file"),
    ] {
      try python(
        "import shutil; shutil.copy('f.hdf5', 'g.hdf5')\nwith h5py.File('g.hdf5', 'a') as f: \(change)", in: folder)
      do {
        _ = try Repacking(DemonstrationFile(path: folder + "/g.hdf5"), to: folder + "/out.hdf5", as: .raw).run()
        Issue.record("\(change) was repacked")
      } catch {
        #expect("\(error)".contains(words), "\(error)")
      }
      let left = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("out") }
      #expect(left.isEmpty, "\(left)")
    }
  }

  /// A symbolic link of another file means a place in that file, and its bytes are part of what is repacked.
  @Test func repackingFollowsLinksOfOtherFiles() throws {
    let folder = try folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try python(
      Self.frames + """
        for part in range(2):
            with h5py.File(f"part{part}.hdf5", "w") as f:
                g = demo(f, "demo_0", np.full((6, 8, 8, 3), 50 + part, "u1"))
                g["poses"] = np.full((6, 3), part)
                g["obs/pos"] = h5py.SoftLink("/data/demo_0/poses")
                f.move("data/demo_0/obs/cam", "data/demo_0/frames")
                g["obs/cam"] = h5py.SoftLink("/data/demo_0/frames")
        with h5py.File('f.hdf5', 'w') as f:
            for part in range(2): f[f"data/demo_{part}"] = h5py.ExternalLink(f"part{part}.hdf5", "/data/demo_0")
        """, in: folder)
    let source = try DemonstrationFile(path: folder + "/f.hdf5")
    #expect(
      Set(source.filesBehind.map { ($0 as NSString).lastPathComponent }) == ["f.hdf5", "part0.hdf5", "part1.hdf5"])
    var done = 0
    let first = try Repacking(source, to: folder + "/o.hdf5", as: .raw)
    #expect(try first.run(shouldStop: { done > 0 }, progress: { done = $0 }) == nil)
    // What is behind a link changed: the parts are of another file.
    try python("with h5py.File('part0.hdf5', 'a') as f: f['data/demo_0/frames'][3] = 111", in: folder)
    #expect(throws: EpisodeStoreError.otherParts(folder: folder + "/o.hdf5.parts")) {
      try Repacking(DemonstrationFile(path: folder + "/f.hdf5"), to: folder + "/o.hdf5", as: .raw)
    }
    _ = try Repacking(source, to: folder + "/o.hdf5", as: .raw, replacing: true).run()
    try python(
      """
      f = h5py.File("o.hdf5")
      assert (f["data/demo_0/obs/cam"][3] == 111).all() and (f["data/demo_0/obs/cam"][2] == 50).all()
      assert (f["data/demo_1/obs/cam"][()] == 51).all()
      assert (f["data/demo_0/obs/pos"][()] == 0).all() and (f["data/demo_1/obs/pos"][()] == 1).all()
      """, in: folder)
  }
}
