#if Kitchenette
  import Imitation

  extension Image {
    /// The image `factor` times smaller, each pixel the mean of a square.
    func reduced(by factor: Int) -> Image {
      let (columns, rows) = (width / factor, height / factor)
      var means = [UInt8]()
      means.reserveCapacity(columns * rows * 3)
      for row in 0..<rows {
        for column in 0..<columns {
          for channel in 0..<3 {
            var sum = 0
            for y in 0..<factor {
              for x in 0..<factor {
                sum += Int(pixels[((row * factor + y) * width + column * factor + x) * 3 + channel])
              }
            }
            means.append(UInt8(sum / (factor * factor)))
          }
        }
      }
      return Image(width: columns, height: rows, pixels: means)
    }
  }
#endif
