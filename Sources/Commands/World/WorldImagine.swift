import ArgumentParser
import Foundation
import ImageMetrics
import ImitationKit
import Reports

/// `imitate world imagine`: a demonstration's beginning and its actions in, predicted beside true future out.
struct WorldImagine: Verb {
  static let configuration = CommandConfiguration(
    commandName: "imagine",
    abstract: "Show what a world model predicts beside what happened.",
    discussion: """
      Writes an animated image (true and imagined, from the recorded camera and from one beside it) and a page with a \
      viewer of the Gaussians into RUN/imagined.
      """)

  @Argument(help: "The run folder.") var runFolder: String
  @Option(help: "Which demonstration, for example demo_3; a held-out one of each task when left out.")
  var demo: String?
  @Option(help: "The moment to begin at.") var start = 0
  @Option(help: "How many steps to predict; to the demonstration's end when left out.") var steps: Int?
  @Option(help: "By how many degrees the free camera stands beside the recorded one.") var angle = 25.0
  @OptionGroup var device: DeviceChoice
  @OptionGroup var place: DatasetPlace

  func validate() throws {
    try requirePositive(("steps", steps))
    guard (-180...180).contains(angle) else { throw ValidationError("--angle must be from -180 to 180 degrees") }
  }

  func run(in session: Session) throws {
    try device.run(.float32) { try imagine(session) }
  }

  private func imagine(_ session: Session) throws {
    let folder = RunFolder(runFolder)
    let world = try TrainedWorld(runFolder, place, session.catalog)
    let episodes = world.data.reader.episodes
    let chosen: [Int]
    if let demo {
      chosen = episodes.indices.filter { episodes[$0].name == demo }
      guard !chosen.isEmpty else {
        throw CommandFailure("no demonstration '\(demo)' of \(episodes.count) in \(world.recipe.data.split)")
      }
    } else {
      let pool = world.data.heldOut.isEmpty ? Array(episodes.indices) : world.data.heldOut
      chosen = world.recipe.data.tasks.compactMap { task in pool.first { episodes[$0].task == task } }
    }
    let output = folder.path + "/imagined"
    try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
    for episode in chosen {
      let name = "\(episodes[episode].task)-\(episodes[episode].name)"
      let room = episodes[episode].length - world.model.context - start
      guard start >= 0, room > 0 else {
        throw CommandFailure(
          "\(name) has \(episodes[episode].length) steps; "
            + (room + start > 0 ? "begin at 0 to \(room + start - 1)" : "that is too short to predict any"))
      }
      let clip = try world.clip(episode: episode, first: start, steps: min(steps ?? room, room))
      let video = video(clip, world.model)
      let heldOut = world.data.heldOut.contains(episode)
      try AtomicFile.write(
        Data(Image.animatedPNG(video.frames, framesPerSecond: 10)), to: "\(output)/\(name).png")
      try AtomicFile.write(
        Data(page(name, episodes[episode].instruction, heldOut, clip, video, world).utf8), to: "\(output)/\(name).html")
      print("\(output)/\(name).png\n\(output)/\(name).html")
    }
  }

  private struct Video {
    var frames: [Image]
    /// Which images stand beside each other.
    var parts: [String]
  }

  private func video(_ clip: TrainedWorld.Clip, _ model: any WorldModel) -> Video {
    let range = model.context..<clip.frames[0].shape[0]
    let own = Array(clip.views[0][range])
    let states = clip.states.items(range)
    var parts = [
      ("true", clip.frames[0].sliced(axis: 0, range)), ("imagined", model.decode(clip.predicted, from: own)),
    ]
    if let set = model.gaussians(clip.states.items(0..<1)) {
      let middle = set.means.mean(axes: [0, 1]).scalars
      let free = own.map { $0.turned(angle, around: SIMD3(middle[0], middle[1], middle[2])) }
      parts += [
        ("true, from beside", model.decode(states, from: free)),
        ("imagined, from beside", model.decode(clip.predicted, from: free)),
      ]
    }
    let frames = (0..<range.count).map { step in
      Image.composed(
        parts.map { Image($0.1.sliced(axis: 0, step..<step + 1).squeezed(0)).enlarged(3) }, columns: parts.count)
    }
    return Video(frames: frames, parts: parts.map(\.0))
  }

