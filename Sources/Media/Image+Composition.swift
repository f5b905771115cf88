extension Image {
  /// Images side by side, `gap` white pixels between them, the tallest setting the height.
  public static func beside(_ images: [Image], gap: Int = 0) -> Image {
    composed(images, columns: max(images.count, 1), gap: gap)
  }

  /// Images in rows of `columns`, each cell as large as the largest.
  public static func composed(_ images: [Image], columns: Int, gap: Int = 2) -> Image {
    let cellWidth = images.map(\.width).max() ?? 1
    let cellHeight = images.map(\.height).max() ?? 1
    let rows = max(1, (images.count + columns - 1) / columns)
    var sheet = Image(
      width: columns * cellWidth + (columns - 1) * gap, height: rows * cellHeight + (rows - 1) * gap, red: 255,
      green: 255, blue: 255)
    for (index, image) in images.enumerated() {
      sheet.draw(image, x: index % columns * (cellWidth + gap), y: index / columns * (cellHeight + gap))
    }
    return sheet
  }

  /// Copies `image` onto this one with its top left corner at `x`, `y`; what sticks out is cut off.
  public mutating func draw(_ image: Image, x: Int, y: Int) {
    let columns = max(0, min(image.width, width - x))
    for row in 0..<max(0, min(image.height, height - y)) {
      let source = row * image.width * 3
      let target = ((y + row) * width + x) * 3
      pixels.replaceSubrange(target..<target + columns * 3, with: image.pixels[source..<source + columns * 3])
    }
  }
}
