import ArgumentParser
import Foundation
import ImageMetrics
import ImitationKit
import Reports

/// `imitate world evaluate`: how near a world model's predictions come to what happened.
struct WorldEvaluate: Verb {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Measure a world model's predictions on held-out demonstrations.",
    discussion: """
      Predictions are fed by the model's own. Images are compared with the recorded frames: PSNR and SSIM as \
      docs/image-metrics.md defines them, means over clips. LPIPS and FVD need network weights that are not part of the \
      toolkit.
      """)

  @Argument(help: "The run folder.") var runFolder: String
  @Option(help: "Other world models to measure on the same clips, for example an image DiT.") var against: [String] = []
  @Option(help: "How many steps to predict.") var steps = 10
  @Option(help: "How many clips, spread evenly over the held-out demonstrations.") var clips = 64
  @Option(help: "Weights of LPIPS, safetensors.") var lpips: String?
  @Option(help: "Weights of the I3D network for FVD, safetensors.") var i3d: String?
  @Option(help: "text or json.") var format: OutputFormat = .text
  @OptionGroup var device: DeviceChoice
  @OptionGroup var place: DatasetPlace

  func validate() throws {
    guard (1...1000).contains(steps) else { throw ValidationError("--steps must be from 1 to 1000") }
    guard clips > 0 else { throw ValidationError("--clips must be 1 or more") }
  }

  func run(in session: Session) throws {
    let result = try device.run(.float32) { try measure(session) }
    try result.write(to: RunFolder(runFolder))
    print(format == .json ? try OutputFormat.json(result) : result.consoleTable)
  }

  private func measure(_ session: Session) throws -> WorldEvaluation {
    let perceptual = try lpips.map { try LPIPS(contentsOf: $0) }
    let video = try i3d.map { try VideoDistance(contentsOf: $0) }
    var result = WorldEvaluation(
      toolkit: Toolkit.version, steps: steps, clips: 0, worlds: [],
      notComputed: [
        perceptual == nil ? "LPIPS (no --lpips weights)" : nil, video == nil ? "FVD (no --i3d weights)" : nil,
      ]
      .compactMap(\.self))
    let interruption = Interruption()
    var ground: [String]?
    for (number, path) in ([runFolder] + against).enumerated() {
      let world = try TrainedWorld(path, place, session.catalog)
      guard ground ?? world.ground == world.ground else {
        throw CommandFailure(
          "\(path): its demonstrations, those that are held out, its first camera or its images are not those of "
            + "\(runFolder); there is no comparing them")
      }
      ground = world.ground
      if number == 0 { result.weights = world.model.weightsDigest }
      let size = world.model.blueprint.context.size
      if let side = perceptual?.trunk.smallestSide, min(size.width, size.height) < side {
        throw CommandFailure("LPIPS needs images of \(side) pixels or more, these are \(size.width)x\(size.height)")
      }
      if video != nil, steps + world.model.context < InflatedInception.fewestFrames {
        throw CommandFailure("FVD needs clips of \(InflatedInception.fewestFrames) frames: use more --steps")
      }
      let places = world.places(steps: steps, count: clips)
      guard !places.isEmpty else {
        throw CommandFailure(
          world.data.heldOut.isEmpty
            ? "\(path): no demonstration was held out (data.validation)"
            : "no held-out demonstration of \(path) is \(steps + world.model.context) steps long")
      }
      let bar = ProgressBar("measure \(world.recipe.name)", total: places.count, unit: "clips")
      var sum = WorldScores.Sum(steps: steps, perceptual, video)
      for (done, place) in places.enumerated() {
        if interruption.isAsked { throw CommandFailure("stopped") }
        sum.add(
          try world.clip(episode: place.episode, first: place.first, steps: steps), world.model)
        bar.update(done + 1)
      }
      bar.finish()
      result.clips = places.count
      let isNamed = result.worlds.contains { $0.name.hasPrefix("\(world.recipe.name): ") }
      result.worlds += sum.scores(
        isNamed ? path : world.recipe.name, cameras: world.data.blueprint.context.cameras, baselines: number == 0)
    }
    return result
  }
}

