import Demonstrations
import Foundation
import Imitation

/// What to train, on what, and how to judge it: one short YAML file, checked whole before anything runs.
///
/// Only differences from the defaults need be written. `docs/recipes.md` explains every key.
public struct Recipe: PluginOptions {
  @Key(
    "The run's name.", KeyRule("a folder's name: letters, digits, '-', '_' and '.' only", holds: Recipe.isFolderName))
  public package(set) var name: String
  @Key("Every random choice of training follows from it.") public package(set) var seed: UInt64 = 1
  @Key("Which demonstrations.") package var data: DataSettings
  @Key("What the policy may see.") package var observations: ObservationSettings
  @Key("How actions are learned and carried out.") package var actions = ActionSettings()
  @Key("What turns observations into features.", PluginKind.encoder) public package(set) var encoder: Choice
  @Key("What predicts actions.", PluginKind.policy) public package(set) var policy: Choice
  @Key("How the weights are found.") package var training: TrainingSettings
  @Key("How the policy is judged.") package var evaluation: EvaluationSettings
  @Key("What is trained: this recipe's policy, or with another set of keys a world model.")
  package private(set) var trains = Trained.policy
  /// The text it was read from, stored with every run.
  public package(set) var text = ""
  /// The file it was read from, for complaints.
  public package(set) var path = ""

  /// What a recipe trains.
  package enum Trained: String, CaseIterable, SettingValue {
    case policy, world

    /// What the recipe at a path says, `policy` when it says nothing.
    /// - Throws: `SettingError`.
    package init(path: String) throws {
      guard let word = try SettingsFile.read(path).setting["trains"] else {
        self = .policy
        return
      }
      do {
        try self.init(word, path: "trains")
      } catch let error as SettingError {
        throw SettingError.inFile(path, error)
      }
    }
  }

  /// Reads a recipe's file.
  ///
  /// - Parameter changes: `path.to.key=value` pairs, applied before decoding.
  /// - Throws: `SettingError`, naming file and line.
  public init(path: String, changes: [String] = []) throws {
    let (setting, text) = try SettingsFile.read(path, changes: changes)
    try self.init(setting, text: text, path: path)
  }

  /// Reads a recipe's text.
  ///
  /// - Parameter path: where the text was kept, for complaints.
  /// - Throws: `SettingError`, naming path and line.
  public init(text: String, path: String) throws {
    let setting: Setting
    do {
      setting = try SettingsFile.parse(text)
    } catch let error as SettingError {
      throw SettingError.inFile(path, error)
    }
    try self.init(setting, text: text, path: path)
  }

  private init(_ setting: Setting, text: String, path: String) throws {
    do {
      try self.init(setting)
    } catch let error as SettingError {
      throw SettingError.inFile(path, error)
    }
    self.text = text
    self.path = path
  }

  /// What decides the weights of a step: a recipe's text without how they are judged, and without how many steps there are.
  /// - Throws: `SettingError` when the text is no recipe.
  package static func trainingIdentity(of text: String) throws -> String {
    guard case .map(var entries) = try SettingsFile.parse(text).value else { return text }
    entries.removeAll { ["evaluation", "trains"].contains($0.key) }
    for place in entries.indices where entries[place].key == "training" {
      entries[place].setting = entries[place].setting.without("steps")
    }
    return Setting(.map(entries), line: 1).json
  }

  /// Without its required keys, which are set next.
  public init() {}

  /// Refuses a world model's recipe.
  public func validate() throws {
    try $trains.refuse(unless: trains == .policy, "is a world model here; a policy's recipe is needed")
  }

  /// Refuses plug-ins that the catalog does not have and options that they do not take, before anything is opened.
  /// - Parameter files: whether files that they name have to be there.
  /// - Throws: `SettingError`, naming file and line.
  package func check(_ catalog: Catalog, files: Bool = false) throws {
    do {
      try catalog.check(self, files: files)
    } catch let error as SettingError {
      throw SettingError.inFile(path, error)
    }
  }

  @Sendable private static func isFolderName(_ name: String) -> Bool {
    !name.isEmpty && !name.hasPrefix(".") && name.allSatisfy { $0.isLetter || $0.isNumber || "-_.".contains($0) }
  }
}

