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
    /// Nil when no value is finite.
    package var minimum: Double?
    package var maximum: Double?
    package var isConstant: Bool { minimum.map { maximum! - $0 < 1e-9 } ?? false }

    mutating func include(_ value: Double) {
      guard value.isFinite else { return }
      minimum = min(minimum ?? value, value)
      maximum = max(maximum ?? value, value)
    }

    var text: String {
      minimum.map { String(format: "%8.4f to %8.4f", $0, maximum!) } ?? "no finite value"
    }
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
    /// Frames of one color, black ones among them.
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
  /// Groups within `obs`, and what stands next to the demos: passed over.
  package var passedOver: [String]
  /// One line each.
  package var problems: [String]

  /// The summary for a terminal.
  package var text: String {
    var lines = [
      "\(file)", "task          \(task.isEmpty ? "not stated by the file" : task)",
      "demos         \(demos), \(steps) steps, \(shortest) to \(longest) a demo",
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
      lines.append(String(format: "  %2d  ", range.index) + range.text + (range.isConstant ? "  constant" : ""))
    }
    if !passedOver.isEmpty { lines += ["", "passed over   \(passedOver.joined(separator: ", "))"] }
    if !cameras.isEmpty { lines += ["", "cameras"] }
    for camera in cameras {
      lines.append(
        "  " + camera.name.padding(toLength: 34, withPad: " ", startingAt: 0)
          + String(
            format: " mean %3.0f %3.0f %3.0f, deviation %3.0f; of %d frames %d of one color, %d repeated",
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

  /// Rows of images: for each of the first `demos` demos, `times` time steps of every camera. What cannot be read stays gray.
  package static func contactSheet(_ file: DemonstrationFile, demos: Int = 8, times: Int = 4) -> Image? {
    let chosen = file.demos.prefix(demos)
    var cameras: [String] = []
    var cells: [String: [Image]] = [:]
    for demo in chosen {
      let rows = (try? file.length(demo)) ?? 0
      for key in (try? file.observationKeys(demo)) ?? [] {
        guard rows > 0, let shape = (try? file.camera(key, of: demo)) ?? nil else { continue }
        if !cameras.contains(key) { cameras.append(key) }
        cells["\(demo)/\(key)"] = (0..<times).map { time in
          let row = time * (rows - 1) / max(times - 1, 1)
          let pixels = try? file.images(key, of: demo, rows: row..<row + 1)
          return pixels.map { Image(width: shape.width, height: shape.height, pixels: $0) } ?? gray
        }
      }
    }
    guard !cameras.isEmpty else { return nil }
    let missing = Array(repeating: gray, count: times)
    let all = chosen.flatMap { demo in cameras.flatMap { cells["\(demo)/\($0)"] ?? missing } }
    return .composed(all, columns: cameras.count * times)
  }

  private static let gray = Image(width: 8, height: 8, red: 128, green: 128, blue: 128)
}
