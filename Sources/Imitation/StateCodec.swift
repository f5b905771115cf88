import Layers
import Tensors

/// Turns what a lift gives, or images themselves, into the tokens that dynamics works on, and back.
///
/// What is kept of a frame between stages is its encoding, `[batch] + encodingShape`. A token stands for something of a reference
/// frame, so that it means the same over a clip; a codec whose tokens always mean the same ignores the reference.
public protocol StateCodec: Module, Plugin {
  /// - Throws: when the options and the cameras do not fit each other.
  init(options: Options, context: LiftContext, random: inout Random) throws
  /// Whether it works on a lift's Gaussians; otherwise on the first camera's images.
  static var usesLift: Bool { get }
  /// Whether it has to learn.
  static var isTrained: Bool { get }
  /// Whether some tokens go with the gripper: then a clip's reference is its present frame, and views say where the gripper was.
  var followsGripper: Bool { get }
  /// Whether tokens depend on the reference.
  var usesReference: Bool { get }
  /// How many tokens a state has.
  var tokenCount: Int { get }
  /// How many numbers a token has.
  var tokenWidth: Int { get }
  /// The shape of what is kept of one frame.
  var encodingShape: [Int] { get }
  /// What is kept of frames, `[batch] + encodingShape`.
  ///
  /// - Parameter lifted: what the lift makes of the views; nil without one.
  func encoding(_ views: CameraViews, lifted: Gaussians?) -> Tensor
  /// Tokens, `[batch, tokens, numbers]`, not standardized.
  ///
  /// - Parameter reference: the encodings of the frames whose anchors count.
  func encode(_ encoding: Tensor, reference: Tensor) -> Tensor
  /// Where tokens are: `[batch, tokens, 3]`, meters; of pixels on a plane from -1 to 1.
  func positions(reference: Tensor) -> Tensor
  /// The Gaussians of tokens that are not standardized; nil where there are none.
  ///
  /// - Parameter positions: where the tokens are, see `positions(reference:)`.
  func gaussians(_ tokens: Tensor, positions: Tensor) -> Gaussians?
  /// What the first camera sees of tokens that have no Gaussians: `[batch, height, width, 3]`.
  func image(_ tokens: Tensor) -> Tensor?
  /// Settles what comes from the training frames before anything is learned.
  /// - Throws: when its options and the frames do not fit each other.
  func prepare(_ sample: CodecSample) throws
  /// What to minimize to train it; nil when there is nothing to train.
  func loss(on batch: CodecBatch, random: inout Random) -> PolicyLoss?
}

extension StateCodec {
  public static var pluginKind: PluginKind { .codec }
  public static var isTrained: Bool { false }
  public var followsGripper: Bool { false }
  public var usesReference: Bool { true }
  public func gaussians(_ tokens: Tensor, positions: Tensor) -> Gaussians? { nil }
  public func image(_ tokens: Tensor) -> Tensor? { nil }
  public func prepare(_ sample: CodecSample) throws {}
  public func loss(on batch: CodecBatch, random: inout Random) -> PolicyLoss? { nil }
}

/// Some training frames, for a codec to find out where its scenes are.
public struct CodecSample: Sendable {
  /// `[frames] + encodingShape`.
  public var encodings: Tensor
  /// Where the gripper went in all of the training frames, meters in the base's frame; empty where nobody says.
  public var gripper: [SIMD3<Float>]
  /// The first camera of those frames where calibrations are recorded.
  public var camera: CameraCalibration?

  /// A sample of the training frames.
  public init(encodings: Tensor, gripper: [SIMD3<Float>] = [], camera: CameraCalibration? = nil) {
    (self.encodings, self.gripper, self.camera) = (encodings, gripper, camera)
  }
}

/// What a codec learns from: pairs of frames that follow each other, the first frames before all the second ones.
public struct CodecBatch: Sendable {
  /// `[frames] + encodingShape` each; those of a pair have one reference.
  public var encodings, references: Tensor
  /// What each camera saw: `[frames, height, width, 3]` in 0...1.
  public var images: [Tensor]
  /// From where, by camera.
  public var views: [[SplattingView]]
  /// How much each pixel counts, `[frames, height, width, 1]` by camera, of mean about 1; nil for all alike.
  public var weights: [Tensor]?
  /// Whether noise is added to tokens, as when training.
  public var isNoisy: Bool

  /// Pairs of frames.
  public init(
    encodings: Tensor, references: Tensor, images: [Tensor], views: [[SplattingView]], weights: [Tensor]? = nil,
    isNoisy: Bool
  ) {
    (self.encodings, self.references, self.images, self.views) = (encodings, references, images, views)
    (self.weights, self.isNoisy) = (weights, isNoisy)
  }
}
