import Demonstrations
import Foundation
import Imitation

/// What to train, on what, and how to judge it: one short YAML file, checked whole before anything runs.
///
/// Only differences from the defaults need be written. `docs/recipes.md` explains every key.
public struct Recipe: Decodable, Sendable {
  /// What runs are called by default: letters, digits, '-', '_' and '.'.
  public package(set) var name: String
  /// What all random numbers of training follow from.
  public package(set) var seed: UInt64
  package var data: DataSettings
  package var observations: ObservationSettings
  package var actions: ActionSettings
  /// The encoder's kind and options.
  public package(set) var encoder: Choice
  /// The policy's kind and options.
  public package(set) var policy: Choice
  package var training: TrainingSettings
  package var evaluation: EvaluationSettings
  /// The text it was read from, stored with every run.
  public package(set) var text = ""
  /// The file it was read from, for complaints.
  public package(set) var path = ""

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
      self = try SettingDecoder().decode(Recipe.self, from: setting)
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
    entries.removeAll { $0.key == "evaluation" }
    for place in entries.indices where entries[place].key == "training" {
      entries[place].setting = entries[place].setting.without("steps")
    }
    return Setting(.map(entries), line: 1).json
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case name, seed, data, observations, actions, encoder, policy, training, evaluation
  }

  public init(from decoder: any Decoder) throws {
    let keys = try decoder.container(keyedBy: CodingKeys.self)
    name = try keys.decode(String.self, forKey: .name)
    seed = try keys.decodeIfPresent(UInt64.self, forKey: .seed) ?? 1
    data = try keys.decode(DataSettings.self, forKey: .data)
    observations = try keys.decode(ObservationSettings.self, forKey: .observations)
    actions = try keys.decodeIfPresent(ActionSettings.self, forKey: .actions) ?? ActionSettings()
    encoder = try keys.decode(Choice.self, forKey: .encoder)
    policy = try keys.decode(Choice.self, forKey: .policy)
    training = try keys.decode(TrainingSettings.self, forKey: .training)
    evaluation = try keys.decode(EvaluationSettings.self, forKey: .evaluation)
    guard !name.isEmpty, name.allSatisfy({ $0.isLetter || $0.isNumber || "-_.".contains($0) }), !name.hasPrefix(".")
    else {
      throw keys.refused(.name, "is used as a folder name: letters, digits, '-', '_' and '.' only")
    }
  }
}

