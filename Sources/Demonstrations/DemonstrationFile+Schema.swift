import Foundation
import Imitation

/// What files say of their numbers that cannot be used.
package enum SchemaError: Error, Equatable, CustomStringConvertible {
  case unreadable(file: String, attribute: String, reason: String)
  case width(file: String, array: String, said: Int, found: Int)
  case differs(file: String, SchemaDifference, other: String)

  package var description: String {
    switch self {
    case .unreadable(let file, let attribute, let reason): "\(file): 'data@\(attribute)' cannot be used: \(reason)"
    case .width(let file, let array, let said, let found):
      "\(file): 'data@action_schema' describes \(said) numbers of '\(array)', which has \(found)"
    case .differs(let file, let difference, let other):
      "\(file): \(difference.what) is \(difference.first), in \(other) it is \(difference.second); "
        + "what means different things cannot be learned together"
    }
  }
}

extension DemonstrationFile {
  static let actionAttribute = "action_schema"
  static let observationAttribute = "observation_schema"

  /// What the numbers of an array of actions mean, as far as the file says: in its attribute `action_schema`, or for `actions`
  /// in what `env_args` says of the controller. Nothing else is known.
  /// - Throws: `SchemaError` when the attribute is none, or describes another array.
  package func actionSchema(of array: String, width: Int) throws -> ActionSchema {
    if let known: [String: ActionSchema?] = try attribute(DemonstrationFile.actionAttribute) {
      // Where the file speaks for itself, what it leaves out is unknown.
      guard let schema = known[array] ?? nil else { return .unknown(width: width) }
      guard schema.count == width else {
        throw SchemaError.width(file: path, array: array, said: schema.count, found: width)
      }
      return schema
    }
    let arguments = environmentArguments
    if let kitchenette = DemonstrationFile.kitchenette(arguments, array), kitchenette.count == width {
      return kitchenette
    }
    guard array == "actions" else { return .unknown(width: width) }
    return DemonstrationFile.robosuite(arguments, width: width)
  }

  /// The attribute for files where only `env_args` says what actions mean, or nothing does: null then. Nil where it is there.
  func derivedActionSchemas() throws -> String? {
    let known: [String: ActionSchema?]? = try attribute(DemonstrationFile.actionAttribute)
    guard known == nil, let demo = demos.first else { return nil }
    var schemas: [String: ActionSchema?] = ["actions": Optional<ActionSchema>.none]
    for key in ["actions", "actions_abs"] where file(of: demo).exists(array(key, of: demo)) {
      guard let width = try file(of: demo).shape(array(key, of: demo)).last else { continue }
      let schema = try actionSchema(of: key, width: width)
      if schema != .unknown(width: width) { schemas.updateValue(schema, forKey: key) }
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(schemas), as: UTF8.self)
  }

  /// What low-dimensional observations mean, as far as the file says.
  /// - Throws: `SchemaError` when the attribute is none.
  package func vectorSchemas() throws -> [String: VectorSchema] {
    let known: [String: VectorSchema?] = try attribute(DemonstrationFile.observationAttribute) ?? [:]
    return known.compactMapValues { $0 }
  }

  /// What in the attributes cannot be used.
  var schemaProblems: [any Error] {
    var problems: [any Error] = []
    func trying(_ body: () throws -> Void) {
      do { try body() } catch { problems.append(error) }
    }
    trying { _ = try vectorSchemas() }
    trying {
      let known: [String: ActionSchema?] = try attribute(DemonstrationFile.actionAttribute) ?? [:]
      for key in known.keys.sorted() {
        guard let demo = demos.first, let shape = try? file(of: demo).shape(array(key, of: demo)) else { continue }
        trying { _ = try actionSchema(of: key, width: shape.count > 1 ? shape[1] : 1) }
      }
    }
    return problems
  }

  /// A JSON attribute of `data`; nil when there is none.
  private func attribute<Record: Decodable>(_ name: String) throws -> Record? {
    guard layout == .robomimic else { return nil }
    let text: String
    do {
      guard let found = try hdf5.textIfPresent(of: "data", name) else { return nil }
      text = found
    } catch HDF5Error.wrongType {
      throw SchemaError.unreadable(file: path, attribute: name, reason: "not text")
    }
    do {
      return try JSONDecoder().decode(Record.self, from: Data(text.utf8))
    } catch let error as DecodingError {
      throw SchemaError.unreadable(file: path, attribute: name, reason: DemonstrationFile.reason(error))
    }
  }

  private static func reason(_ error: DecodingError) -> String {
    func place(_ context: DecodingError.Context, and key: (any CodingKey)? = nil) -> String {
      (context.codingPath + [key].compactMap(\.self)).map { $0.intValue.map(String.init) ?? $0.stringValue }
        .joined(separator: ".")
    }
    switch error {
    case .dataCorrupted(let context):
      return context.codingPath.isEmpty ? "not JSON" : "\(place(context)): \(context.debugDescription)"
    case .keyNotFound(let key, let context): return "\(place(context, and: key)) is missing"
    case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
      return "\(place(context)) is no \(type)"
    @unknown default: return "\(error)"
    }
  }

