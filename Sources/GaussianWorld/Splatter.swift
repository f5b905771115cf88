import Foundation
import Imitation
import Layers
import Tensors

/// Gaussians from colors alone, of one or two cameras whose poses need not be known: a small U-Net gives every pixel a
/// depth, an offset, a scale, a rotation, an opacity and a correction of its color (after Szymanowicz et al. 2024,
/// "Splatter Image"), and the cameras beside the first a pose in its frame.
///
/// It stands where GWM has Splatt3R, whose weights may not be used freely. It learns from what it would draw: the images
/// it saw, from where they were taken, and with recorded depths and poses from those too. Without any recording of depth
/// the images come out right, but nothing ties the depths to meters.
public struct Splatter: GaussianLift {
  public struct Options: PluginOptions {
    @Key("Channels at half the images' size; twice and four times as many further down.", .multiple(of: 8, upTo: 512))
    public var channels = 32
    @Key("The nearest possible depth, meters.", .above(0)) public var near: Float = 0.1
    @Key("The farthest possible depth, meters; above near.", .above(0)) public var far: Float = 5
    @Key("Weight of the error of the depths' logarithms, where depths are recorded.", 0...)
    public var depthWeight: Float = 1
    @Key("Weight of the errors of other cameras, and of poses.", 0...) public var poseWeight: Float = 1

    public init() {}

    public func validate() throws { try $far.refuse(unless: far > near, "must be above near (\(near))") }
  }

  public static let name = "splatter"
  public static let help = "A small U-Net from colors alone, of one or two cameras; it has to learn."

  /// Two 3x3 convolutions with their norms.
  struct Stage: Module {
    let first, second: Conv2d
    let firstNorm, secondNorm: GroupNorm

    init(inputs: Int, outputs: Int, stride: Int = 1, random: inout Random) {
      func convolution(_ inputs: Int, _ stride: Int, _ random: inout Random) -> Conv2d {
        Conv2d(
          inputs: inputs, outputs: outputs, kernel: 3, stride: stride, padding: 1, bias: false,
          initialization: .kaimingFanOut, random: &random)
      }
      first = convolution(inputs, stride, &random)
      second = convolution(outputs, 1, &random)
      firstNorm = GroupNorm(groups: outputs / 8, channels: outputs)
      secondNorm = GroupNorm(groups: outputs / 8, channels: outputs)
    }

    func callAsFunction(_ input: Tensor) -> Tensor {
      secondNorm(second(firstNorm(first(input), finish: .relu)), finish: .relu)
    }
  }

  /// Depth 1, offset 3, scale 3, rotation 4, opacity 1, color 3.
  private static let outputs = 15

  let down: [Stage]
  let up: [Stage]
  /// To four pixels each; zero at first, so that training starts from the image itself on a plane.
  let head: Conv2d
  /// To the quaternion and the place of a camera beside the first, from the deepest features of both; nil with one camera.
  let pose: [Linear]
  private let options: Options
  private let context: LiftContext

  public init(options: Options, context: LiftContext, random: inout Random) throws {
    guard context.size.height % 8 == 0, context.size.width % 8 == 0 else {
      throw GaussianWorldError.imageSize(context.size, multipleOf: 8)
    }
    let c = options.channels
    // A block of four pixels is one place, with twelve numbers.
    down = [
      Stage(inputs: 12, outputs: c, random: &random), Stage(inputs: c, outputs: 2 * c, stride: 2, random: &random),
      Stage(inputs: 2 * c, outputs: 4 * c, stride: 2, random: &random),
    ]
    up = [
      Stage(inputs: 6 * c, outputs: 2 * c, random: &random), Stage(inputs: 3 * c, outputs: c, random: &random),
    ]
    head = Conv2d(
      inputs: c + 12, outputs: 4 * Splatter.outputs, kernel: 1, initialization: .zero, random: &random)
    pose =
      context.cameras.count > 1
      ? [
        Linear(inputs: 8 * c, outputs: 4 * c, random: &random),
        Linear(inputs: 4 * c, outputs: 7, initialization: .zero, random: &random),
      ] : []
    self.options = options
    self.context = context
  }

  /// What one camera's images give.
  private struct Local {
    var gaussians: Gaussians
    /// `[batch, pixels, 1]`, its logarithm.
    var logDepth: Tensor
    /// `[batch, 4 channels]`.
    var deepest: Tensor
  }

  public func callAsFunction(_ views: CameraViews) -> Gaussians {
    let locals = locals(views)
    return .merged(
      locals.enumerated().map { camera, local in
        guard camera > 0 else { return local.gaussians }
        let motion = views.calibrations.map { RigidMotion($0[camera], to: $0[0]) } ?? motion(locals[0], local)
        return motion(local.gaussians)
      })
  }

