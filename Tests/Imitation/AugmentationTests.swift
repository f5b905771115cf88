import Foundation
import Imitation
import Tensors
import Testing

/// Moved windows are what a robot would record whose base stood elsewhere.
@Suite struct AugmentationTests {
  static let position = "robot0_base_to_eef_pos"
  static let quaternion = "robot0_base_to_eef_quat"

  static func jitter(
    _ settings: String = "{}", actions: ActionSchema = .roboCasa, vectors: [String: Int] = [position: 3],
    meanings: [String: VectorSchema] = [:], layout: ActionLayout = AugmentationTests.arm()
  ) throws -> RigidJitter {
    try RigidJitter(
      Augmentation(Setting(json: settings)), RecordedSchema(actions: actions, vectors: meanings),
      observations: ObservationSchema(images: [:], vectors: vectors), layout: layout)
  }

  /// The arm's six numbers and the gripper, of RoboCasa's twelve.
  static func arm(rotations: [Int] = []) -> ActionLayout {
    ActionLayout(learned: Array(0..<7), template: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1], rotations: rotations)
  }

  /// One frame and one action a window.
  static func batch(_ vectors: [String: [Float]], actions: [[Float]]) -> Batch {
    let count = actions.count
    return Batch(
      observations: ObservationBatch(
        images: [:], vectors: vectors.mapValues { Tensor($0, shape: [count, 1, $0.count / count]) },
        instructions: Array(repeating: "", count: count), time: 1),
      actions: Tensor(actions.flatMap { $0 }, shape: [count, 1, actions[0].count]), mask: .ones([count, 1]))
  }

  static func near(_ found: [Float], _ wanted: [Float], _ tolerance: Float = 1e-5) -> Bool {
    found.count == wanted.count && zip(found, wanted).allSatisfy { abs($0 - $1) <= tolerance }
  }

  static func random(_ random: inout Random) -> Pose {
    func vector() -> SIMD3<Double> { SIMD3(random.normal(), random.normal(), random.normal()) }
    return Pose(position: vector(), rotation: Rotation(vector()))
  }

  private let still: [Float] = [0, 0, 0, 0, 0, 0, 1]
  private let quarter = RigidJitter.Motion(yaw: .pi / 2, shift: SIMD3(1, 2, 3))

  // MARK: Closed forms

  @Test func positionsTurnAboutTheBaseAndShift() throws {
    let moved = try Self.jitter()(Self.batch([Self.position: [1, 0, 0.5]], actions: [still]), by: [quarter])
    #expect(Self.near(moved.observations.vectors[Self.position]!.scalars, [1, 3, 3.5]))
    #expect(moved.actions.scalars == still)
  }

  /// Half a turn about x, then a quarter about z: in either order of the numbers.
  @Test func quaternionsAreTurnedFromTheLeft() throws {
    let half = Float(0.5).squareRoot()
    let right = try Self.jitter(vectors: [Self.quaternion: 4])(
      Self.batch([Self.quaternion: [1, 0, 0, 0]], actions: [still]), by: [quarter])
    #expect(Self.near(right.observations.vectors[Self.quaternion]!.scalars, [half, half, 0, 0]))
    var random = Random(seed: 1)
    let meaning = VectorSchema(unit: "1", frame: "robot base", quaternion: "wxyz")
    let jitter = try Self.jitter(vectors: ["q": 4], meanings: ["q": meaning])
    for _ in 0..<20 {
      let pose = Self.random(&random)
      func numbers(_ q: Rotation) -> [Float] { [Float(q.w)] + (0..<3).map { Float(q.vector[$0]) } }
      let motion = RigidJitter.Motion(yaw: random.uniform(-3...3), shift: .zero)
      let found = jitter(Self.batch(["q": numbers(pose.rotation)], actions: [still]), by: [motion])
      let wanted = numbers(Rotation(yaw: motion.yaw) * pose.rotation)
      #expect(Self.near(found.observations.vectors["q"]!.scalars, wanted))
    }
  }

  /// A moved camera sees a moved point in the same pixel and as far away; and encoders get the same motion.
  @Test func camerasMoveWithWhatTheySee() throws {
    var random = Random(seed: 2)
    let key = CameraKeys("robot0_agentview_left").calibration
    let jitter = try Self.jitter(vectors: [key: 16, Self.position: 3])
    for _ in 0..<20 {
      let (pose, point) = (Self.random(&random), Self.random(&random).position)
      let matrix = pose.matrix.map(Float.init)
      let motion = RigidJitter.Motion(yaw: random.uniform(-3...3), shift: Self.random(&random).position)
      let moved = jitter(
        Self.batch(
          [key: [50, 60, 32, 31] + matrix[0..<12], Self.position: (0..<3).map { Float(point[$0]) }], actions: [still]),
        by: [motion]
      ).observations
      let numbers = moved.vectors[key]!.scalars
      #expect(Array(numbers[0..<4]) == [50, 60, 32, 31])
      let camera = Pose(matrix: numbers[4...].map(Double.init) + [0, 0, 0, 1])
      let place = moved.vectors[Self.position]!.scalars.map(Double.init)
      func seen(_ point: SIMD3<Double>, _ camera: Pose) -> SIMD3<Double> {
        Pose(position: point, rotation: .identity).seen(from: camera).position
      }
      #expect((seen(SIMD3(place[0], place[1], place[2]), camera) - seen(point, pose)).length < 1e-5)
      let given = try #require(moved.motion).moved(Tensor((0..<3).map { Float(point[$0]) }, shape: [1, 1, 3])).scalars
      #expect(Self.near(given, moved.vectors[Self.position]!.scalars, 1e-4))
    }
  }

  @Test func stepsTurnAsVectors() throws {
    let moved = try Self.jitter()(
      Self.batch([Self.position: [0, 0, 0]], actions: [[1, 0.5, 0.25, -0.5, 0.75, 0.1, -1]]), by: [quarter])
    #expect(Self.near(moved.actions.scalars, [-0.5, 1, 0.25, -0.75, -0.5, 0.1, -1]))
  }

  /// The pose of a moved goal is the goal's pose, moved; learned as three numbers or as six.
  @Test(arguments: [[], [3]]) func goalsArePoses(_ rotations: [Int]) throws {
    var random = Random(seed: 3)
    let layout = Self.arm(rotations: rotations)
    var free = ActionSchema.roboCasaAbsolute
    for axis in 0..<3 { (free.dimensions[axis].low, free.dimensions[axis].high) = (nil, nil) }
    let jitter = try Self.jitter(actions: free, layout: layout)
    for _ in 0..<20 {
      let goal = Self.random(&random)
      let turn = goal.rotation.logarithm
      let action = (0..<3).map { Float(goal.position[$0]) } + (0..<3).map { Float(turn[$0]) } + [1, 0, 0, 0, 0, -1]
      let motion = RigidJitter.Motion(yaw: random.uniform(-3...3), shift: Self.random(&random).position)
      let found = jitter(Self.batch([Self.position: [0, 0, 0]], actions: [layout.learned(from: action)]), by: [motion])
      let whole = layout.whole(found.actions.scalars).map(Double.init)
      let wanted = goal.placed(in: Pose(position: motion.shift, rotation: Rotation(yaw: motion.yaw)))
      #expect((SIMD3(whole[0], whole[1], whole[2]) - wanted.position).length < 1e-5)
      let rotation = Rotation(SIMD3(whole[3], whole[4], whole[5]))
      #expect((rotation * wanted.rotation.inverse).logarithm.length < 1e-4)
    }
  }

  /// The simulator would cut it as well.
  @Test func whatNoRobotCarriesOutIsCut() throws {
    let eighth = RigidJitter.Motion(yaw: .pi / 4, shift: .zero)
    let moved = try Self.jitter()(
      Self.batch([Self.position: [0, 0, 0]], actions: [[1, 1, 0, 0, 0, 0, 0]]), by: [eighth])
    #expect(Self.near(moved.actions.scalars, [0, 1, 0, 0, 0, 0, 0]))
  }

  // MARK: Draws

  @Test func motionsFollowFromTheStreamAndStayWithinTheirLimits() throws {
    let jitter = try Self.jitter("{\"translation\": 0.02, \"rotation\": 5}")
    let batch = Self.batch(
      [Self.position: Array(repeating: 0, count: 600)], actions: Array(repeating: still, count: 200))
    func moved(_ seed: UInt64) throws -> (shifts: [Float], turns: [Float]) {
      let motion = try #require(jitter(batch, random: Random(seed: seed)).observations.motion)
      return (motion.shift.scalars, motion.rotation.scalars)
    }
    let (shifts, turns) = try moved(1)
    #expect(try moved(1).shifts == shifts && moved(1).turns == turns && moved(2).shifts != shifts)
    #expect(Set(shifts).count > 590 && shifts.allSatisfy { abs($0) <= 0.02 } && shifts.contains { $0 > 0.019 })
    let yaws = stride(from: 3, to: 800, by: 4).map { 2 * asin(turns[$0]) * 180 / .pi }
    #expect(yaws.allSatisfy { abs($0) <= 5.0001 } && yaws.min()! < -4.5 && yaws.max()! > 4.5)
  }

  /// Normalized by the widened range, no moved action leaves -1...1, and it is hardly wider than it has to be.
  @Test(arguments: [ActionSchema.roboCasa, .roboCasaAbsolute]) func rangesHoldMovedActions(_ schema: ActionSchema)
    throws
  {
    let jitter = try Self.jitter("{\"translation\": 0.05, \"rotation\": 20}", actions: schema)
    var random = Random(seed: 4)
    let rows = (0..<400).map { _ in
      [random.uniform(0.2...0.6), random.uniform(-0.1...0.1), 0.3, random.uniform(-0.2...0.2), 0.1, 0, 1].map(
        Float.init)
    }
    func column(_ place: Int) -> [Double] { rows.map { Double($0[place]) } }
    let statistics = KeyStatistics(
      count: rows.count, mean: Array(repeating: 0, count: 7), variance: Array(repeating: 1, count: 7),
      minimum: (0..<7).map { column($0).min()! }, maximum: (0..<7).map { column($0).max()! })
    let widened = jitter.widened(statistics)
    #expect(widened.mean == statistics.mean && widened.maximum[6] == 1)
    var (low, high) = (statistics.minimum, statistics.maximum)
    for seed in 0..<100 as Range<UInt64> {
      let batch = Self.batch([Self.position: Array(repeating: 0, count: 1200)], actions: rows)
      let moved = jitter(batch, random: Random(seed: seed)).actions.scalars
      for (place, value) in moved.enumerated() {
        low[place % 7] = min(low[place % 7], Double(value))
        high[place % 7] = max(high[place % 7], Double(value))
      }
    }
    for place in 0..<7 {
      #expect(low[place] >= widened.minimum[place] - 1e-6 && high[place] <= widened.maximum[place] + 1e-6)
      if place < 3 {
        #expect(low[place] - widened.minimum[place] < 0.06 && widened.maximum[place] - high[place] < 0.06, "\(place)")
      }
    }
  }

  // MARK: What is not known

  private func refusal(_ make: () throws -> RigidJitter) -> String {
    do { _ = try make() } catch { return "\(error)" }
    return ""
  }

  @Test func unknownActionsAreRefused() {
    var unnamed = ActionSchema.roboCasa
    unnamed.dimensions[6].name = nil
    var uneven = ActionSchema.roboCasa
    uneven.dimensions[1].unit = "0.1 m"
    var millimeters = ActionSchema.roboCasaAbsolute
    for axis in 0..<3 { millimeters.dimensions[axis].unit = "mm" }
    var lessSaid = ActionSchema.roboCasa
    lessSaid.control = "operational space, step"
    for (schema, layout, words) in [
      (ActionSchema.unknown(width: 12), Self.arm(), "unknown frame"),
      (lessSaid, Self.arm(), "'operational space, step'"),
      (unnamed, Self.arm(), "actions.schema.names"), (uneven, Self.arm(), "x, y, z must be known to have one unit"),
      (millimeters, Self.arm(), "one unit, 'm'"), (.roboCasa, .whole(width: 12), "action 7, base_x"),
      (.roboCasa, ActionLayout(learned: [0, 2], template: Array(repeating: 0, count: 12)), "actions.schema.names"),
    ] {
      let found = refusal { try Self.jitter(actions: schema, layout: layout) }
      #expect(found.contains(words) && !found.contains("\n"), "\(found)")
    }
    #expect(refusal { try Self.jitter() } == "")
  }

  @Test func observationsAreFoundByWhatIsSaidOfThem() throws {
    let base = VectorSchema(unit: "m", frame: "robot base")
    let jitter = try Self.jitter(
      vectors: ["hand": 3, "world": 3, Self.position: 3],
      meanings: [
        "hand": base, "world": .init(unit: "m", frame: "world"), Self.position: .init(unit: "m", frame: "world"),
      ])
    let moved = jitter(
      Self.batch(["hand": [1, 0, 0.5], "world": [1, 0, 0], Self.position: [1, 0, 0]], actions: [still]), by: [quarter]
    ).observations.vectors
    #expect(Self.near(moved["hand"]!.scalars, [1, 3, 3.5]))
    #expect(moved["world"]!.scalars == [1, 0, 0] && moved[Self.position]!.scalars == [1, 0, 0])

    let (two, odd) = (["x": 3, "y": 2], ["x": base, "y": VectorSchema(unit: "m", frame: "robot base")])
    for (settings, meanings, words) in [
      (#"{"positions": ["z"]}"#, [:], "'z' is not one of observations.vectors"),
      (#"{"positions": ["y"]}"#, [:], "'y' has 2 numbers, a position has 3"),
      (#"{"positions": ["x"]}"#, ["x": VectorSchema(frame: "world")], "in the frame of the world"),
      (#"{"positions": ["x"]}"#, ["x": VectorSchema(unit: "mm")], "recorded in 'mm'"),
      ("{}", odd, "'y' is seen from the robot's base"),
    ] as [(String, [String: VectorSchema], String)] {
      let found = refusal { try Self.jitter(settings, vectors: two, meanings: meanings) }
      #expect(found.contains("'augmentation': ") && found.contains(words), "\(found)")
    }
    // Named, it moves without a word of the recordings.
    let named = try Self.jitter(#"{"positions": ["x"]}"#, vectors: two)
    let found = named(Self.batch(["x": [1, 0, 0], "y": [1, 0]], actions: [still]), by: [quarter]).observations
    #expect(Self.near(found.vectors["x"]!.scalars, [1, 3, 3]) && found.vectors["y"]!.scalars == [1, 0])
  }
}
