/// What belongs to one camera, by the name that its keys share, for example `robot0_agentview_left`.
public struct CameraKeys: Sendable, Hashable {
  /// Without an ending, for example `robot0_agentview_left`.
  public let name: String

  /// - Parameter name: with or without `_image`.
  public init(_ name: String) {
    self.name = name.hasSuffix("_image") ? String(name.dropLast(6)) : name
  }

  /// The key of its images.
  public var image: String { name + "_image" }
  /// Meters along the viewing axis, one number a pixel, row by row; in files `[rows, height, width, 1]`, as robomimic has it.
  public var depth: String { name + "_depth" }
  /// `CameraCalibration.numbers`.
  public var calibration: String { name + "_calibration" }

  /// Whether `key` holds depths or a calibration: numbers with a meaning of their own, never normalized.
  ///
  /// - Parameter width: how many numbers it has.
  public static func isGeometry(_ key: String, width: Int) -> Bool {
    isDepth(key, width: width) || key.hasSuffix(calibrationEnding)
  }
  /// The key of the images that depths or a calibration belong to.
  package static func image(ofGeometry key: String) -> String {
    CameraKeys(key.lastIndex(of: "_").map { String(key[..<$0]) } ?? key).image
  }
  package static let calibrationEnding = "_calibration"
  /// Whether a key is of a camera's depths. The depth of a peg in its hole, one number, is a vector like others.
  ///
  /// - Parameter width: how many numbers it has.
  public static func isDepth(_ key: String, width: Int) -> Bool { key.hasSuffix("_depth") && width >= fewestPixels }
  /// Fewer numbers are no image.
  private static let fewestPixels = 16
}
