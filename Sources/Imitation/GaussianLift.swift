import Layers
import Tensors

/// The frame that Gaussians are in.
public enum GaussianFrame: String, Codable, CaseIterable, SettingValue {
  /// The first camera's.
  case camera
  /// The robot's base's; calibrations say where cameras are in it.
  case base
}

/// What some cameras saw at some moments, and where the gripper was.
public struct CameraViews: Sendable {
  /// Of every image.
  public let size: ObservationSchema.ImageSize
  /// `[batch, height, width, 3]` in 0...1 by camera.
  public let images: [Tensor]
  /// `[batch, height, width]` in meters by camera, where they are known.
  public let depths: [Tensor]?
  /// By camera and item, where they are known.
  public let calibrations: [[CameraCalibration]]?
  /// `[batch, 3]` where the gripper was, meters in the base's frame, where that is known.
  public let gripper: Tensor?

  /// By camera; depths in meters.
  public init(
    size: ObservationSchema.ImageSize, images: [Tensor], depths: [Tensor]? = nil,
    calibrations: [[CameraCalibration]]? = nil, gripper: Tensor? = nil
  ) {
    self.size = size
    self.images = images
    self.depths = depths
    self.calibrations = calibrations
    self.gripper = gripper
  }

  /// Moments.
  public var batch: Int { images[0].shape[0] }

  /// The recorded views from `camera`; nil where poses are not known.
  public func views(from camera: Int, in frame: GaussianFrame = .camera) -> [SplattingView]? {
    calibrations.map { all in
      (0..<batch).map { all[camera][$0].view(size, from: frame == .base ? .base : all[0][$0]) }
    }
  }
}

extension CameraViews {
  /// Views of `count` frames from what is recorded of them by key.
  ///
  /// - Parameters:
  ///   - withDepths, withCalibrations: whether these are among it.
  ///   - gripper: the key of the gripper's position; nil where it is not among it.
  ///   - pixels: `[count, height, width, 3]` bytes of a camera.
  ///   - rows: `[count, width]` values of a low-dimensional key.
  package init(
    _ cameras: [CameraKeys], size: ObservationSchema.ImageSize, count: Int, withDepths: Bool,
    withCalibrations: Bool, gripper: String?,
    pixels: (String) throws -> ByteTensor, rows: (String) throws -> [Float]
  ) rethrows {
    let width = CameraCalibration.width
    self.init(
      size: size,
      images: try cameras.map {
        Tensor.images(try pixels($0.image))
      },
      depths: withDepths
        ? try cameras.map { camera in
          let all = try rows(camera.depth)
          return GraphTrace.operation("reshaped", of: all) { Tensor(all, shape: [count, size.height, size.width]) }
        } : nil,
      calibrations: withCalibrations
        ? try cameras.map { camera in
          let all = try rows(camera.calibration)
          return GraphTrace.array("cameras", of: all, shape: [count, width]) {
            (0..<count).map { CameraCalibration(Array(all[$0 * width..<($0 + 1) * width])) }
          }
        } : nil,
      gripper: try gripper.map { key in
        let all = try rows(key)
        return GraphTrace.operation("reshaped", of: all) { Tensor(all, shape: [count, 3]) }
      })
  }
}

/// What a lift is built for.
public struct LiftContext: Codable, Sendable, Equatable {
  /// The cameras' names, without `_image`.
  public var cameras: [String]
  /// Of every camera's images.
  public var size: ObservationSchema.ImageSize
  /// Each camera's vertical view angle where recordings do not tell, degrees.
  public var fieldsOfView: [Float]
  /// Of the Gaussians.
  public var frame: GaussianFrame

  /// - Parameter fieldsOfView: vertical, degrees, by camera.
  public init(
    cameras: [String], size: ObservationSchema.ImageSize, fieldsOfView: [Float], frame: GaussianFrame = .camera
  ) {
    self.frame = frame
    precondition(
      cameras.count == fieldsOfView.count, "LiftContext: \(cameras.count) cameras, \(fieldsOfView.count) angles")
    self.cameras = cameras
    self.size = size
    self.fieldsOfView = fieldsOfView
  }

  public init(from decoder: any Decoder) throws {
    let keys = try decoder.container(keyedBy: CodingKeys.self)
    let cameras = try keys.decode([String].self, forKey: .cameras)
    let angles = try keys.decode([Float].self, forKey: .fieldsOfView)
    guard !cameras.isEmpty, cameras.count == angles.count else {
      throw DecodingError.dataCorruptedError(
        forKey: .fieldsOfView, in: keys, debugDescription: "\(cameras.count) cameras, \(angles.count) angles")
    }
    self.init(
      cameras: cameras, size: try keys.decode(ObservationSchema.ImageSize.self, forKey: .size), fieldsOfView: angles,
      // Version 0.1 knew none but the first camera's.
      frame: try keys.decodeIfPresent(GaussianFrame.self, forKey: .frame) ?? .camera)
  }

  /// What stands for a camera's calibration where none is known.
  public func calibration(of camera: Int) -> CameraCalibration {
    CameraCalibration(fieldOfView: fieldsOfView[camera], size: size)
  }

  /// The first camera's own view.
  public var view: SplattingView { calibration(of: 0).view(size, from: calibration(of: 0)) }
}

/// Turns images into Gaussians, one a pixel.
public protocol GaussianLift: Module, Plugin {
  /// - Throws: when the options and the cameras do not fit each other.
  init(options: Options, context: LiftContext, random: inout Random) throws
  /// Whether it needs depths and calibrations wherever it is used.
  static var needsDepth: Bool { get }
  /// `[batch, cameras * height * width]` Gaussians in the frame of the first camera, camera by camera, row by row. Where
  /// calibrations are known they say where the cameras are.
  func callAsFunction(_ views: CameraViews) -> Gaussians
  /// What to minimise to train it, or nil when there is nothing to train.
  func loss(on views: CameraViews) -> PolicyLoss?
}

extension GaussianLift {
  public static var pluginKind: PluginKind { .lift }
  public static var needsDepth: Bool { false }
  public func loss(on views: CameraViews) -> PolicyLoss? { nil }
}
