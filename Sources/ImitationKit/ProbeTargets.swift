import Demonstrations
import Evaluation
import Imitation

/// What to find in features of recorded frames: where things are in the frame of the robot's base, and in which phase it is.
///
/// Positions are `object`'s first three values and MimicGen's `datagen_info/object_poses`, both recorded in the world. Recordings
/// without the pose of the base are of robots that stand still, and stay in the world's frame.
package struct ProbeTargets {
  package enum Problem: Error, Equatable, CustomStringConvertible {
    case nothing(file: String)
    case unknown(String, file: String, available: [String])

    package var description: String {
      switch self {
      case .nothing(let file):
        "\(file): says nowhere where things are: no 'object' among its observations and no poses in datagen_info; --targets "
          + "names other observations"
      case .unknown(let name, let file, let available):
        "\(file): no '\(name)' among its observations or the poses in datagen_info; --targets may name: "
          + available.joined(separator: ", ")
      }
    }
  }

  package let targets: [ProbeResult.Target]
  /// The gripper's position; nil where it is not recorded.
  package let gripper: ProbeResult.Target?
  /// The names of the phases, in order.
  package let phases: [String]
  /// What says when the grasp is; nil where nothing does, and all frames are of one phase.
  package let graspBy: String?
  /// By target and, last, of the gripper: rows of each episode.
  private let tracks: [[[Double]]]
  /// The first row after the grasp, by episode.
  private let grasps: [Int]

  private static let base = ["robot0_base_pos", "robot0_base_quat"]
  private static let fingers = "robot0_gripper_qpos"
  /// How far the gripper is from what it is about to grasp, meters. Nearer than the least it is there already.
  private static let reach = 0.01...0.12

  /// - Parameters:
  ///   - names: `object`, poses and observations; nil for the object and the poses that vary.
  ///   - training: the episodes that tell which poses vary.
  ///   - open: opens the same episodes with other observations.
  /// - Throws: `Problem`, or what the reader threw.
  package init(
    _ names: [String]?, training: [Int], of episodes: [Episode], open: (_ vectors: [String]) throws -> any EpisodeReader
  ) throws {
    let recordings = Recordings(episodes)
    let (known, poses) = (try recordings.vectors(), try recordings.children("object_poses"))
    let place = episodes.first?.file ?? ""
    var asked = names ?? ((known.contains("object") ? ["object"] : []) + poses)
    guard !asked.isEmpty else { throw Problem.nothing(file: place) }
    // Another format's reader knows by itself what it has.
    if !known.isEmpty, let name = asked.first(where: { !known.contains($0) && !poses.contains($0) }) {
      throw Problem.unknown(name, file: place, available: (known + poses).unique.sorted())
    }
    let gripperKey = ["robot0_base_to_eef_pos", "robot0_eef_pos"].first(where: known.contains)
    let helpers = (ProbeTargets.base + [ProbeTargets.fingers]).filter(known.contains) + (gripperKey.map { [$0] } ?? [])
    let reader = try open((asked.filter { !poses.contains($0) || known.contains($0) } + helpers).unique)
    let isInWorld = ["object", "robot0_eef_pos"]

    func track(_ name: String) throws -> (target: ProbeResult.Target, rows: [[Double]]) {
      let isPose = poses.contains(name) && !known.contains(name)
      let recorded = reader.schema.vectors[name] ?? 3
      let isPosition = isPose || name == "object" && recorded >= 3 || name.hasSuffix("_pos") && recorded == 3
      let width = isPosition ? 3 : recorded
      let rows = try episodes.indices.map { episode -> [Double] in
        let rows =
          isPose
          ? try recordings.positions(name, episode)
          : try ProbeTargets.rows(reader, name, episode, width)
        return isPosition && (isPose || isInWorld.contains(name))
          ? try ProbeTargets.seenFromBase(rows, reader, episode) : rows
      }
      return (.init(name: name, unit: isPosition ? "cm" : "", width: width), rows)
    }

    var found = try asked.map(track)
    if names == nil {
      let object = found.first { $0.target.name == "object" }?.rows
      found = found.filter { target, rows in
        target.name == "object"
          || ProbeTargets.varies(rows, training) && object.map { ProbeTargets.differs(rows, $0, training) } ?? true
      }
      guard !found.isEmpty else { throw Problem.nothing(file: place) }
      asked = found.map(\.target.name)
    }
    let hand = try gripperKey.map(track)
    targets = found.map(\.target)
    gripper = hand?.target
    tracks = found.map(\.rows) + (hand.map { [$0.rows] } ?? [])
    if let signals = try recordings.grasps() {
      (grasps, graspBy) = (signals, "datagen_info/subtask_term_signals")
    } else if known.contains(ProbeTargets.fingers) {
      let width = reader.schema.vectors[ProbeTargets.fingers]!
      grasps = try episodes.indices.map { episode in
        let rows = try reader.vectors(ProbeTargets.fingers, episode: episode)
        return ProbeTargets.closing(
          stride(from: 0, to: rows.count, by: width).map { start in
            rows[start..<start + width].reduce(0) { $0 + abs(Double($1)) }
          })
      }
      graspBy = "the closing of \(ProbeTargets.fingers)"
    } else {
      (grasps, graspBy) = (episodes.map(\.length), nil)
    }
    // Where the first target is a position, so that there is a distance.
    let near = gripper != nil && targets[0].unit == "cm" ? ["near \(targets[0].name)"] : []
    phases = graspBy == nil ? ["all"] : ["before grasp", "after grasp"] + near
  }

  /// Meters count as centimeters.
  package func frame(_ step: EpisodeStep) -> LinearProbe.Frame {
    let values = zip(targets, tracks).flatMap { target, rows in
      row(target, rows, step).map { target.unit == "cm" ? 100 * $0 : $0 }
    }
    guard phases.count > 1, step.step >= grasps[step.episode] else {
      return .init(values: values, demonstration: step.episode, phases: isNear(step) ? [0, 2] : [0])
    }
    return .init(values: values, demonstration: step.episode, phases: [1])
  }

  /// Whether the gripper is about to grasp the first target.
  private func isNear(_ step: EpisodeStep) -> Bool {
    guard phases.count > 2, let gripper else { return false }
    let places = [(targets[0], tracks[0]), (gripper, tracks[targets.count])].map { Array(row($0, $1, step)) }
    let distance = zip(places[0], places[1]).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
    return ProbeTargets.reach.contains(distance)
  }

  /// Where the gripper is.
  package func gripper(_ step: EpisodeStep) -> [Float] {
    gripper.map { row($0, tracks[targets.count], step).map(Float.init) } ?? []
  }

  private func row(_ target: ProbeResult.Target, _ rows: [[Double]], _ step: EpisodeStep) -> ArraySlice<Double> {
    rows[step.episode][step.step * target.width..<(step.step + 1) * target.width]
  }

  // MARK: From the recordings

  /// The first `count` values of each row.
  private static func rows(
    _ reader: any EpisodeReader, _ key: String, _ episode: Int, _ count: Int
  ) throws -> [Double] {
    let (values, width) = (try reader.vectors(key, episode: episode), reader.schema.vectors[key]!)
    return stride(from: 0, to: values.count, by: width).flatMap { values[$0..<$0 + min(count, width)].map(Double.init) }
  }

  /// Positions in the world as the robot's base sees them.
  private static func seenFromBase(_ rows: [Double], _ reader: any EpisodeReader, _ episode: Int) throws -> [Double] {
    guard base.allSatisfy({ reader.schema.vectors[$0] != nil }) else { return rows }
    let (places, turns) = (
      try self.rows(reader, base[0], episode, 3), try self.rows(reader, base[1], episode, 4)
    )
    return (0..<rows.count / 3).flatMap { row -> [Double] in
      func vector(_ values: [Double], _ start: Int) -> SIMD3<Double> {
        SIMD3(values[start], values[start + 1], values[start + 2])
      }
      let pose = Pose(
        position: vector(places, 3 * row), rotation: Rotation(w: turns[4 * row + 3], vector: vector(turns, 4 * row)))
      let seen = Pose(position: vector(rows, 3 * row), rotation: .identity).seen(from: pose).position
      return [seen.x, seen.y, seen.z]
    }
  }

  /// Whether positions are more than a millimeter apart, in one episode or another.
  private static func varies(_ rows: [[Double]], _ episodes: [Int]) -> Bool {
    guard let first = episodes.first.map({ Array(rows[$0].prefix(3)) }) else { return false }
    return episodes.contains { episode in
      rows[episode].enumerated().contains { index, value in abs(value - first[index % 3]) > 1e-3 }
    }
  }

  private static func differs(_ a: [[Double]], _ b: [[Double]], _ episodes: [Int]) -> Bool {
    episodes.contains { episode in zip(a[episode], b[episode]).contains { abs($0 - $1) > 1e-3 } }
  }

  /// The row in which a gripper that was open has closed halfway; the number of rows where it never does.
  ///
  /// - Parameter widths: how far it is open, row by row.
  package static func closing(_ widths: [Double]) -> Int {
    // Open is above three quarters: it may open wider later, to let go.
    guard let widest = widths.max(), let narrowest = widths.min(), widest - narrowest > 5e-3,
      let start = widths.firstIndex(where: { $0 > (3 * widest + narrowest) / 4 })
    else { return widths.count }
    return widths.indices[start...].first { widths[$0] < (widest + narrowest) / 2 } ?? widths.count
  }
}