  /// Recordings of the embedded simulator of before schemas were written: its name says what they hold, since it records
  /// steps and goals alike whatever the recipe's control is.
  private static func kitchenette(_ arguments: [String: Any], _ array: String) -> ActionSchema? {
    guard arguments["env_version"] as? String == "kitchenette-1" else { return nil }
    return ["actions": .roboCasa, "actions_abs": .roboCasaAbsolute][array]
  }

  // MARK: What robosuite's arguments state

  /// The rate, and of an operational-space controller what the arm's six numbers are; the numbers behind those are nowhere stated.
  package static func robosuite(_ arguments: [String: Any], width: Int) -> ActionSchema {
    var schema = ActionSchema.unknown(width: width)
    let keywords = arguments["env_kwargs"] as? [String: Any] ?? [:]
    if let rate = number(keywords["control_freq"]), rate > 0 { schema.controlHertz = rate }
    guard width >= 6, let arm = armController(keywords["controller_configs"] as? [String: Any] ?? [:]),
      arm["type"] as? String == "OSC_POSE", (arm["impedance_mode"] as? String ?? "fixed") == "fixed",
      let isStep = isStep(arm)
    else { return schema }
    schema.control = "operational space, \(isStep ? "step" : "goal")"
    if let frame = arm["input_ref_frame"] as? String { schema.control! += " in the \(frame) frame" }
    for (place, axis) in ["x", "y", "z", "rx", "ry", "rz"].enumerated() {
      let unit = place < 3 ? "m" : "rad"
      // A goal is taken as it is, whatever limits the file has for steps.
      guard isStep else {
        schema.dimensions[place] = .init(name: "goal_\(axis)", unit: unit)
        continue
      }
      var dimension = ActionSchema.Dimension(name: "arm_\(axis)")
      let input = limits(arm, "input", place)
      (dimension.low, dimension.high) = (input.map { Float($0.low) }, input.map { Float($0.high) })
      if let input, let output = limits(arm, "output", place), input.low < input.high {
        let scale = (output.high - output.low) / (input.high - input.low)
        let offset = output.low - scale * input.low
        // Without a row of nines behind what was meant.
        if abs(offset) < 1e-9 { dimension.unit = String(format: "%.6g ", scale) + unit }
      }
      schema.dimensions[place] = dimension
    }
    return schema
  }

  /// The controller of the only arm: the whole record, or since robosuite 1.5 one of its body parts.
  private static func armController(_ controller: [String: Any]) -> [String: Any]? {
    guard let parts = controller["body_parts"] as? [String: Any] else { return controller }
    let arms = parts["arms"] as? [String: Any] ?? parts
    // With further parts, which of the numbers are the arm's is not stated.
    guard parts.count == 1, arms.count == 1 else { return nil }
    return arms.values.first as? [String: Any]
  }

  private static func isStep(_ arm: [String: Any]) -> Bool? {
    if let type = arm["input_type"] as? String { return ["delta": true, "absolute": false][type] }
    return arm["control_delta"] as? Bool
  }

  /// A limit is one number for all dimensions, or a list.
  private static func limits(_ arm: [String: Any], _ name: String, _ place: Int) -> (low: Double, high: Double)? {
    func limit(_ key: String) -> Double? {
      if let list = arm[key] as? [Any] { return list.indices.contains(place) ? number(list[place]) : nil }
      return number(arm[key])
    }
    guard let low = limit("\(name)_min"), let high = limit("\(name)_max") else { return nil }
    return (low, high)
  }

  private static func number(_ value: Any?) -> Double? {
    guard let number = (value as? NSNumber)?.doubleValue, number.isFinite else { return nil }
    return number
  }
}

extension ActionSchema {
  /// Whether actions begin with an arm's position, its rotation and a gripper, as far as is known: joints in radians do not.
  package var isOfArm: Bool {
    guard count >= 7, control?.localizedCaseInsensitiveContains("joint") != true else { return false }
    return dimensions[0..<3].allSatisfy { $0.unit?.hasSuffix("rad") != true }
      && dimensions[3..<6].allSatisfy { $0.unit?.hasSuffix("rad") != false }
  }
}

extension DemonstrationSchema {
  /// With what follows of `actions` and `actions_abs` for the parts that are written beside them.
  package var withParts: DemonstrationSchema {
    var whole = self
    for (array, form) in [("actions", "rel"), ("actions_abs", "abs")] {
      guard let schema = actions[array], schema.isOfArm else { continue }
      func part(_ range: Range<Int>) -> ActionSchema {
        ActionSchema(
          dimensions: Array(schema.dimensions[range]), controlHertz: schema.controlHertz, control: schema.control)
      }
      whole.actions["action_dict/\(form)_pos"] = part(0..<3)
      whole.actions["action_dict/\(form)_rot_axis_angle"] = part(3..<6)
      if form == "rel" { whole.actions["action_dict/gripper"] = part(6..<7) }
    }
    return whole
  }
}

extension HDF5File {
  /// Writes what the numbers of demonstrations mean as attributes of `data`; nothing where nothing is known.
  func write(_ schema: DemonstrationSchema) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    func text(_ record: some Encodable) throws -> String { String(decoding: try encoder.encode(record), as: UTF8.self) }
    if !schema.actions.isEmpty {
      try setText(try text(schema.withParts.actions), of: "data", DemonstrationFile.actionAttribute)
    }
    if !schema.observations.isEmpty {
      try setText(try text(schema.observations), of: "data", DemonstrationFile.observationAttribute)
    }
  }
}