  public func loss(on views: CameraViews) -> PolicyLoss? {
    let locals = locals(views)
    var loss = Tensor(0)
    var metrics: [String: Tensor] = [:]
    // Each camera's Gaussians must draw its own image.
    for (camera, local) in locals.enumerated() {
      let own = calibrations(views, camera).map { $0.view(views.size, from: $0) }
      let drawn = local.gaussians.rendered(from: own).sliced(axis: 3, 0..<3)
      let error = (drawn - views.images[camera]).abs().mean()
      loss = loss + error
      metrics["image"] = (metrics["image"] ?? Tensor(0)) + error.detached / Float(locals.count)
      guard let depths = views.depths, options.depthWeight > 0 else { continue }
      let target = depths[camera].clamped(to: options.near...options.far).log().reshaped(local.logDepth.shape)
      let depthError = (local.logDepth - target).abs().mean()
      loss = loss + depthError * options.depthWeight
      metrics["depth"] = (metrics["depth"] ?? Tensor(0)) + depthError.detached / Float(locals.count)
    }
    guard locals.count > 1, options.poseWeight > 0 else { return PolicyLoss(loss, metrics: metrics) }
    // And all together must draw what each camera sees, the cameras beside the first where they are recorded to have stood;
    // where that is not known, where they are found to have stood, which then has only the images to learn from.
    var motions: [RigidMotion?] = [nil]
    for camera in 1..<locals.count {
      let found = motion(locals[0], locals[camera])
      guard let calibrations = views.calibrations else {
        motions.append(found)
        continue
      }
      let recorded = RigidMotion(calibrations[camera], to: calibrations[0])
      // A quaternion and its negative are one rotation.
      let alignment = (found.rotation * recorded.rotation).sum(axes: [1]).square()
      let error = (1 - alignment).mean() + (found.shift - recorded.shift).abs().mean()
      loss = loss + error * options.poseWeight
      metrics["pose"] = error.detached
      motions.append(recorded)
    }
    let all = Gaussians.merged(zip(locals, motions).map { $1?($0.gaussians) ?? $0.gaussians })
    for (camera, motion) in motions.enumerated() {
      let own = calibrations(views, camera).map { $0.view(views.size, from: $0) }
      let drawn = (motion?.inverse(all) ?? all).rendered(from: own).sliced(axis: 3, 0..<3)
      loss = loss + (drawn - views.images[camera]).abs().mean() * (options.poseWeight / Float(locals.count))
    }
    return PolicyLoss(loss, metrics: metrics)
  }

  private func locals(_ views: CameraViews) -> [Local] {
    views.images.indices.map { local(views.images[$0], calibrations(views, $0), views.size) }
  }

  /// As recorded, or as the recipe says.
  private func calibrations(_ views: CameraViews, _ camera: Int) -> [CameraCalibration] {
    views.calibrations?[camera] ?? Array(repeating: context.calibration(of: camera), count: views.batch)
  }

  private func local(_ images: Tensor, _ calibrations: [CameraCalibration], _ size: ObservationSchema.ImageSize)
    -> Local
  {
    let blocks = (images * 2 - 1).blocks(of: 2)
    let first = down[0](blocks)
    let second = down[1](first)
    let third = down[2](second)
    let middle = up[0](Tensor.concatenated([third.doubled(), second], axis: 3))
    let last = up[1](Tensor.concatenated([middle.doubled(), first], axis: 3))
    let raw = head(Tensor.concatenated([last, blocks], axis: 3)).pixels(of: 2).reshaped([
      images.shape[0], -1, Splatter.outputs,
    ])
    // Depth, offset, scales, rotation, opacity, color.
    let parts = raw.split(axis: 2, [1, 3, 3, 4, 1, 3])
    let pixels = PixelRays(size, calibrations)
    let (low, high) = (log(options.near), log(options.far))
    let logDepth = parts[0].sigmoid() * (high - low) + low
    let depth = logDepth.exp()
    let unit = depth * pixels.width
    return Local(
      gaussians: Gaussians(
        // Offsets are in pixels, up to ten.
        means: pixels.rays * depth + parts[1].tanh() * unit * 10,
        scales: unit * 0.3 * parts[2].clamped(to: -4...4).exp(),
        rotations: parts[3] + PixelRays.upright,
        colors: images.reshaped(pixels.shape(3)).colorCoefficients + parts[5],
        opacities: (parts[4] + 4).sigmoid()),
      logDepth: logDepth, deepest: third.mean(axes: [1, 2]))
  }

  /// From the frame of a camera beside the first into the first's.
  private func motion(_ first: Local, _ other: Local) -> RigidMotion {
    let row = pose[1](pose[0](Tensor.concatenated([first.deepest, other.deepest], axis: 1)).relu())
    let raw = row.sliced(axis: 1, 0..<4) + Tensor([1, 0, 0, 0], shape: [1, 4])
    let length = (raw.square().sum(axes: [1], keepingDimensions: true) + 1e-8).sqrt()
    return RigidMotion(rotation: raw / length, shift: row.sliced(axis: 1, 4..<7))
  }
}

extension Tensor {
  /// Squares of `side` pixels as one place each: `[n, h, w, c]` to `[n, h / side, w / side, side * side * c]`.
  func blocks(of side: Int) -> Tensor {
    let (n, h, w, c) = (shape[0], shape[1] / side, shape[2] / side, shape[3])
    return reshaped([n, h, side, w, side, c]).permuted([0, 1, 3, 2, 4, 5]).reshaped([n, h, w, side * side * c])
  }

  /// Undoes `blocks(of:)`.
  func pixels(of side: Int) -> Tensor {
    let (n, h, w, c) = (shape[0], shape[1], shape[2], shape[3] / (side * side))
    return reshaped([n, h, w, side, side, c]).permuted([0, 1, 3, 2, 4, 5]).reshaped([n, h * side, w * side, c])
  }

  /// Every pixel twice in both directions.
  func doubled() -> Tensor {
    let (n, h, w, c) = (shape[0], shape[1], shape[2], shape[3])
    return reshaped([n, h, 1, w, 1, c]).broadcast(to: [n, h, 2, w, 2, c]).reshaped([n, 2 * h, 2 * w, c])
  }
}
