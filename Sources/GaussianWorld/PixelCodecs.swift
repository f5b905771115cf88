import Foundation
import Imitation
import Layers
import Tensors

/// Squares of pixels as tokens.
private struct Squares {
  let size: ObservationSchema.ImageSize
  let side: Int

  init(_ context: LiftContext, side: Int) throws {
    (size, self.side) = (context.size, side)
    guard size.height % side == 0, size.width % side == 0 else {
      throw GaussianWorldError.imageSize(size, multipleOf: side)
    }
  }

  /// `[batch, pixels, channels]` to `[batch, tokens, side * side * channels]`; images below one another are one tall image.
  func tokens(_ rows: Tensor) -> Tensor {
    let map = rows.reshaped([rows.shape[0], -1, size.width, rows.shape[2]]).blocks(of: side)
    return map.reshaped([map.shape[0], -1, map.shape[3]])
  }

  /// Undoes `tokens`.
  func pixels(_ tokens: Tensor, channels: Int) -> Tensor {
    tokens.reshaped([tokens.shape[0], -1, size.width / side, tokens.shape[2]]).pixels(of: side)
      .reshaped([tokens.shape[0], -1, channels])
  }
}

/// What a recipe may set of codecs of pixels.
public struct SquareOptions: PluginOptions {
  @Key("Side of the squares of pixels that are tokens.", 1...256) public var patch = 8

  public init() {}
}

/// Every pixel's Gaussian, in squares: GWM's ablation without the VAE (Lu et al. 2025, Table 4).
public struct GaussianCodec: StateCodec {
  public typealias Options = SquareOptions
  public static let name = "gaussians"
  public static let help = "All Gaussians without a VAE: squares of them are tokens."
  private let squares: Squares
  private let count: Int

  public init(options: SquareOptions, context: LiftContext, random: inout Random) throws {
    squares = try Squares(context, side: options.patch)
    count = context.size.height * context.size.width * context.cameras.count
  }

  public static var usesLift: Bool { true }
  public var usesReference: Bool { false }
  public var tokenCount: Int { count / (squares.side * squares.side) }
  public var tokenWidth: Int { squares.side * squares.side * Gaussians.width }
  public var encodingShape: [Int] { [count, Gaussians.width] }

  public func encoding(_ views: CameraViews, lifted: Gaussians?) -> Tensor { lifted!.values }

  public func encode(_ encoding: Tensor, reference: Tensor) -> Tensor {
    squares.tokens(Gaussians(encoding).unbounded)
  }

  public func positions(reference: Tensor) -> Tensor {
    let means = squares.tokens(Gaussians(reference).means)
    return means.reshaped([means.shape[0], means.shape[1], -1, 3]).mean(axes: [2])
  }

  public func gaussians(_ tokens: Tensor, positions: Tensor) -> Gaussians? {
    Gaussians(unbounded: squares.pixels(tokens, channels: Gaussians.width))
  }
}

/// The first camera's images, in squares: an image DiT, GWM's ablation without Gaussians (Lu et al. 2025, Table 4).
public struct PixelCodec: StateCodec {
  public typealias Options = SquareOptions
  public static let name = "pixels"
  public static let help = "The first camera's images without Gaussians: squares of pixels are tokens."
  private let squares: Squares

  public init(options: SquareOptions, context: LiftContext, random: inout Random) throws {
    squares = try Squares(context, side: options.patch)
  }

  public static var usesLift: Bool { false }
  public var usesReference: Bool { false }
  public var tokenCount: Int { squares.size.height * squares.size.width / (squares.side * squares.side) }
  public var tokenWidth: Int { squares.side * squares.side * 3 }
  public var encodingShape: [Int] { [squares.size.height * squares.size.width, 3] }

  public func encoding(_ views: CameraViews, lifted: Gaussians?) -> Tensor {
    views.images[0].reshaped([views.batch, -1, 3])
  }

  public func encode(_ encoding: Tensor, reference: Tensor) -> Tensor { squares.tokens(encoding) }

  public func positions(reference: Tensor) -> Tensor {
    let grid = SpatialSoftmax.grid(
      height: squares.size.height / squares.side, width: squares.size.width / squares.side)
    let places = Tensor.concatenated([grid, .zeros([grid.shape[0], 1])], axis: 1)
    return places.broadcast(to: [reference.shape[0]] + places.shape)
  }

  public func image(_ tokens: Tensor) -> Tensor? {
    squares.pixels(tokens, channels: 3).reshaped([tokens.shape[0], squares.size.height, squares.size.width, 3])
  }
}