  private func page(
    _ name: String, _ instruction: String, _ heldOut: Bool, _ clip: TrainedWorld.Clip, _ video: Video,
    _ world: TrainedWorld
  ) -> String {
    let context = world.model.context
    let steps = video.frames.count
    let images = world.model.decode(clip.predicted, from: Array(clip.views[0][context...]))
    let psnr = (0..<steps).map { step in
      ImageMetrics.psnr(
        images.sliced(axis: 0, step..<step + 1).squeezed(0),
        clip.frames[0].sliced(axis: 0, context + step..<context + step + 1).squeezed(0))
    }
    let video64 = Data(Image.animatedPNG(video.frames, framesPerSecond: 10)).base64EncodedString()
    var body = """
      <header><h1>\(HTMLPage.escaped(name))</h1>
      <p class="lead">&ldquo;\(HTMLPage.escaped(instruction))&rdquo;: \(steps) steps imagined by \
      \(HTMLPage.escaped(world.recipe.name)) from the first \(context) frames and the recorded actions, fed by its own \
      predictions. \(heldOut ? "The demonstration was held out." : "The model was trained on this demonstration.")</p></header>
      <figure><img alt="true and imagined frames" src="data:image/png;base64,\(video64)">
      <figcaption>\(video.parts.map(HTMLPage.escaped).joined(separator: " | "))</figcaption></figure>
      <p class="note">PSNR of the imagined frames: \(String(format: "%.1f dB after 1 step, %.1f dB after %d", psnr[0], psnr[steps - 1], steps)).\
      \(clip.rewards.map { rewards in
        let expected = rewards.reduce(0, +)
        return String(
          format: " It expects rewards of %.2f in all; %.2f came.", abs(expected) < 0.005 ? 0 : expected,
          clip.trueRewards.reduce(0, +))
      } ?? "")</p>
      """
    if let imagined = world.model.gaussians(clip.predicted),
      let truth = world.model.gaussians(clip.states.items(context..<context + steps))
    {
      // The viewer stands where the first camera does.
      let view = clip.views[0][0]
      func frames(_ set: Gaussians) -> [[Float]] {
        (0..<set.batch).map { RigidMotion(into: view)(set.item($0)).values.scalars }
      }
      let angle = 2 * atan(Double(view.height) / 2 / Double(view.focal.y)) * 180 / .pi
      let viewer = GaussianViewer(
        tracks: [.init(name: "imagined", frames: frames(imagined)), .init(name: "true", frames: frames(truth))],
        verticalFieldOfView: angle, framesPerSecond: 10)
      body += """
        <h2>The Gaussians</h2>
        <p class="note">Both are what the codec decodes: of imagined states, and of those that the recorded frames have.
        \(clip.predicted.seen == nil ? "" : "The images above add only how that changes to what was last seen (residual), so they are sharper.")</p>
        \(viewer.html)
        """
    }
    return HTMLPage.text(title: name, style: "figure img { image-rendering: pixelated; }", body: body)
  }
}

extension SplattingView {
  /// The view from beside: turned by an angle, degrees, around a point, meters.
  fileprivate func turned(_ angle: Double, around middle: SIMD3<Float>) -> SplattingView {
    let (c, s) = (Float(cos(angle * .pi / 180)), Float(sin(angle * .pi / 180)))
    let turn = [SIMD3(c, 0, s), SIMD3(0, 1, 0), SIMD3(-s, 0, c)]
    func times(_ rows: [SIMD3<Float>], _ v: SIMD3<Float>) -> SIMD3<Float> {
      SIMD3((rows[0] * v).sum(), (rows[1] * v).sum(), (rows[2] * v).sum())
    }
    var result = self
    result.rotation = turn.map { row in rotation[0] * row.x + rotation[1] * row.y + rotation[2] * row.z }
    let seen = times(rotation, middle) + translation
    result.translation = seen - times(turn, seen - translation)
    return result
  }
}