/// What `imitate world evaluate` found.
struct WorldEvaluation: Codable {
  var toolkit: String
  var steps: Int
  var clips: Int
  var worlds: [WorldScores]
  /// A digest of the first world's weights; nil in files of version 0.1.
  var weights: String?
  var notComputed: [String]

  enum CodingKeys: String, CodingKey {
    case toolkit, steps, clips, worlds, weights
    case notComputed = "not_computed"
  }

  static func file(_ folder: RunFolder) -> String { folder.path + "/world-evaluation.json" }

  func write(to folder: RunFolder) throws {
    try AtomicFile.write(Data((try OutputFormat.json(self) + "\n").utf8), to: WorldEvaluation.file(folder))
  }

  /// What was found about the world model that an encoder names; nil when it names none, or none that was measured.
  ///
  /// - Parameter weights: those it had when the policy was made of it: others that stand in its place now say nothing of it.
  static func prediction(_ world: Setting?, of weights: String?) -> Comparison.Prediction? {
    guard case .text(let path) = world?.value else { return nil }
    let ending = ": \(WorldScores.Sum.Way.predicted.rawValue)"
    let folder = path.hasSuffix(".safetensors") ? path.parentFolder : path
    guard let data = FileManager.default.contents(atPath: file(RunFolder(folder))),
      let found = try? JSONDecoder().decode(WorldEvaluation.self, from: data),
      let row = found.worlds.first(where: { $0.name.hasSuffix(ending) }), !row.psnrByStep.isEmpty,
      weights == nil || found.weights == nil || weights == found.weights
    else { return nil }
    return Comparison.Prediction(
      world: String(row.name.dropLast(ending.count)), clips: found.clips,
      psnrByStep: row.psnrByStep, ssim: row.ssim)
  }

  var consoleTable: String {
    func number(_ value: Double?, _ digits: Int) -> String { value.map { String(format: "%.\(digits)f", $0) } ?? "-" }
    let shown = [1, 5, 10].filter { $0 < steps } + [steps]
    let header =
      ["images"] + Array(Set(shown)).sorted().map { "PSNR \($0)" } + ["PSNR", "SSIM", "LPIPS", "FVD"]
    let rows = worlds.map { row in
      [row.name] + Array(Set(shown)).sorted().map { number(row.psnrByStep[$0 - 1], 2) }
        + [number(row.psnr, 2), number(row.ssim, 3), number(row.lpips, 4), number(row.fvd, 1)]
    }
    var text = table(header, rows)
    for row in worlds {
      guard let near = row.latentError, let last = row.lastLatentError else { continue }
      text += String(
        format:
          "\n%@: states one step ahead are off by %.4f (mean square), the last known ones by %.4f: %.1f times nearer",
        row.name, near, last, last / near)
    }
    text += "\n\(clips) clips of \(steps) steps from held-out demonstrations; dB and SSIM against the recorded frames"
    return notComputed.isEmpty ? text : text + "\nnot computed: " + notComputed.joined(separator: ", ")
  }
}

/// One way to predict images, and how near it came.
struct WorldScores: Codable {
  var name: String
  /// Means over clips and steps.
  var psnr: Double
  var ssim: Double
  var lpips: Double?
  var fvd: Double?
  var psnrByStep: [Double]
  var ssimByStep: [Double]
  /// Mean squared errors of states one step ahead: predicted, and the last known one.
  var latentError: Double?
  var lastLatentError: Double?

  enum CodingKeys: String, CodingKey {
    case name, psnr, ssim, lpips, fvd
    case psnrByStep = "psnr_by_step"
    case ssimByStep = "ssim_by_step"
    case latentError = "latent_error"
    case lastLatentError = "last_latent_error"
  }

  /// Means in the making.
  struct Sum {
    /// The ways that are measured side by side.
    enum Way: String, CaseIterable { case predicted, lastState, copied, encoded, lifted }

    private let steps: Int
    private let empty: VideoScores
    private let video: VideoDistance?
    private var clips = 0
    private var scores: [Way: VideoScores] = [:]
    /// What the lift's Gaussians look like from the cameras beside the first.
    private var beside: [Int: VideoScores] = [:]
    private var recorded: [[Double]] = []
    private var latent = (near: 0.0, last: 0.0)

