import Tensors

/// Where each of `keypoints` learned maps is bright: its expected x and y in -1...1 (Finn et al. 2016, as robomimic).
public struct SpatialSoftmax: Layer {
  /// To one map a keypoint.
  public let projection: Conv2d
  let keypoints: Int
  let temperature: Float

  /// - Parameter keypoints: how many positions it returns.
  public init(channels: Int, keypoints: Int, temperature: Float = 1, random: inout Random) {
    projection = Conv2d(inputs: channels, outputs: keypoints, kernel: 1, random: &random)
    self.keypoints = keypoints
    self.temperature = temperature
  }

  /// `[images, height, width, channels]` to `[images, 2 * keypoints]`: x and y of the first keypoint, of the second, ...
  public func callAsFunction(_ input: Tensor) -> Tensor {
    let (images, height, width) = (input.shape[0], input.shape[1], input.shape[2])
    let maps = projection(input).reshaped([images, height * width, keypoints]).transposed(1, 2)
    let attention = (maps * (1 / temperature)).softmax()
    return attention.matmul(SpatialSoftmax.grid(height: height, width: width), precisely: true).reshaped([images, 2 * keypoints])
  }

  /// x and y of each place of a map, from -1 to 1, row by row: `[height * width, 2]`.
  public static func grid(height: Int, width: Int) -> Tensor {
    func coordinate(_ index: Int, of count: Int) -> Float {
      count > 1 ? -1 + 2 * Float(index) / Float(count - 1) : 0
    }
    let grid = (0..<height * width).flatMap { cell in
      [coordinate(cell % width, of: width), coordinate(cell / width, of: height)]
    }
    return Tensor(grid, shape: [height * width, 2])
  }
}
