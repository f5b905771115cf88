import Imitation

/// Demonstrations in HDF5 files: robomimic's layout (RoboCasa, LIBERO, MimicGen), or ACT's, whichever a file has.
public struct HDF5Format: EpisodeFormat {
  public struct Options: PluginOptions { public init() {} }
  public static let name = "hdf5"
  public static let help = "HDF5 files in robomimic's layout or in ACT's, whichever a file has."

  public init(options: Options) throws {}

  public func open(
    _ request: EpisodeRequest, progress: (_ done: Int, _ total: Int) -> Void
  ) throws -> any EpisodeReader {
    try Demonstrations(request, progress: progress)
  }
}

/// Episodes in ACT's and ALOHA's layout, a file each: `/action` and `/observations`.
public struct ALOHAFormat: EpisodeFormat {
  public struct Options: PluginOptions { public init() {} }
  public static let name = "aloha"
  public static let help = "HDF5 files in ACT's and ALOHA's layout, an episode each."

  public init(options: Options) throws {}

  /// - Throws: `DemonstrationError.otherLayout` for files of another layout, besides what `HDF5Format` throws.
  public func open(
    _ request: EpisodeRequest, progress: (_ done: Int, _ total: Int) -> Void
  ) throws -> any EpisodeReader {
    for selection in request.selections where try DemonstrationFile(path: selection.path).layout != .act {
      throw DemonstrationError.otherLayout(file: selection.path, wanted: ALOHAFormat.name)
    }
    return try Demonstrations(request, progress: progress)
  }
}
