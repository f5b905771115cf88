import Demonstrations
import Foundation
import Imitation
import Testing

/// What files say of their numbers, and nothing they do not say.
@Suite struct SchemaTests {
  func file(
    arguments: String = "{\"env_name\": \"Toy\"}", attributes: [String: String] = [:],
    _ body: (DemonstrationFile) throws -> Void
  ) throws {
    let path = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString).hdf5"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try HDF5File.atomically(path) { file in
      try file.createGroup("data")
      try file.createGroup("data/demo_0")
      try file.write([Double](repeating: 0, count: 14), shape: [2, 7], to: "data/demo_0/actions")
      try file.setText(arguments, of: "data", "env_args")
      for (name, text) in attributes { try file.setText(text, of: "data", name) }
    }
    try body(DemonstrationFile(path: path))
  }

  func robosuite(_ controller: String, rate: String = "\"control_freq\": 15, ") -> String {
    "{\"env_name\": \"Lift\", \"type\": 1, \"env_kwargs\": {\(rate)\"controller_configs\": \(controller)}}"
  }

  /// robosuite's own osc_pose.json, as robomimic's files have it.
  static let step = """
    {"type": "OSC_POSE", "input_max": 1, "input_min": -1, "output_max": [0.05, 0.05, 0.05, 0.5, 0.5, 0.5],
    "output_min": [-0.05, -0.05, -0.05, -0.5, -0.5, -0.5], "kp": 150, "impedance_mode": "fixed", "control_delta": true}
    """

  @Test func aFileThatSaysNothingIsUnknown() throws {
    try file { file in
      let said = try file.actionSchema(of: "actions", width: 7)
      #expect(said == .unknown(width: 7))
      #expect(try file.vectorSchemas().isEmpty)
    }
  }

  @Test func robosuitesControllerIsTakenAtItsWord() throws {
    try file(arguments: robosuite(Self.step)) { file in
      let schema = try file.actionSchema(of: "actions", width: 7)
      #expect(schema.controlHertz == 15 && schema.control == "operational space, step")
      #expect(schema.dimensions[2] == .init(name: "arm_z", unit: "0.05 m", low: -1, high: 1))
      #expect(schema.dimensions[5] == .init(name: "arm_rz", unit: "0.5 rad", low: -1, high: 1))
      // Nobody says what the gripper's number is.
      #expect(schema.dimensions[6] == .init())
      // Nor what another array holds.
      let goals = try file.actionSchema(of: "actions_abs", width: 7)
      #expect(goals == .unknown(width: 7))
      let part = try file.actionSchema(of: "action_dict/rel_pos", width: 3)
      #expect(part == .unknown(width: 3))
    }
    let goal = Self.step.replacingOccurrences(of: "true", with: "false")
    try file(arguments: robosuite(goal, rate: "")) { file in
      let schema = try file.actionSchema(of: "actions", width: 7)
      #expect(schema.controlHertz == nil && schema.control == "operational space, goal")
      #expect(schema.dimensions[0] == .init(name: "goal_x", unit: "m"))
    }
  }

  /// robosuite 1.5 has body parts, the frame, and another word for steps.
  @Test(arguments: ["{\"right\": ARM}", "{\"arms\": {\"right\": ARM}}"]) func robosuitesBodyParts(_ parts: String)
    throws
  {
    let arm = Self.step.replacingOccurrences(
      of: "\"control_delta\": true", with: "\"input_type\": \"delta\", \"input_ref_frame\": \"base\"")
    let parts = parts.replacingOccurrences(of: "ARM", with: arm)
    try file(arguments: robosuite("{\"type\": \"BASIC\", \"body_parts\": \(parts)}")) { file in
      let schema = try file.actionSchema(of: "actions", width: 7)
      #expect(schema.control == "operational space, step in the base frame")
      #expect(schema.dimensions[0].unit == "0.05 m" && schema.dimensions[6] == .init())
    }
  }

  /// Where the arm's numbers are is not stated, or what they are is not.
  @Test(arguments: [
    "{\"type\": \"BASIC\", \"body_parts\": {\"right\": ARM, \"base\": {\"type\": \"JOINT_VELOCITY\"}}}",
    "{\"type\": \"JOINT_POSITION\", \"control_delta\": true}", "{\"type\": \"OSC_POSE\"}", "[ARM, ARM]",
    "{\"type\": \"OSC_POSE\", \"control_delta\": true, \"impedance_mode\": \"variable\"}",
  ]) func nothingMoreThanIsStated(_ controller: String) throws {
    let controller = controller.replacingOccurrences(of: "ARM", with: Self.step)
    try file(arguments: robosuite(controller)) { file in
      let schema = try file.actionSchema(of: "actions", width: 7)
      #expect(schema.dimensions == ActionSchema.unknown(width: 7).dimensions)
      #expect(schema.controlHertz == 15)
    }
  }

  @Test func limitsThatAreMissingAreUnknown() throws {
    let half = Self.step.replacingOccurrences(of: "\"output_min\"", with: "\"other\"")
    try file(arguments: robosuite(half)) { file in
      let schema = try file.actionSchema(of: "actions", width: 7)
      #expect(schema.dimensions[0] == .init(name: "arm_x", low: -1, high: 1))
    }
    // +1 stands for nothing where the two ends go different ways.
    let crooked = Self.step.replacingOccurrences(of: "[-0.05, -0.05", with: "[-0.1, -0.05")
    try file(arguments: robosuite(crooked)) { file in
      let schema = try file.actionSchema(of: "actions", width: 7)
      #expect(schema.dimensions[0].unit == nil && schema.dimensions[1].unit == "0.05 m")
    }
  }

  /// The embedded simulator's recordings of before it wrote schemas name it, and it always recorded both forms.
  @Test func olderRecordingsOfOurs() throws {
    let arguments = "{\"env_name\": \"OpenDrawer\", \"env_version\": \"kitchenette-1\", \"env_kwargs\": {}}"
    try file(arguments: arguments) { file in
      let steps = try file.actionSchema(of: "actions", width: 12)
      #expect(steps == .roboCasa)
      let goals = try file.actionSchema(of: "actions_abs", width: 12)
      #expect(goals == .roboCasaAbsolute)
      let narrow = try file.actionSchema(of: "actions", width: 7)
      #expect(narrow == .unknown(width: 7))
    }
  }

  /// Its attribute counts before what else the file says; nulls are unknown.
  @Test func attributesCountFirst() throws {
    let text = """
      {"actions": {"dimensions": [{"name": "x", "unit": null, "low": null, "high": null}, {}, {}, {}, {}, {}, {}],
      "control_hertz": 10, "control": null}, "actions_abs": null}
      """
    let seen = "{\"pos\": {\"unit\": \"m\", \"frame\": \"world\"}, \"other\": null}"
    let attributes = ["action_schema": text, "observation_schema": seen]
    try file(arguments: robosuite(Self.step), attributes: attributes) { file in
      let schema = try file.actionSchema(of: "actions", width: 7)
      #expect(schema.controlHertz == 10 && schema.control == nil)
      #expect(schema.dimensions[0] == .init(name: "x") && schema.dimensions[1] == .init())
      let seen = try file.vectorSchemas()
      #expect(seen == ["pos": .init(unit: "m", frame: "world")])
      #expect(throws: SchemaError.width(file: file.path, array: "actions", said: 7, found: 6)) {
        try file.actionSchema(of: "actions", width: 6)
      }
    }
  }

  @Test(arguments: [
    ("not JSON", "not JSON"),
    ("{\"actions\": {\"dimensions\": [{\"unit\": 3}]}}", "actions.dimensions.0.unit is no String"),
    ("{\"actions\": {}}", "actions.dimensions is missing"),
    ("{\"actions\": {\"dimensions\": [{\"low\": 1, \"high\": 0}]}}", "1.0 is above high"),
  ]) func damagedAttributesAreRefused(_ text: String, _ words: String) throws {
    try file(attributes: ["action_schema": text]) { file in
      do {
        _ = try file.actionSchema(of: "actions", width: 1)
        Issue.record("read all the same")
      } catch let error as SchemaError {
        #expect("\(error)".contains("data@action_schema") && "\(error)".contains(words), "\(error)")
      }
    }
  }

  /// `inspect` tells what training would refuse.
  @Test(arguments: [
    ("action_schema", "{", "'data@action_schema' cannot be used: not JSON"),
    ("observation_schema", "[]", "'data@observation_schema' cannot be used"),
    ("action_schema", "{\"actions\": {\"dimensions\": [{}]}}", "describes 1 numbers of 'actions', which has 7"),
  ]) func inspectionTellsThem(_ attribute: String, _ text: String, _ words: String) throws {
    try file(attributes: [attribute: text]) { file in
      let problems = DatasetSummary(file).problems
      #expect(problems.contains { $0.contains(words) && !$0.contains(file.path) }, "\(problems)")
    }
  }

  /// What is recorded says so, for the arrays and for the parts that follow from them.
  @Test func recordingsSayWhatTheyHold() throws {
    let folder = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let store = try EpisodeStore(folder: folder + "/parts", identity: "test")
    var episode = RecordedEpisode(actionWidth: 12, description: EpisodeDescription(metadata: "{}", model: ""))
    episode.append(
      Observation(images: [:], vectors: ["pos": [1]]), action: Array(repeating: 0, count: 12), state: [0], success: true
    )
    try store.write(episode, at: 0)
    let schema = DemonstrationSchema(
      actions: ["actions": .roboCasa, "actions_abs": .roboCasaAbsolute], observations: ["pos": .init(unit: "m")])
    try store.assemble([0], to: folder + "/a.hdf5", environmentArguments: "{}", schema: schema, seed: 1)
    let file = try DemonstrationFile(path: folder + "/a.hdf5")
    let steps = try file.actionSchema(of: "actions", width: 12)
    #expect(steps == .roboCasa)
    let goals = try file.actionSchema(of: "actions_abs", width: 12)
    #expect(goals == .roboCasaAbsolute)
    let gripper = try file.actionSchema(of: "action_dict/gripper", width: 1)
    #expect(gripper.dimensions == [ActionSchema.roboCasa.dimensions[6]])
    let position = try file.actionSchema(of: "action_dict/abs_pos", width: 3)
    #expect(position.dimensions[0].unit == "m")
    let turn = try file.actionSchema(of: "action_dict/rel_rot_6d", width: 6)
    #expect(turn == .unknown(width: 6))
    let seen = try file.vectorSchemas()
    #expect(seen == ["pos": .init(unit: "m")])
    #expect(try file.hdf5.text(of: "data", "action_schema").contains("\"control_hertz\":20"))
  }
}
