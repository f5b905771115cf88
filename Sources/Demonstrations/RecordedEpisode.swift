import Imitation

/// One episode in memory, as it will be written.
package struct RecordedEpisode: Sendable {
  package struct Camera: Sendable {
    package var size: ObservationSchema.ImageSize
    /// `[length, height, width, 3]`.
    package var pixels: [UInt8]
  }

  package struct Vector: Sendable {
    package var width: Int
    /// `[length, width]`.
    package var values: [Float]

    package init(width: Int, values: [Float]) {
      self.width = width
      self.values = values
    }
  }

  /// `[length, width]`.
  package var actions: [Float] = []
  package var actionWidth: Int
  /// The same with the arm's goal instead of its step; empty when that is not known.
  package var absoluteActions: [Float] = []
  package var states: [[Double]] = []
  package var rewards: [Double] = []
  package var dones: [Int64] = []
  package var cameras: [String: Camera] = [:]
  package var vectors: [String: Vector] = [:]
  /// `ep_meta` and `model_file`.
  package var description: EpisodeDescription
  /// The seed of its scene.
  package var seed: UInt64?
  /// What generating others from it needs to know of each row, and where its action was to take the gripper; empty when that
  /// is not known.
  package var generation: [GenerationInfo] = []
  package var targets: [Pose] = []
  /// The demonstrations that it was generated from, one for each subtask.
  package var sources: [String] = []

  /// Whether its actions begin with an arm's position, its rotation and a gripper, which `action_dict` then holds apart.
  package var isOfArm = true

  package init(actionWidth: Int, description: EpisodeDescription) {
    self.actionWidth = actionWidth
    self.description = description
  }

  package var length: Int { dones.count }

  /// Takes an action and adds it, with what generating others needs where the environment tells.
  package mutating func take(
    _ action: [Float], seeing observation: Observation, in environment: any EpisodeRecording
  ) throws -> Transition {
    let (state, recorded) = (try environment.state, environment.recorded(action))
    if let environment = environment as? any GenerativeEnvironment, let info = environment.generationInfo {
      generation.append(info)
      targets.append(environment.target(of: action))
    }
    isOfArm = environment.spec.actions.isOfArm
    let step = try environment.step(action)
    // What a robot gets is decided when it is sent.
    let sent = (environment as? any RealTimeEnvironment)?.sent
    append(
      observation, action: sent ?? recorded.relative, absolute: recorded.absolute, state: state, success: step.success)
    return step
  }

  /// Adds what was seen, what was done then, and whether that solved the task.
  package mutating func append(
    _ observation: Observation, action: [Float], absolute: [Float]? = nil, state: [Double], success: Bool
  ) {
    for (key, image) in observation.images {
      cameras[key, default: Camera(size: .init(height: image.height, width: image.width), pixels: [])].pixels +=
        image.pixels
    }
    for (key, values) in observation.vectors {
      vectors[key, default: Vector(width: values.count, values: [])].values += values
    }
    actions += action
    absoluteActions += absolute ?? []
    states.append(state)
    rewards.append(success ? 1 : 0)
    dones.append(success ? 1 : 0)
  }
}

extension HDF5File {
  /// Writes an episode as the group `name`, RoboCasa's layout.
  ///
  /// A frame is one chunk, so that one row inflates that row only; h5py's automatic chunks would inflate thirty.
  package func write(_ episode: RecordedEpisode, as name: String) throws {
    let rows = episode.length
    let width = episode.actionWidth
    try createGroup(name)
    try setInteger(rows, of: name, "num_samples")
    try setText(episode.description.metadata, of: name, "ep_meta")
    try setText(episode.description.model, of: name, "model_file")
    let actions = episode.actions.map(Double.init)
    try write(actions, shape: [rows, width], to: "\(name)/actions")
    try write(episode.states.flatMap { $0 }, shape: [rows, episode.states.first?.count ?? 0], to: "\(name)/states")
    try write(episode.rewards, shape: [rows], to: "\(name)/rewards")
    try write(episode.dones, shape: [rows], to: "\(name)/dones")
    if !episode.absoluteActions.isEmpty {
      try write(episode.absoluteActions.map(Double.init), shape: [rows, width], to: "\(name)/actions_abs")
    }
    if episode.isOfArm, width >= 7 { try writeActionDictionary(episode, name) }
    if let seed = episode.seed { try setInteger(Int(seed), of: name, "seed") }
    if !episode.sources.isEmpty { try write(episode.sources, to: "\(name)/src_demos") }
    if !episode.generation.isEmpty { try writeGenerationInfo(episode, name) }
    try writeObservations(of: episode, name)
  }

