import Tensors

/// Cameras that do not fit each other, or what is recorded of them.
public enum CameraError: Error, Equatable, CustomStringConvertible {
  /// Cameras whose images differ in size.
  case sizes([String])
  /// A camera that the observations do not have.
  case missing(String, available: [String])
  /// Depths or calibrations that something needs.
  case missingGeometry(String, for: String)
  /// Depths or calibrations of another size.
  case geometrySize(String, found: Int, wanted: Int)
  /// A calibration that is not of these images.
  case wrongCalibration(String, reason: String)
  /// A key that is no position in the base's frame.
  case noGripper(String, reason: String)

  public var description: String {
    switch self {
    case .sizes(let cameras): "the cameras \(cameras.joined(separator: ", ")) have images of different sizes"
    case .missing(let camera, let available):
      "the world model looks through '\(camera)', the observations have: \(available.joined(separator: ", "))"
    case .missingGeometry(let key, let what):
      "'\(what)' needs '\(key)': name it under observations.vectors and record it (simulator: {depth: true})"
    case .geometrySize(let key, let found, let wanted):
      "'\(key)' has \(found) values a row, the images of its camera need \(wanted)"
    case .wrongCalibration(let key, let reason): "'\(key)' \(reason)"
    case .noGripper(let key, let reason):
      "'\(key)' \(reason); `gripper` is the key of its position in the base's frame (robot0_base_to_eef_pos)"
    }
  }
}

/// The demonstrations that a world model learns from: frames as views, and clips of frames with actions and rewards.
public final class WorldFrames {
  /// Where they come from.
  public let reader: any EpisodeReader
  /// The episodes to learn from.
  public let training: [Int]
  /// Those to measure on.
  public let heldOut: [Int]
  /// What a model of them is built for.
  public let blueprint: WorldBlueprint
  /// Which rows of a batch of so many this process learns from: its part where several train together, else all.
  package var rows: @Sendable (_ batch: Int) -> Range<Int> = { 0..<$0 }
  private let inputs: WorldInputs
  private let cameras: [CameraKeys]

  /// - Parameters:
  ///   - training: the episodes to learn from.
  ///   - heldOut: those to measure on.
  /// - Throws: `CameraError` when cameras, depths or calibrations have the wrong sizes.
  package init(_ reader: any EpisodeReader, _ inputs: WorldInputs, training: [Int], heldOut: [Int]) throws {
    self.reader = reader
    self.training = training
    self.heldOut = heldOut
    self.inputs = inputs
    cameras = inputs.cameras.map { CameraKeys($0) }
    if let missing = cameras.first(where: { reader.schema.images[$0.image] == nil }) {
      throw CameraError.missing(missing.image, available: reader.schema.imageKeys)
    }
    let sizes = Set(cameras.map { reader.schema.images[$0.image] })
    guard sizes.count == 1, let size = sizes.first ?? nil else { throw CameraError.sizes(cameras.map(\.name)) }
    blueprint = WorldBlueprint(
      context: LiftContext(
        cameras: inputs.cameras, size: size, fieldsOfView: inputs.fieldsOfView, frame: inputs.frame),
      actionWidth: reader.actionWidth, gripper: inputs.gripper)
    try reader.schema.checkGeometry(
      cameras, depths: inputs.depths, calibrations: inputs.calibrations, size: size, for: "world")
    if inputs.calibrations, let first = training.first {
      try reader.schema.checkCalibrations { try reader.vectors($0, episode: first, rows: 0..<1) }
    }
    if let gripper = inputs.gripper {
      guard reader.schema.vectors[gripper] == 3 else {
        throw CameraError.noGripper(gripper, reason: "does not have the 3 numbers of a position")
      }
      if let frame = try reader.recordedSchema().vectors[gripper]?.frame, frame != CameraCalibration.frame {
        throw CameraError.noGripper(gripper, reason: "is recorded in the frame of the \(frame)")
      }
    }
  }

