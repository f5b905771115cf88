import Imitation

/// What an environment said of itself, checked.
struct EnvironmentFacts: Equatable {
  var spec: EnvironmentSpec
  var arguments: FreeOptions
  var capabilities: Set<String>

  /// A reason as `ProcessEnvironmentError.answer` has it.
  struct Refusal: Error {
    var reason: String
    init(_ reason: String) { self.reason = reason }
  }

  private static let longestSide = 1 << 13
  private static let mostValues = 1 << 24

  /// - Throws: `Refusal`.
  init(_ answer: WireAnswer) throws {
    func needed<Value>(_ value: Value?, _ name: String) throws -> Value {
      guard let value else { throw Refusal("lacks '\(name)'") }
      return value
    }
    guard try needed(answer.protocol, "protocol") == Wire.version else {
      throw Refusal("is of protocol \(answer.protocol!); this toolkit speaks protocol \(Wire.version)")
    }
    let name = try needed(answer.name, "name")
    guard !name.isEmpty else { throw Refusal("has an empty 'name'") }
    let tasks = try needed(answer.tasks, "tasks")
    guard !tasks.isEmpty, Set(tasks.map(\.name)).count == tasks.count else {
      throw Refusal(tasks.isEmpty ? "has no tasks" : "has a task twice")
    }
    if let task = tasks.first(where: { $0.name.isEmpty || $0.horizon < 1 }) {
      throw Refusal("has the task '\(task.name)' with a horizon of \(task.horizon)")
    }
    let action = try needed(answer.action, "action")
    guard (1...4096).contains(action.count) else { throw Refusal("has actions of \(action.count) dimensions") }
    let observations = try needed(answer.observations, "observations")
    var schema = ObservationSchema(images: [:], vectors: [:])
    var meanings: [String: VectorSchema] = [:]
    for (key, size) in observations.images ?? [:] {
      guard EnvironmentFacts.isKey(key), size.count == 2,
        size.allSatisfy({ (1...EnvironmentFacts.longestSide).contains($0) })
      else { throw Refusal("has the image '\(key)' of size \(size)") }
      schema.images[key] = .init(height: size[0], width: size[1])
    }
    for (key, vector) in observations.vectors ?? [:] {
      guard EnvironmentFacts.isKey(key), (1...EnvironmentFacts.mostValues).contains(vector.width) else {
        throw Refusal("has the vector '\(key)' of width \(vector.width)")
      }
      guard schema.images[key] == nil else { throw Refusal("has '\(key)' as an image and as a vector") }
      schema.vectors[key] = vector.width
      let meaning = VectorSchema(unit: vector.unit, frame: vector.frame, quaternion: vector.quaternion)
      if meaning != VectorSchema() { meanings[key] = meaning }
    }
    guard !schema.images.isEmpty || !schema.vectors.isEmpty else { throw Refusal("has no observations") }
    spec = EnvironmentSpec(
      name: name, schema: schema, actions: action,
      recorded: DemonstrationSchema(actions: ["actions": action], observations: meanings),
      tasks: tasks.map { SimulatedTask(name: $0.name, group: $0.group ?? name, horizon: $0.horizon) },
      versions: answer.versions ?? [:])
    arguments = answer.arguments ?? FreeOptions()
    capabilities = Set(answer.capabilities ?? [])
  }

  /// Keys become names in files.
  private static func isKey(_ key: String) -> Bool {
    !key.isEmpty && key.utf8.count <= 200 && key.allSatisfy { $0.isLetter || $0.isNumber || "_-.".contains($0) }
      && !key.hasPrefix(".")
  }

  /// The observation of an answer.
  /// - Throws: `Refusal` for what is missing, of another shape or type, or not a number.
  func observation(_ message: WireMessage<WireAnswer>, instruction: String) throws -> Observation {
    var observation = Observation(instruction: instruction)
    func array(_ key: String) throws -> WireArray {
      guard let array = message["obs/" + key] else { throw Refusal("lacks 'obs/\(key)'") }
      return array
    }
    for (key, size) in spec.schema.images {
      let array = try array(key)
      guard array.shape == [size.height, size.width, 3], let image = array.image else {
        throw Refusal(
          "has 'obs/\(key)' as \(array.values.type) \(array.shape), not uint8 [\(size.height), \(size.width), 3]")
      }
      observation.images[key] = image
    }
    for (key, width) in spec.schema.vectors {
      let array = try array(key)
      guard array.shape == [width], let values = array.floats else {
        throw Refusal("has 'obs/\(key)' as \(array.values.type) \(array.shape), not float32 [\(width)]")
      }
      guard values.allSatisfy(\.isFinite) else { throw Refusal("has a value in 'obs/\(key)' that is not a number") }
      observation.vectors[key] = values
    }
    return observation
  }

  /// What is written beside an episode that begins with this answer: RoboCasa's `ep_meta`.
  static func description(_ answer: WireAnswer) -> EpisodeDescription {
    var metadata = answer.metadata?.entries ?? [:]
    metadata["lang"] = (answer.instruction ?? "").setting
    if let layout = answer.scene?.layout { metadata["layout_id"] = layout.setting }
    if let style = answer.scene?.style { metadata["style_id"] = style.setting }
    if let object = answer.scene?.object, metadata["object_cfgs"] == nil {
      let info = FreeOptions(["cat": object.setting]).setting
      metadata["object_cfgs"] = Setting(.list([FreeOptions(["name": "obj".setting, "info": info]).setting]))
    }
    return EpisodeDescription(metadata: FreeOptions(metadata).setting.json, model: answer.model ?? "")
  }
}