  /// What was seen, as `name/obs`.
  package func writeObservations(of episode: RecordedEpisode, _ name: String) throws {
    let rows = episode.length
    try createGroup("\(name)/obs")
    for (key, camera) in episode.cameras.sorted(by: { $0.key < $1.key }) {
      let shape = [rows, camera.size.height, camera.size.width, 3]
      try write(camera.pixels, shape: shape, to: "\(name)/obs/\(key)", chunk: [1] + shape.dropFirst())
    }
    for (key, vector) in episode.vectors.sorted(by: { $0.key < $1.key }) {
      // Depths belong to a camera and keep the form of its images.
      if CameraKeys.isDepth(key, width: vector.width),
        let size = episode.cameras[CameraKeys(String(key.dropLast(6))).image]?.size
      {
        let shape = [rows, size.height, size.width, 1]
        try write(vector.values, shape: shape, to: "\(name)/obs/\(key)", chunk: [1] + shape.dropFirst())
        continue
      }
      let shape = [rows, vector.width]
      try write(vector.values.map(Double.init), shape: shape, to: "\(name)/obs/\(key)", chunk: shape)
    }
  }

  /// The first seven numbers again by their parts, as RoboCasa's extraction writes them.
  private func writeActionDictionary(_ episode: RecordedEpisode, _ name: String) throws {
    let (rows, width) = (episode.length, episode.actionWidth)
    try createGroup("\(name)/action_dict")
    for (form, actions) in [("rel", episode.actions), ("abs", episode.absoluteActions)] where !actions.isEmpty {
      func part(_ range: Range<Int>) -> [Float] {
        (0..<rows).flatMap { row in range.map { actions[row * width + $0] } }
      }
      try write(part(0..<3), shape: [rows, 3], to: "\(name)/action_dict/\(form)_pos")
      try write(part(3..<6), shape: [rows, 3], to: "\(name)/action_dict/\(form)_rot_axis_angle")
      let turns = (0..<rows).flatMap { row in
        AxisAngle.firstTwoRows((0..<3).map { Double(actions[row * width + 3 + $0]) }).map(Float.init)
      }
      try write(turns, shape: [rows, 6], to: "\(name)/action_dict/\(form)_rot_6d")
      if form == "rel" { try write(part(6..<7), shape: [rows, 1], to: "\(name)/action_dict/gripper") }
    }
  }

  /// MimicGen's `datagen_info`.
  private func writeGenerationInfo(_ episode: RecordedEpisode, _ name: String) throws {
    let (info, rows) = (episode.generation, episode.length)
    let group = "\(name)/datagen_info"
    for path in [group, "\(group)/object_poses", "\(group)/subtask_term_signals"] { try createGroup(path) }
    func write(_ poses: [Pose], to path: String) throws {
      try self.write(poses.flatMap(\.matrix), shape: [rows, 4, 4], to: "\(group)/\(path)")
    }
    try write(info.map(\.gripper), to: "eef_pose")
    try write(episode.targets, to: "target_pose")
    for frame in info[0].frames.keys.sorted() {
      try write(info.map { $0.frames[frame] ?? .identity }, to: "object_poses/\(frame)")
    }
    for signal in info[0].signals.keys.sorted() {
      try self.write(
        info.map { $0.signals[signal] == true ? 1 : 0 } as [Int64], shape: [rows],
        to: "\(group)/subtask_term_signals/\(signal)")
    }
    if episode.actionWidth >= 7 {
      let gripper = (0..<rows).map { episode.actions[$0 * episode.actionWidth + 6] }
      try self.write(gripper, shape: [rows, 1], to: "\(group)/gripper_action")
    }
  }
}
