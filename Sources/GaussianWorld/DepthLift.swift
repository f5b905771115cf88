import Imitation
import Tensors

/// One Gaussian a pixel, where the depth says it is: no training, exact geometry, but depths and calibrations are needed.
///
/// `p = z ((u + 0.5 - cx) / fx, (v + 0.5 - cy) / fy, 1)`, as SplaTAM starts its map (Keetha et al. 2024).
public struct DepthLift: GaussianLift {
  public struct Options: PluginOptions {
    @Key("Standard deviation of a Gaussian in pixels, as its own camera sees it.", .above(0, upTo: 10))
    public var pixels: Float = 0.05
    @Key("Opacity of every Gaussian.", .above(0, upTo: 1)) public var opacity: Float = 0.99

    public init() {}
  }

  public static let name = "depth-lift"
  public static let help =
    "One Gaussian a pixel where the depth says it is; needs depths and calibrations, no training."
  private let options: Options

  public init(options: Options, context: LiftContext, random: inout Random) throws { self.options = options }

  public static var needsDepth: Bool { true }

  /// Meters.
  private static let unknownDepth: Float = 10

  /// A value, or the depth itself, where a depth is known, and another one elsewhere.
  private static func whereKnown(_ depths: Tensor, _ value: Float?, otherwise: Float) -> Tensor {
    GraphTrace.operation(
      "where depths are known", [depths],
      ["otherwise": .float(otherwise)].merging(value.map { ["value": .float($0)] } ?? [:]) { $1 }
    ) {
      Tensor(depths.scalars.map { $0 > 0 && $0.isFinite ? value ?? $0 : otherwise }, shape: depths.shape)
    }
  }

  public func callAsFunction(_ views: CameraViews) -> Gaussians {
    guard let depths = views.depths, let calibrations = views.calibrations else {
      preconditionFailure("depth-lift: no depths or calibrations")
    }
    return .merged(
      views.images.indices.map { camera in
        let pixels = PixelRays(views.size, calibrations[camera])
        let recorded = depths[camera].reshaped([views.batch, -1, 1])
        // Where a sensor had no answer there is nothing to see: a far, transparent Gaussian keeps the pixel's place.
        let depth = DepthLift.whereKnown(recorded, nil, otherwise: DepthLift.unknownDepth)
        let opacity = DepthLift.whereKnown(recorded, options.opacity, otherwise: 0)
        let local = Gaussians(
          means: pixels.rays * depth, scales: (depth * pixels.width * options.pixels).broadcast(to: pixels.shape(3)),
          rotations: PixelRays.upright.broadcast(to: pixels.shape(4)),
          colors: views.images[camera].reshaped(pixels.shape(3)).colorCoefficients,
          opacities: opacity)
        return camera == 0 ? local : RigidMotion(calibrations[camera], to: calibrations[0])(local)
      })
  }
}
