import Foundation
import Imitation

/// What `imitate inspect` tells of a file: what it holds, and what is wrong with it.
package struct DatasetSummary: Codable, Sendable {
  package struct Key: Codable, Sendable {
    package var name: String
    /// Without the rows, which differ between demos.
    package var shape: [Int]
  }

  package struct Mask: Codable, Sendable {
    package var name: String
    package var count: Int
  }

  package struct ActionRange: Codable, Sendable {
    package var index: Int
    package var minimum: Double
    package var maximum: Double
    package var isConstant: Bool { maximum - minimum < 1e-9 }
  }

  /// One demo, a row of the table.
  package struct Demo: Codable, Sendable {
    package var name: String
    package var steps: Int
    package var instruction: String
    package var layout: Int?
    package var style: Int?
    /// The category of the object that the task is about.
    package var category: String?
  }

  /// A camera over frames spread evenly over every demo.
  package struct Camera: Codable, Sendable {
    package var name: String
    /// How many frames were looked at.
    package var frames: Int
    /// Mean of each channel, 0 to 255.
    package var mean: [Double]
    /// Standard deviation over all pixels and channels.
    package var deviation: Double
    /// Frames of one colour, black ones among them.
    package var plain: Int
    /// Frames equal to the one looked at before.
    package var repeated: Int
  }

  package struct Count: Codable, Sendable {
    package var text: String
    package var count: Int
  }

  package var file: String
  package var task: String
  package var demos: Int
  package var steps: Int
  package var shortest: Int
  package var longest: Int
  package var keys: [Key]
  package var masks: [Mask]
  package var actions: [ActionRange]
  package var instructions: [Count]
  package var layouts: [Int]
  package var styles: [Int]
  package var categories: [Count]
  package var cameras: [Camera]
  package var table: [Demo]
  /// One line each.
  package var problems: [String]

  /// - Throws: `HDF5Error` when the file does not open or has no demos.
  package init(_ file: DemonstrationFile) throws {
    self.file = file.path
    task = file.task
    demos = file.demos.count
    var lengths: [Int] = []
    var problems: [String] = []
    var shapes: [String: Set<[Int]>] = [:]
    var ranges: [ActionRange] = []
    var texts: [String: Int] = [:]
    var layouts: Set<Int> = []
    var styles: Set<Int> = []
    var seen: [[Double]: String] = [:]
    var table: [Demo] = []
    var cameras: [String: PictureStatistics] = [:]
    if task.isEmpty { problems.append("data lacks env_args with an env_name") }
    for demo in file.demos {
      do {
        let shape = try file.hdf5.shape("data/\(demo)/actions")
        guard shape.count == 2 else {
          problems.append("\(demo): actions have shape \(shape)")
          continue
        }
        let (rows, width) = (shape[0], shape[1])
        lengths.append(rows)
        let values = try file.hdf5.doubles("data/\(demo)/actions")
        if let bad = values.firstIndex(where: { !$0.isFinite }) {
          problems.append("\(demo): actions: not a number in row \(bad / max(width, 1)), column \(bad % max(width, 1))")
        }
        if let bad = values.firstIndex(where: { $0.isFinite && abs($0) > 1.000001 }) {
          problems.append("\(demo): actions: \(values[bad]) in row \(bad / max(width, 1)) is outside -1 to 1")
        }
        if let twin = seen.updateValue(demo, forKey: values) { problems.append("\(demo): the same actions as \(twin)") }
        for column in 0..<width {
          if ranges.count <= column { ranges.append(.init(index: column, minimum: .infinity, maximum: -.infinity)) }
          for row in 0..<rows where values[row * width + column].isFinite {
            ranges[column].minimum = min(ranges[column].minimum, values[row * width + column])
            ranges[column].maximum = max(ranges[column].maximum, values[row * width + column])
          }
        }
        if let samples = try? file.hdf5.integer(of: "data/\(demo)", "num_samples"), samples != rows {
          problems.append("\(demo): num_samples says \(samples), actions have \(rows) rows")
        }
        for key in file.observationKeys(demo) {
          let found = try file.hdf5.shape("data/\(demo)/obs/\(key)")
          if found.first != rows {
            problems.append("\(demo): '\(key)' has \(found.first ?? 0) rows, actions have \(rows)")
          }
          let frame = try file.hdf5.frameShape("data/\(demo)/obs/\(key)")
          shapes[key, default: []].insert(frame.map { [$0.height, $0.width, 3] } ?? Array(found.dropFirst()))
          if frame != nil, found.first == rows {
            problems += try cameras[key, default: PictureStatistics()].look(at: file, demo, key, rows)
          }
        }
      } catch let error as HDF5Error {
        problems.append("\(demo): \(error)")
      }
      let metadata = file.metadata(demo)
      let text = metadata.instruction
      table.append(
        Demo(
          name: demo, steps: (try? file.length(demo)) ?? 0, instruction: text, layout: metadata.layout,
          style: metadata.style, category: metadata.category))
      texts[text, default: 0] += 1
      if let layout = metadata.layout { layouts.insert(layout) }
      if let style = metadata.style { styles.insert(style) }
    }
    if let without = texts[""] { problems.append("\(without) demos have no instruction") }
    for (key, found) in shapes.sorted(by: { $0.key < $1.key }) where found.count > 1 {
      problems.append("'\(key)' has different shapes: \(found.map { "\($0)" }.sorted().joined(separator: ", "))")
    }
    let known = Set(file.demos)
    masks = []
    for name in file.maskNames {
      let names = try file.mask(name) ?? []
      masks.append(Mask(name: name, count: names.count))
      if names.isEmpty { problems.append("filter key '\(name)' names no demos") }
      if let missing = names.first(where: { !known.contains($0) }) {
        problems.append("filter key '\(name)' names '\(missing)', which is not there")
      }
    }
    masks.sort { $0.name.localizedStandardCompare($1.name) == .orderedAscending }
    let total = lengths.reduce(0, +)
    if let said = try? file.hdf5.integer(of: "data", "total"), said != total {
      problems.append("data says total \(said), the demos have \(total) steps")
    }
    steps = total
    shortest = lengths.min() ?? 0
    longest = lengths.max() ?? 0
    keys = shapes.sorted { $0.key < $1.key }.map {
      Key(name: $0.key, shape: $0.value.sorted { $0.count < $1.count }[0])
    }
    actions = ranges
    instructions = texts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { Count(text: $0.key, count: $0.value) }
    self.layouts = layouts.sorted()
    self.styles = styles.sorted()
    self.cameras = cameras.sorted { $0.key < $1.key }.map { $0.value.camera($0.key) }
    self.table = table
    categories = Dictionary(grouping: table.compactMap(\.category)) { $0 }.mapValues(\.count)
      .sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { Count(text: $0.key, count: $0.value) }
    self.problems = problems
  }

  /// The summary for a terminal.
  package var text: String {
    var lines = [
      "\(file)", "task          \(task)", "demos         \(demos), \(steps) steps, \(shortest) to \(longest) a demo",
      "layouts       \(layouts.map(String.init).joined(separator: ", "))",
      "styles        \(styles.map(String.init).joined(separator: ", "))",
    ]
    if !categories.isEmpty {
      lines.append("objects       \(categories.map { "\($0.text) \($0.count)" }.joined(separator: ", "))")
    }
    lines += ["", "observations"]
    for key in keys { lines.append("  \(key.name.padding(toLength: 34, withPad: " ", startingAt: 0)) \(key.shape)") }
    lines += ["", "actions"]
    for range in actions {
      lines.append(
        String(format: "  %2d  %8.4f to %8.4f", range.index, range.minimum, range.maximum)
          + (range.isConstant ? "  constant" : ""))
    }
    if !cameras.isEmpty { lines += ["", "cameras"] }
    for camera in cameras {
      lines.append(
        "  " + camera.name.padding(toLength: 34, withPad: " ", startingAt: 0)
          + String(
            format: " mean %3.0f %3.0f %3.0f, deviation %3.0f; of %d frames %d of one colour, %d repeated",
            camera.mean[0], camera.mean[1], camera.mean[2], camera.deviation, camera.frames, camera.plain,
            camera.repeated))
    }
    lines += ["", "filter keys"]
    for mask in masks {
      lines.append("  \(mask.name.padding(toLength: 20, withPad: " ", startingAt: 0)) \(mask.count)")
    }
    lines += ["", "instructions"]
    for entry in instructions.prefix(20) { lines.append("  \(entry.count)  \(entry.text)") }
    if instructions.count > 20 { lines.append("  and \(instructions.count - 20) more") }
    lines += ["", problems.isEmpty ? "no problems found" : "\(problems.count) problems found"]
    for problem in problems.prefix(50) { lines.append("  \(problem)") }
    return lines.joined(separator: "\n")
  }

  /// Rows of pictures: for each of the first `demos` demos, `moments` moments of every camera.
  /// - Throws: `HDF5Error`.
  package static func contactSheet(_ file: DemonstrationFile, demos: Int = 8, moments: Int = 4) throws -> Image? {
    var pictures: [Image] = []
    for demo in file.demos.prefix(demos) {
      let rows = try file.length(demo)
      for key in file.observationKeys(demo) {
        guard rows > 0, let shape = try file.hdf5.frameShape("data/\(demo)/obs/\(key)") else { continue }
        for moment in 0..<moments {
          let row = moment * (rows - 1) / max(moments - 1, 1)
          pictures.append(
            Image(
              width: shape.width, height: shape.height,
              pixels: try file.hdf5.pictures("data/\(demo)/obs/\(key)", rows: row..<row + 1)))
        }
      }
    }
    return pictures.isEmpty ? nil : .composed(pictures, columns: pictures.count / min(demos, file.demos.count))
  }
}