/// Which demonstrations: a registry, a split of it and some of its tasks.
package struct DataSettings: PluginOptions {
  @Key("A file in Datasets/ without its ending: kitchenette.") package var registry: String
  @Key("SOURCE-N, SOURCE-FILTER_KEY, or SOURCE for all of its demonstrations.") package var split: String
  @Key("One policy learns all of them.") package var tasks: [String]
  @Key(
    "Fraction of each task's episodes held out for the validation loss, 0 to 0.9, or the filter key that names them.",
    name: "validation")
  private var holdout = Holdout.share(0.05)
  @Key("How often windows of a task are drawn against the others; every window alike when left out.")
  package var weights: SampleWeights?
  @Key("What reads the files.", PluginKind.reader) package var reader = Choice(kind: "hdf5")
  @Key("Whether windows may reach over the ends of an episode.") package var padding = WindowPadding.both
  @Key("Where the registry's files are, when not next to it.") package var root: String?
  @Key("Decoded images and depths kept in memory, GB; what does not fit is read by window.", 0..<1e6)
  package var memoryGigabytes = 4.0

  package init() {}

  private enum Holdout: SettingValue {
    case share(Double)
    case filterKey(String)

    static var settingType: String { "a number, or a name" }

    init(_ setting: Setting, path: String) throws {
      if let share = try? Double(setting, path: path) {
        self = .share(share)
      } else if let key = try? String(setting, path: path), !key.isEmpty {
        self = .filterKey(key)
      } else {
        throw SettingError.invalid(
          path: path, line: setting.line, reason: "must be a share from 0 to 0.9, or the name of a filter key")
      }
    }

    var setting: Setting {
      switch self {
      case .share(let share): share.setting
      case .filterKey(let key): key.setting
      }
    }
  }

  /// The fraction of each task's episodes held out for the validation loss; 0 where a filter key names them.
  package var validation: Double { if case .share(let share) = holdout { share } else { 0 } }
  /// The filter key of the episodes held out; nil where a fraction is.
  package var validationKey: String? { if case .filterKey(let key) = holdout { key } else { nil } }

  package func validate() throws {
    try $tasks.refuse(unless: !tasks.isEmpty, "names no task")
    try $tasks.refuse(unless: Set(tasks).count == tasks.count, "names a task twice")
    try $holdout.refuse(unless: (0..<0.9).contains(validation), "must be from 0 to 0.9")
    guard let weights else { return }
    if let unknown = weights.tasks.keys.sorted().first(where: { !tasks.contains($0) }) {
      throw $weights.refused("'\(unknown)' is not one of data.tasks")
    }
    try $weights.refuse(unless: tasks.contains { weights.weight(of: $0) > 0 }, "are all 0")
  }
}

extension DataSettings {
  /// Where a registry has the demonstrations.
  /// - Throws: `RegistryError`.
  package func selections(_ registry: DatasetRegistry, root: String) throws -> [EpisodeRequest.Selection] {
    let key = try registry.split(split).key
    return try tasks.map {
      .init(path: try registry.path(task: $0, split: split, root: root), task: $0, key: key, heldOutKey: validationKey)
    }
  }
}

/// robomimic's weights of datasets (`weight`, `normalize_weights_by_ds_size`).
package struct SampleWeights: PluginOptions {
  @Key("The weight of each task; 1 for those not named.") package var tasks: [String: Double] = [:]
  @Key("Whether a task's weight is shared by its windows, so that tasks of equal weight come equally often.")
  package var bySize = false

  package init() {}

  package func weight(of task: String) -> Double { tasks[task] ?? 1 }

  package func validate() throws {
    try $tasks.refuse(unless: tasks.values.allSatisfy { $0 >= 0 && $0.isFinite }, "a weight must be 0 or more")
  }
}

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

  package func normalization(of key: String) -> Normalization {
    CameraKeys.isGeometry(key) ? .none : normalization.byKey[key] ?? normalization.others
  }

  package func validate() throws {
    if let unknown = normalization.byKey.keys.sorted().first(where: { !vectors.contains($0) }) {
      throw $normalization.refused("'\(unknown)' is not one of observations.vectors, nor 'others'")
    }
    try $images.refuse(unless: !(images + vectors).isEmpty, "the policy would see nothing")
    try $images.refuse(unless: Set(images + vectors).count == images.count + vectors.count, "names a key twice")
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

/// How a trained policy is judged.
package struct EvaluationSettings: PluginOptions {
  @Key("Where it is tried.", PluginKind.simulator) package var simulator: Choice
  @Key("Episodes for each task.", 1...10_000) package var episodes = 50
  @Key("Which scenes; the same for every policy, so that results can be compared.") package var seed: UInt64 = 100_000
  @Key("Whether styles and objects are those of the demonstrations, or such that none of them shows.")
  package var pool = ScenePool.evaluation

  package init() {}
}
