import Demonstrations
import Imitation

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
  package func selections(_ registry: DatasetRegistry) throws -> [EpisodeRequest.Selection] {
    let key = try registry.split(split).key
    return try tasks.map {
      .init(path: try registry.path(task: $0, split: split), task: $0, key: key, heldOutKey: validationKey)
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
