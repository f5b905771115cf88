import Imitation

/// What the policy may see.
package struct ObservationSettings: PluginOptions {
  @Key("Cameras: keys of frames.") package var images: [String] = []
  @Key("Keys of low-dimensional observations.") package var vectors: [String] = []
  @Key("How vectors are normalized: one word for all, or one by key and one for the others.")
  private var normalization = Rules()
  @Key("How frames are stored where files do not say it.") private var imageOrder = ImageOrder.channelsLast
  @Key("Whether frames are bytes, or floats of 0 to 1.") private var imageRange = ImageRange.bytes

  package init() {}

  private enum ImageOrder: String, CaseIterable, SettingValue {
    case channelsLast = "channels_last"
    case channelsFirst = "channels_first"
  }

  private enum ImageRange: String, CaseIterable, SettingValue { case bytes, unit }

  /// Those of keys with a rule of their own, and that of all others.
  private struct Rules: SettingValue {
    var byKey: [String: Normalization] = [:]
    var others = Normalization.none

    static var settingType: String { "\(Normalization.settingType), or a group of them by key and for others" }

    init() {}

    init(_ setting: Setting, path: String) throws {
      if case .map = setting.value {
        byKey = try [String: Normalization](setting, path: path)
        others = byKey.removeValue(forKey: "others") ?? .none
      } else {
        others = try Normalization(setting, path: path)
      }
    }

    var setting: Setting {
      byKey.isEmpty ? others.setting : byKey.merging(["others": others]) { mine, _ in mine }.setting
    }
  }

  /// What the files do not say of their frames.
  package var frames: FrameFormat {
    FrameFormat(isChannelsFirst: imageOrder == .channelsFirst, isUnitRange: imageRange == .unit)
  }

  /// - Parameter width: how many numbers it has.
  package func normalization(of key: String, width: Int) -> Normalization {
    CameraKeys.isGeometry(key, width: width) ? .none : normalization.byKey[key] ?? normalization.others
  }

  package func validate() throws {
    if let unknown = normalization.byKey.keys.sorted().first(where: { !vectors.contains($0) }) {
      throw $normalization.refused("'\(unknown)' is not one of observations.vectors, nor 'others'")
    }
    try $images.refuse(unless: !(images + vectors).isEmpty, "the policy would see nothing")
    try $images.refuse(unless: Set(images).count == images.count, "names a key twice")
    try $vectors.refuse(
      unless: Set(images + vectors).count == images.count + vectors.count, "names a key twice, or one of the images")
  }
}

/// How actions are learned and carried out.
package struct ActionSettings: PluginOptions {
  @Key("How actions are normalized.") package var normalization = Normalization.none
  @Key("How many actions of each prediction are carried out before the policy looks again.", 1...)
  package var nActionSteps = 1
  @Key("The arrays of a demo that hold them, put side by side.") package var from = ["actions"]
  @Key("The columns that the policy learns, from 0; all when left out.") package var activeDimensions: [Int]?
  @Key("What the columns left out are when the policy acts; what they are in every demonstration when left out.")
  package var constants: [Float]?
  @Key("Where three columns are an axis times an angle, to be learned as six values.") package var rotations: [Int] = []
  @Key("Act by the mean of all predictions of a time step: the rate at which older ones count more.")
  package var ensemble: Float?
  @Key("What they mean, where the demonstrations do not say it.") package var schema: ActionSchemaSettings?

  package init() {}

  package func validate() throws {
    try $rotations.refuse(
      unless: Set(rotations).count == rotations.count && rotations.allSatisfy { $0 >= 0 },
      "must list where rotations begin, from 0, each once")
    // Of two that share a column neither would be one.
    let starts = rotations.sorted()
    if let (first, second) = zip(starts, starts.dropFirst()).first(where: { $1 - $0 < 3 }) {
      throw $rotations.refused(
        "lists where rotations begin, three columns each: \(first) and \(second) overlap")
    }
    try $ensemble.refuse(unless: (ensemble ?? 0).isFinite, "must be a number, 0.01 for example")
    try $from.refuse(unless: !from.isEmpty && Set(from).count == from.count, "names no array, or one twice")
    if let activeDimensions {
      try $activeDimensions.refuse(
        unless: !activeDimensions.isEmpty && Set(activeDimensions).count == activeDimensions.count
          && activeDimensions.allSatisfy { $0 >= 0 },
        "must list actions by their place from 0, each once")
    }
    try $constants.refuse(
      unless: constants == nil || activeDimensions != nil, "nothing is left out: 'actions.active_dimensions' is missing"
    )
  }
}
