import Imitation

/// One demo as images: the cameras side by side, and below them every action over time with a line at the present step.
/// Frames are read as they are asked for: a demo may be longer than memory.
package struct Playback {
  private let file: DemonstrationFile
  private let demo: String
  private let cameras: [(key: String, height: Int, width: Int)]
  /// The plot of the actions, as it is behind the present and ahead of it.
  private let dark: Image
  private let light: Image

  package let length: Int
  /// Why cameras are left out, a line each.
  package let notes: [String]

  /// - Throws: `HDF5Error`.
  package init(_ file: DemonstrationFile, demo: String) throws {
    self.file = file
    self.demo = demo
    let check = EpisodeCheck(file: file, demo: demo)
    let (length, width) = try check.actionShape("actions")
    self.length = length
    var notes: [String] = []
    var cameras: [(key: String, height: Int, width: Int)] = []
    var problem: (any Error)?
    for key in try file.observationKeys(demo) {
      do {
        guard let shape = try file.camera(key, of: demo) else {
          let path = file.observation(key, of: demo)
          let shape = try file.file(of: demo).shape(path)
          if try shape.count == 4 && shape[3] == 3 || check.settingThatReads(path, shape) != nil {
            _ = try check.image(key, rows: length)
          }
          continue
        }
        guard shape.count == length else {
          notes.append("'\(key)' has \(shape.count) frames for \(length) steps: left out")
          continue
        }
        cameras.append((key, shape.height, shape.width))
      } catch {
        problem = problem ?? error
        notes.append("\(error): left out")
      }
    }
    if cameras.isEmpty, let problem { throw problem }
    self.cameras = cameras
    self.notes = notes
    let values = try file.file(of: demo).floats(file.array("actions", of: demo))
    let actions = (0..<width).map { column in (0..<length).map { values[$0 * width + column] } }
    // Two pixels a step where that fits a screen, and no narrower than the cameras.
    let cells = cameras.map { Image(width: $0.width, height: $0.height) }
    let wide = max(Image.beside(cells, gap: 2).width, 240, min(2 * length, 960))
    dark = Playback.plot(actions, length: length, width: wide, (20, 90, 170))
    light = Playback.plot(actions, length: length, width: wide, (150, 180, 215))
  }

  /// Some steps as images, in order.
  /// - Throws: `HDF5Error`.
  package func frames(_ steps: [Int]) throws -> [Image] {
    guard let first = steps.min(), let last = steps.max() else { return [] }
    // Steps that lie together are read in one go; of far ones each by itself.
    let together = last - first < 2 * steps.count
    let read = try cameras.map { try together ? file.images($0.key, of: demo, rows: first..<last + 1) : [] }
    return try steps.map { step in
      let images = try zip(cameras, read).map { camera, all in
        let size = camera.height * camera.width * 3
        let pixels =
          together
          ? Array(all[(step - first) * size..<(step - first + 1) * size])
          : try file.images(camera.key, of: demo, rows: step..<step + 1)
        return Image(width: camera.width, height: camera.height, pixels: pixels)
      }
      let seen = Image.beside(images, gap: 2)
      let plot = plot(at: step)
      var frame = Image(
        width: max(seen.width, plot.width), height: seen.height + 4 + plot.height, red: 255, green: 255, blue: 255)
      if !images.isEmpty { frame.draw(seen, x: 0, y: 0) }
      frame.draw(plot, x: 0, y: seen.height + 4)
      return frame
    }
  }

  /// A row for each value of the action, -1 at its bottom and 1 at its top: what is done dark, what comes light.
  private func plot(at now: Int) -> Image {
    var image = light
    let width = image.width
    let mark = now * (width - 1) / max(length - 1, 1)
    for row in 0..<image.height {
      let start = row * width * 3
      image.pixels.replaceSubrange(start..<start + mark * 3, with: dark.pixels[start..<start + mark * 3])
      let pixel = start + mark * 3
      (image.pixels[pixel], image.pixels[pixel + 1], image.pixels[pixel + 2]) = (210, 60, 40)
    }
    return image
  }

  /// All of the plot in one color.
  private static func plot(_ actions: [[Float]], length: Int, width: Int, _ color: (UInt8, UInt8, UInt8)) -> Image {
    let tall = 18
    var image = Image(width: width, height: actions.count * tall, red: 250, green: 250, blue: 250)
    func set(_ x: Int, _ y: Int, _ color: (UInt8, UInt8, UInt8)) {
      guard (0..<image.width).contains(x), (0..<image.height).contains(y) else { return }
      let place = (y * image.width + x) * 3
      (image.pixels[place], image.pixels[place + 1], image.pixels[place + 2]) = color
    }
    func x(_ step: Int) -> Int { step * (width - 1) / max(length - 1, 1) }
    for (row, values) in actions.enumerated() {
      func y(_ value: Float) -> Int {
        let place = (1 - max(-1, min(1, value.isFinite ? value : 0))) / 2
        return row * tall + 2 + Int((place * Float(tall - 5)).rounded())
      }
      for column in 0..<width {
        set(column, row * tall + tall - 1, (225, 225, 225))
        if column % 3 == 0 { set(column, y(0), (205, 205, 205)) }
      }
      for step in 0..<max(0, length - 1) {
        // A line from one step to the next, down or up within each column.
        let (from, to) = (x(step), max(x(step + 1), x(step) + 1))
        let (a, b) = (values[step].isFinite ? values[step] : 0, values[step + 1].isFinite ? values[step + 1] : 0)
        var last = y(a)
        for column in from...to {
          let next = y(a + (b - a) * Float(column - from) / Float(to - from))
          for line in min(last, next)...max(last, next) { set(column, line, color) }
          last = next
        }
      }
    }
    return image
  }
}
