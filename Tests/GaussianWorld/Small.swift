import Foundation
import GaussianWorld
import Imitation
import Layers
import Support
import Tensors
import Testing

/// Small worlds for tests.
enum Small {
  static let catalog = Catalog().adding(DepthLift.self).adding(Splatter.self).adding(GaussianWorldEncoder.self)
    .adding(GaussianWorldModel.self).adding(GaussianVAE.self).adding(GaussianCodec.self).adding(PixelCodec.self)
  static let size = ObservationSchema.ImageSize(height: 16, width: 16)

  static func decoded<Options: PluginOptions>(_ type: Options.Type, _ json: String) throws -> Options {
    try type.init(Setting(json: json))
  }

  static func context(cameras: [String] = ["left"]) -> LiftContext {
    LiftContext(cameras: cameras, size: size, fieldsOfView: cameras.map { _ in 50 })
  }

  static func world(_ codec: String = "vae", lift: String = "splatter", seed: UInt64 = 1) throws -> GaussianWorldModel {
    let lift = lift == "splatter" ? "{\"kind\": \"splatter\", \"channels\": 8}" : "{\"kind\": \"\(lift)\"}"
    let own = codec == "vae" ? vae : "\"patch\": 4"
    let options = try decoded(
      GaussianWorldModel.Options.self,
      """
      {"cameras": ["left"], "field_of_view": 50, "lift": \(lift), "codec": {"kind": "\(codec)", \(own)},
       "dynamics": {"width": 16, "layers": 2, "heads": 2, "horizon": 2}}
      """)
    var random = Random(seed: seed)
    return try GaussianWorldModel(
      options: options, blueprint: .init(context: context(), actionWidth: 3), parts: catalog, random: &random)
  }

  static let vae = """
    "points": 64, "tokens": 8, "latent": 6, "width": 16, "heads": 4, "decoder_layers": 1, "per_token": 4
    """

  static func vae(_ json: String, _ context: LiftContext = context(), seed: UInt64 = 1) throws -> GaussianVAE {
    var random = Random(seed: seed)
    return try GaussianVAE(options: decoded(GaussianVAE.Options.self, json), context: context, random: &random)
  }

  /// Colors that vary smoothly over a surface between one and two meters away.
  static func views(batch: Int, cameras: Int = 1, geometry: Bool = true) -> CameraViews {
    var random = Random(seed: 9)
    let calibration = CameraCalibration(fieldOfView: 50, size: size)
    return CameraViews(
      size: size,
      images: (0..<cameras).map { _ in Tensor.uniform([batch, 16, 16, 3], 0.1...0.9, random: &random) },
      depths: geometry
        ? (0..<cameras).map { _ in Tensor.uniform([batch, 16, 16], 1...2, random: &random) } : nil,
      calibrations: geometry
        ? (0..<cameras).map { camera in
          (0..<batch).map { _ in
            var moved = calibration
            moved.position = SIMD3(0.1 * Float(camera), 0, 0)
            return moved
          }
        } : nil)
  }

  /// Moves every parameter a little, so that what starts at zero does not hide what is behind it.
  static func stir(_ module: some Module, seed: UInt64 = 5) {
    var random = Random(seed: seed)
    for (_, parameter) in module.parameters() where parameter.isTrainable {
      parameter.value = parameter.value + Tensor.normal(parameter.value.shape, deviation: 0.05, random: &random)
    }
  }

  /// The parameters that a loss leaves without a gradient, or with one of zeros.
  static func untouched(_ module: some Module, _ loss: () -> Tensor) -> [String] {
    let (_, gradients) = withGradients(random: Random(seed: 1), loss)
    return module.parameters().filter { $0.parameter.isTrainable }
      .filter { gradients[$0.parameter].map { Tensor.sumOfSquares([$0]) == 0 } ?? true }.map(\.name)
  }
}