/// What files have besides the observations that a reader gives.
private struct Recordings {
  let episodes: [Episode]
  /// By path; empty when another format's reader read them.
  let files: [String: DemonstrationFile]

  init(_ episodes: [Episode]) {
    self.episodes = episodes
    let opened = Set(episodes.map(\.file)).map { ($0, try? DemonstrationFile(path: $0)) }
    files = Dictionary(uniqueKeysWithValues: opened.compactMap { path, file in file.map { (path, $0) } })
  }

  /// What the first demonstration of each file has.
  private func common(_ names: (DemonstrationFile, Episode) throws -> [String]) rethrows -> [String] {
    var seen: Set<String> = []
    let firsts = episodes.filter { seen.insert($0.file).inserted }
    guard files.count == firsts.count, let first = firsts.first else { return [] }
    let others = try firsts.dropFirst().map { Set(try names(files[$0.file]!, $0)) }
    return try names(files[first.file]!, first).filter { name in others.allSatisfy { $0.contains(name) } }
  }

  func vectors() throws -> [String] { try common { try $0.observations(of: $1.name).vectors } }

  func children(_ group: String) throws -> [String] {
    try common { try $0.file(of: $1.name).children(Recordings.path(group, $0, $1)) }
  }

  private static func path(_ name: String, _ file: DemonstrationFile, _ episode: Episode) -> String {
    "\(file.group(episode.name))/datagen_info/\(name)"
  }