    init(steps: Int, _ perceptual: LPIPS?, _ video: VideoDistance?) {
      self.steps = steps
      self.video = video
      empty = VideoScores(steps: steps, perceptual: perceptual, video: video)
    }

    mutating func add(_ clip: TrainedWorld.Clip, _ model: any WorldModel) {
      let context = model.context
      let range = context..<context + steps
      let ahead = Array(clip.views[0][range])
      let last = clip.states.items(context - 1..<context)
      let frames = clip.frames[0]
      func repeated(_ one: Tensor) -> Tensor { one.broadcast(to: [steps] + one.shape.dropFirst()) }
      var images: [Way: Tensor] = [
        .predicted: model.decode(clip.predicted, from: ahead),
        .lastState: repeated(model.decode(last, from: [clip.views[0][context - 1]])),
        .copied: repeated(frames.sliced(axis: 0, context - 1..<context)),
      ]
      if model.gaussians(last) != nil { images[.encoded] = model.decode(clip.states.items(range), from: ahead) }
      if let lifted = clip.lifted {
        let set = Gaussians(lifted.values.sliced(axis: 0, range))
        func drawn(_ camera: Int) -> Tensor {
          set.rendered(from: Array(clip.views[camera][range])).sliced(axis: 3, 0..<3).clamped(to: 0...1)
        }
        images[.lifted] = drawn(0)
        for camera in clip.views.indices.dropFirst() {
          beside[camera, default: empty].add(
            drawn(camera), truth: clip.frames[camera].sliced(axis: 0, range),
            past: clip.frames[camera].sliced(axis: 0, 0..<context))
        }
      }
      let (truth, past) = (frames.sliced(axis: 0, range), frames.sliced(axis: 0, 0..<context))
      for (way, images) in images { scores[way, default: empty].add(images, truth: truth, past: past) }
      if let video { recorded.append(video.features(frames)) }
      let next = clip.states.items(context..<context + 1).tokens
      latent.near += Double((clip.predicted.items(0..<1).tokens - next).square().mean().item)
      latent.last += Double((last.tokens - next).square().mean().item)
      clips += 1
    }

    /// - Parameter baselines: whether what needs no prediction is reported too.
    func scores(_ name: String, cameras: [String], baselines: Bool) -> [WorldScores] {
      func row(_ scores: VideoScores?, _ name: String, latent: Bool = false) -> WorldScores? {
        guard let scores else { return nil }
        func mean(_ steps: [Double]) -> Double { steps.reduce(0, +) / Double(steps.count) }
        return WorldScores(
          name: name, psnr: mean(scores.psnrByStep), ssim: mean(scores.ssimByStep), lpips: scores.lpips,
          fvd: scores.fvd(recorded), psnrByStep: scores.psnrByStep, ssimByStep: scores.ssimByStep,
          latentError: latent ? self.latent.near / Double(clips) : nil,
          lastLatentError: latent ? self.latent.last / Double(clips) : nil)
      }
      var rows = [
        row(scores[.predicted], "\(name): \(Way.predicted.rawValue)", latent: true),
        row(scores[.lastState], "\(name): last state drawn"),
        row(scores[.encoded], "\(name): true states drawn"), row(scores[.lifted], "\(name): lift drawn"),
      ]
      for (camera, scores) in beside.sorted(by: { $0.key < $1.key }) {
        rows.append(row(scores, "\(name): lift drawn from \(cameras[camera])"))
      }
      if baselines { rows.append(row(scores[.copied], "last frame copied")) }
      return rows.compactMap(\.self)
    }
  }
}

extension TrainedWorld {
  /// Opens a finished run with its demonstrations.
  init(_ path: String, _ place: DatasetPlace, _ catalog: Catalog) throws {
    let folder = RunFolder(path)
    let recipe = try TrainedWorld.recipe(of: folder)
    try self.init(WorldTraining(recipe, folder, place, catalog), catalog: catalog)
  }
}