  /// All time steps of some episodes.
  public func frames(of episodes: [Int]) -> [EpisodeStep] {
    episodes.flatMap { episode in
      (0..<reader.episodes[episode].length).map { EpisodeStep(episode: episode, step: $0) }
    }
  }

  /// Some time steps as all cameras saw them.
  public func views(_ frames: [EpisodeStep]) throws -> CameraViews {
    try CameraViews(
      cameras, size: blueprint.context.size, count: frames.count, withDepths: inputs.depths,
      withCalibrations: inputs.calibrations, gripper: inputs.gripper,
      pixels: { key in
        let (bytes, size) = (
          try frames.flatMap { try reader.images(key, episode: $0.episode, rows: [$0.step]) }, blueprint.context.size
        )
        return ByteTensor(bytes, shape: [frames.count, size.height, size.width, 3])
      },
      rows: { key in
        try frames.flatMap { try reader.vectors(key, episode: $0.episode, rows: $0.step..<$0.step + 1) }
      })
  }

  /// Where the gripper was at time steps, meters in the base's frame; nil where nobody asked for it.
  public func gripper(_ frames: [EpisodeStep]) throws -> [SIMD3<Float>]? {
    try inputs.gripper.map { key in
      try frames.map { frame in
        let row = try reader.vectors(key, episode: frame.episode, rows: frame.step..<frame.step + 1)
        return SIMD3(row[0], row[1], row[2])
      }
    }
  }

  /// The actions that follow time steps, `[frames, steps, actionWidth]`.
  public func actions(after frames: [EpisodeStep], steps: Int) throws -> Tensor {
    let width = blueprint.actionWidth
    let values = try frames.flatMap { frame in
      try reader.actions(episode: frame.episode)[frame.step * width..<(frame.step + steps) * width]
    }
    return Tensor(values, shape: [frames.count, steps, width])
  }

  /// The reward of each step of an episode.
  ///
  /// The last action leads to a state that no file holds, and a demonstration that ends with success has its only reward there:
  /// it counts for the action before, the last whose outcome is seen.
  public func rewards(episode: Int) throws -> [Float] {
    var rewards = try reader.rewards(episode: episode)
    let last = rewards.count - 1
    if last > 0 { rewards[last - 1] = max(rewards[last - 1], rewards[last]) }
    return rewards
  }

  /// The rewards of the actions after time steps, `[frames, steps]`.
  /// - Parameter all: the rewards of each episode.
  package func rewards(after frames: [EpisodeStep], steps: Int, _ all: [[Float]]) -> Tensor {
    Tensor(frames.flatMap { all[$0.episode][$0.step..<$0.step + steps] }, shape: [frames.count, steps])
  }
}

extension ObservationSchema {
  /// Refuses depths and calibrations of cameras that are not there or of other sizes.
  /// - Parameter user: what needs them, for messages.
  /// - Throws: `CameraError`.
  package func checkGeometry(
    _ cameras: [CameraKeys], depths: Bool, calibrations: Bool, size: ImageSize, for user: String
  ) throws {
    for camera in cameras {
      let wanted =
        (depths ? [(camera.depth, size.height * size.width)] : [])
        + (calibrations ? [(camera.calibration, CameraCalibration.width)] : [])
      for (key, wanted) in wanted {
        guard let found = vectors[key] else { throw CameraError.missingGeometry(key, for: user) }
        guard found == wanted else { throw CameraError.geometrySize(key, found: found, wanted: wanted) }
      }
    }
  }

  /// Refuses calibrations that are not of their cameras' images.
  /// - Parameter row: the first values of a key.
  /// - Throws: `CameraError.wrongCalibration`.
  package func checkCalibrations(_ row: (String) throws -> [Float]) throws {
    for key in imageKeys.map({ CameraKeys($0) }) where vectors[key.calibration] == CameraCalibration.width {
      let calibration = CameraCalibration(Array(try row(key.calibration).prefix(CameraCalibration.width)))
      if let reason = calibration.whatIsWrong(for: images[key.image]!) {
        throw CameraError.wrongCalibration(key.calibration, reason: reason)
      }
    }
  }
}