/// Which demonstrations: a registry, a split of it and some of its tasks.
package struct DataSettings: Decodable, Sendable {
  /// A file in `Datasets/` without its ending, for example `kitchenette`.
  package var registry: String
  package var split: String
  package var tasks: [String]
  /// The share of each task's episodes held out for the validation loss; 0 where a filter key names them.
  package var validation: Double
  /// The filter key of the episodes held out; nil where a share is.
  package var validationKey: String?
  /// How often windows of a task are drawn against the others; 1 for tasks without a weight. Nil: every window as often as
  /// any other, without replacement.
  package var weights: SampleWeights?
  /// Whether windows may reach over the ends of an episode.
  package var padding: WindowPadding
  /// Where the registry's files are, when not beside it.
  package var root: String?
  /// How much decoded image data is kept in memory.
  package var memoryGigabytes: Double

  enum CodingKeys: String, CodingKey, CaseIterable {
    case registry, split, tasks, validation, root, weights, padding
    case memoryGigabytes = "memory_gigabytes"
  }

  package init(from decoder: any Decoder) throws {
    let keys = try decoder.container(keyedBy: CodingKeys.self)
    registry = try keys.decode(String.self, forKey: .registry)
    split = try keys.decode(String.self, forKey: .split)
    tasks = try keys.decode([String].self, forKey: .tasks)
    if keys.contains(.validation), (try? keys.decode(Double.self, forKey: .validation)) == nil {
      validationKey = try? keys.decode(String.self, forKey: .validation)
      guard validationKey.map({ !$0.isEmpty }) ?? false else {
        throw keys.refused(.validation, "must be a share from 0 to 0.9, or the name of a filter key")
      }
    }
    validation =
      validationKey == nil ? try keys.decodeIfPresent(Double.self, forKey: .validation) ?? 0.05 : 0
    root = try keys.decodeIfPresent(String.self, forKey: .root)
    weights = try keys.decodeIfPresent(SampleWeights.self, forKey: .weights)
    padding = try keys.decodeIfPresent(WindowPadding.self, forKey: .padding) ?? .both
    memoryGigabytes = try keys.decodeIfPresent(Double.self, forKey: .memoryGigabytes) ?? 4
    guard !tasks.isEmpty else { throw keys.refused(.tasks, "names no task") }
    guard Set(tasks).count == tasks.count else { throw keys.refused(.tasks, "names a task twice") }
    guard (0..<0.9).contains(validation) else { throw keys.refused(.validation, "must be from 0 to 0.9") }
    if let weights {
      if let unknown = weights.tasks.keys.sorted().first(where: { !tasks.contains($0) }) {
        throw keys.refused(.weights, "'\(unknown)' is not one of data.tasks")
      }
      guard tasks.contains(where: { weights.weight(of: $0) > 0 }) else { throw keys.refused(.weights, "are all 0") }
    }
    guard memoryGigabytes >= 0, memoryGigabytes < 1e6 else {
      throw keys.refused(.memoryGigabytes, "must be 0 or more")
    }
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
package struct SampleWeights: Decodable, Sendable {
  package var tasks: [String: Double]
  /// Whether a task's weight is shared by its windows, so that tasks with weight 1 come equally often however long their
  /// demonstrations; otherwise each of its windows has the weight.
  package var bySize: Bool

  enum CodingKeys: String, CodingKey, CaseIterable {
    case tasks
    case bySize = "by_size"
  }

  package init(from decoder: any Decoder) throws {
    let keys = try decoder.container(keyedBy: CodingKeys.self)
    tasks = try keys.decodeIfPresent([String: Double].self, forKey: .tasks) ?? [:]
    bySize = try keys.decodeIfPresent(Bool.self, forKey: .bySize) ?? false
    guard tasks.values.allSatisfy({ $0 >= 0 && $0.isFinite }) else {
      throw keys.refused(.tasks, "a weight must be 0 or more")
    }
  }

  package func weight(of task: String) -> Double { tasks[task] ?? 1 }
}

/// What the policy may see.
package struct ObservationSettings: Decodable, Sendable {
  package var images: [String]
  package var vectors: [String]
  /// What the files do not say of their frames.
  package var frames: FrameFormat
  /// How low-dimensional observations are normalised: those with a rule of their own, and all others.
  private var rules: [String: Normalization] = [:]
  private var rule = Normalization.none

  package func normalization(of key: String) -> Normalization {
    CameraKeys.isGeometry(key) ? .none : rules[key] ?? rule
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case images, vectors, normalization
    case imageOrder = "image_order"
    case imageRange = "image_range"
  }

  private enum ImageOrder: String, Decodable, CaseIterable {
    case channelsLast = "channels_last"
    case channelsFirst = "channels_first"
  }

  private enum ImageRange: String, Decodable, CaseIterable { case bytes, unit }

  package init(from decoder: any Decoder) throws {
    let keys = try decoder.container(keyedBy: CodingKeys.self)
    images = try keys.decodeIfPresent([String].self, forKey: .images) ?? []
    vectors = try keys.decodeIfPresent([String].self, forKey: .vectors) ?? []
    frames = FrameFormat(
      isChannelsFirst: try keys.decodeIfPresent(ImageOrder.self, forKey: .imageOrder) == .channelsFirst,
      isUnitRange: try keys.decodeIfPresent(ImageRange.self, forKey: .imageRange) == .unit)
    // One word for all keys, or a word for some and one for the `others`.
    if keys.contains(.normalization) {
      if (try? keys.decode(String.self, forKey: .normalization)) != nil {
        rule = try keys.decode(Normalization.self, forKey: .normalization)
      } else {
        rules = try keys.decode([String: Normalization].self, forKey: .normalization)
        rule = rules.removeValue(forKey: "others") ?? .none
        if let unknown = rules.keys.sorted().first(where: { !vectors.contains($0) }) {
          throw keys.refused(.normalization, "'\(unknown)' is not one of observations.vectors, nor 'others'")
        }
      }
    }
    guard !(images + vectors).isEmpty else { throw keys.refused(.images, "the policy would see nothing") }
    guard Set(images + vectors).count == images.count + vectors.count else {
      throw keys.refused(.images, "names a key twice")
    }
  }
}

/// How actions are learned and carried out.
package struct ActionSettings: Decodable, Sendable {
  package var normalization: Normalization = .none
  /// How many actions of each prediction are executed before the policy looks again.
  package var execute = 1
  /// The arrays of a demo that hold them, put side by side.
  package var from = ["actions"]
  /// The columns that the policy learns; nil for all.
  package var learned: [Int]?
  /// What the columns left out are when the policy acts; nil for what they are in every demonstration.
  package var constants: [Float]?
  /// Where three columns are an axis times an angle, to be learned as six numbers.
  package var rotations: [Int] = []
  /// With it, the actions carried out are means of all predictions made for their moment: the rate at which older ones count
  /// more.
  package var ensemble: Float?
  /// What they mean, where the demonstrations do not say it.
  package var schema: ActionSchemaSettings?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case normalization, execute, from, learned, constants, rotations, ensemble, schema
  }

  package init() {}

  package init(from decoder: any Decoder) throws {
    let keys = try decoder.container(keyedBy: CodingKeys.self)
    normalization = try keys.decodeIfPresent(Normalization.self, forKey: .normalization) ?? .none
    execute = try keys.decodeIfPresent(Int.self, forKey: .execute) ?? 1
    from = try keys.decodeIfPresent([String].self, forKey: .from) ?? ["actions"]
    learned = try keys.decodeIfPresent([Int].self, forKey: .learned)
    constants = try keys.decodeIfPresent([Float].self, forKey: .constants)
    rotations = try keys.decodeIfPresent([Int].self, forKey: .rotations) ?? []
    ensemble = try keys.decodeIfPresent(Float.self, forKey: .ensemble)
    schema = try keys.decodeIfPresent(ActionSchemaSettings.self, forKey: .schema)
    guard Set(rotations).count == rotations.count, rotations.allSatisfy({ $0 >= 0 }) else {
      throw keys.refused(.rotations, "must list where rotations begin, from 0, each once")
    }
    if let ensemble, !ensemble.isFinite { throw keys.refused(.ensemble, "must be a number, 0.01 for example") }
    guard execute >= 1 else { throw keys.refused(.execute, "must be 1 or more") }
    guard !from.isEmpty, Set(from).count == from.count else {
      throw keys.refused(.from, "names no array, or one twice")
    }
    if let learned, learned.isEmpty || Set(learned).count != learned.count || learned.contains(where: { $0 < 0 }) {
      throw keys.refused(.learned, "must list actions by their place from 0, each once")
    }
    if constants != nil, learned == nil {
      throw keys.refused(.constants, "nothing is left out: 'actions.learned' is missing")
    }
  }
}

/// How a trained policy is judged.
package struct EvaluationSettings: Decodable, Sendable {
  package var simulator: Choice
  package var episodes: Int
  package var seed: UInt64
  package var pool: ScenePool

  enum CodingKeys: String, CodingKey, CaseIterable { case simulator, episodes, seed, pool }

  package init(from decoder: any Decoder) throws {
    let keys = try decoder.container(keyedBy: CodingKeys.self)
    simulator = try keys.decode(Choice.self, forKey: .simulator)
    episodes = try keys.decodeIfPresent(Int.self, forKey: .episodes) ?? 50
    seed = try keys.decodeIfPresent(UInt64.self, forKey: .seed) ?? 100_000
    pool = try keys.decodeIfPresent(ScenePool.self, forKey: .pool) ?? .evaluation
    guard (1...10_000).contains(episodes) else { throw keys.refused(.episodes, "must be from 1 to 10000") }
  }
}
