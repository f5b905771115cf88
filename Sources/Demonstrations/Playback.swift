import Imitation

/// One demo as pictures: the cameras side by side, and below them every action over time with a line at the present step.
package struct Playback {
  private let cameras: [[Image]]
  private let actions: [[Float]]

  /// - Throws: `HDF5Error`, or `ImageError`.
  package init(_ file: DemonstrationFile, demo: String) throws {
    let length = try file.length(demo)
    cameras = try file.observations(of: demo).images.map { key in
      let path = "data/\(demo)/obs/\(key)"
      guard let shape = try file.hdf5.frameShape(path) else { return [] }
      let pixels = try file.hdf5.pictures(path)
      let size = shape.height * shape.width * 3
      return (0..<shape.count).map {
        Image(width: shape.width, height: shape.height, pixels: Array(pixels[$0 * size..<($0 + 1) * size]))
      }
    }
    let values = try file.hdf5.floats("data/\(demo)/actions")
    let width = values.count / max(length, 1)
    actions = (0..<width).map { column in (0..<length).map { values[$0 * width + column] } }
  }

  package var length: Int { actions.first?.count ?? 0 }

  /// Every frame, in order.
  package func frames() -> [Image] {
    (0..<length).map { step in
      let pictures = Image.beside(cameras.compactMap { step < $0.count ? $0[step] : nil }, gap: 2)
      let plot = plot(width: max(pictures.width, 2 * length, 240), at: step)
      var frame = Image(
        width: max(pictures.width, plot.width), height: pictures.height + 4 + plot.height, red: 255, green: 255,
        blue: 255)
      frame.draw(pictures, x: 0, y: 0)
      frame.draw(plot, x: 0, y: pictures.height + 4)
      return frame
    }
  }

  /// A row for each number of the action, -1 at its bottom and 1 at its top.
  private func plot(width: Int, at now: Int) -> Image {
    let tall = 18
    var image = Image(width: width, height: actions.count * tall, red: 250, green: 250, blue: 250)
    func set(_ x: Int, _ y: Int, _ colour: (UInt8, UInt8, UInt8)) {
      guard (0..<image.width).contains(x), (0..<image.height).contains(y) else { return }
      let place = (y * image.width + x) * 3
      (image.pixels[place], image.pixels[place + 1], image.pixels[place + 2]) = colour
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
        var last = y(values[step])
        for column in from...to {
          let share = Float(column - from) / Float(to - from)
          let next = y(values[step] + (values[step + 1] - values[step]) * share)
          for line in min(last, next)...max(last, next) {
            set(column, line, step < now ? (20, 90, 170) : (150, 180, 215))
          }
          last = next
        }
      }
    }
    for line in 0..<image.height { set(x(now), line, (210, 60, 40)) }
    return image
  }
}