  private func values(_ name: String, _ episode: Int, width: Int) throws -> [Double] {
    let (episode, file) = (episodes[episode], files[episodes[episode].file]!)
    let values = try file.file(of: episode.name).doubles(Recordings.path(name, file, episode))
    guard values.count == width * episode.length else {
      throw DemonstrationError.rows(
        file: file.path, demo: episode.name, key: "datagen_info/\(name)", expected: episode.length,
        found: values.count / width)
    }
    return values
  }

  /// The positions of a pose, in the world.
  func positions(_ name: String, _ episode: Int) throws -> [Double] {
    let poses: [Double] = try values("object_poses/\(name)", episode, width: 16)
    return (0..<poses.count / 16).flatMap { row in [3, 7, 11].map { poses[16 * row + $0] } }
  }

  /// The first row of each episode in which a subtask is over; nil where files do not say.
  func grasps() throws -> [Int]? {
    let signals = try children("subtask_term_signals")
    guard !signals.isEmpty else { return nil }
    return try episodes.indices.map { episode -> Int in
      var first = episodes[episode].length
      for signal in signals {
        let rows: [Double] = try values("subtask_term_signals/\(signal)", episode, width: 1)
        first = min(first, rows.firstIndex { $0 > 0 } ?? rows.count)
      }
      return first
    }
  }
}
