import Foundation
import Imitation
import Testing

@Suite struct ActionSchemaTests {
  let known = ActionSchema(
    dimensions: [
      .init(name: "x", unit: "m", low: -1, high: 1), .init(name: "grip", unit: "-1 open", low: -1, high: 1),
    ],
    controlHertz: 20, control: "operational space, step in the base frame")

  @Test func survivesJSONAndSaysWhatItDoesNotKnow() throws {
    let text = String(decoding: try JSONEncoder().encode(ActionSchema.unknown(width: 1)), as: UTF8.self)
    for key in ["name", "unit", "low", "high", "control_hertz", "control"] {
      #expect(text.contains("\"\(key)\":null"), "\(key)")
    }
    for schema in [known, .unknown(width: 3), .roboCasa, .roboCasaAbsolute] {
      #expect(try JSONDecoder().decode(ActionSchema.self, from: JSONEncoder().encode(schema)) == schema)
    }
    // As others may write it: absent is unknown too.
    let sparse = "{\"dimensions\": [{\"name\": \"x\"}, {}]}"
    let read = try JSONDecoder().decode(ActionSchema.self, from: Data(sparse.utf8))
    #expect(read.label(0) == "x" && read.label(1) == "action_1" && read.controlHertz == nil)
  }

  @Test(arguments: [
    "{\"dimensions\": [{\"low\": 2, \"high\": 1}]}", "{\"dimensions\": [], \"control_hertz\": 0}",
    "{\"dimensions\": [{\"unit\": 5}]}", "{}",
  ]) func refusesNonsense(_ text: String) {
    #expect(throws: DecodingError.self) { try JSONDecoder().decode(ActionSchema.self, from: Data(text.utf8)) }
  }

  /// One thing changed at a time is found; one thing unknown is no contradiction, and is unknown of both together.
  @Test func comparesEveryFact() throws {
    typealias Change = (inout ActionSchema) -> Void
    let changes: [(String, Change, Change)] = [
      ("the rate", { $0.controlHertz = 10 }, { $0.controlHertz = nil }),
      ("the control", { $0.control = "operational space, goal" }, { $0.control = nil }),
      ("the name of action 1", { $0.dimensions[1].name = "y" }, { $0.dimensions[1].name = nil }),
      ("the unit of action 0", { $0.dimensions[0].unit = "0.05 m" }, { $0.dimensions[0].unit = nil }),
      ("the lower limit of action 0", { $0.dimensions[0].low = -2 }, { $0.dimensions[0].low = nil }),
      ("the upper limit of action 1", { $0.dimensions[1].high = 2 }, { $0.dimensions[1].high = nil }),
    ]
    for (what, change, forget) in changes {
      var other = known
      change(&other)
      #expect(known.difference(from: other)?.what == what)
      #expect(throws: SchemaDifference.self) { try known.common(with: other) }
      #expect(throws: SchemaDifference.self) { try known.completed(by: other) }
      var less = known
      forget(&less)
      #expect(known.difference(from: less) == nil && less.difference(from: known) == nil)
      #expect(try known.common(with: less) == less)
      #expect(try less.common(with: known) == less)
      #expect(try known.completed(by: less) == known)
      #expect(try less.completed(by: known) == known)
      #expect(known.unknown(comparedTo: less) == nil && less.unknown(comparedTo: known) != nil, "\(what)")
      #expect(less.unknown(comparedTo: less) == nil)
    }
    #expect(known.difference(from: .unknown(width: 3))?.what == "the width")
  }

  /// A control that says less does not contradict one that says more, but another word does.
  @Test func controlsMaySayLess() throws {
    var less = known
    less.control = "operational space, step"
    #expect(known.difference(from: less) == nil)
    #expect(try known.common(with: less).control == "operational space, step")
    #expect(try less.completed(by: known).control == known.control)
    less.control = "operational space, steps"
    #expect(known.difference(from: less)?.what == "the control")
  }

  @Test func listsWhatIsUnknown() {
    var schema = known
    schema.dimensions += [.init(name: "a"), .init(name: "b"), .init(name: "c", unit: "m"), .init(name: "d")]
    #expect(schema.unknown() == "the unit of actions 2 to 3, 5; the range of actions 2 to 5")
    #expect(known.unknown() == nil)
  }

  @Test func joinsArrays() throws {
    let joined = try ActionSchema.joined([known, ActionSchema(dimensions: [.init(unit: "1")], controlHertz: 20)])
    #expect(joined.count == 3 && joined.controlHertz == 20 && joined.control == nil)
    #expect(throws: SchemaDifference.self) {
      try ActionSchema.joined([known, ActionSchema(dimensions: [], controlHertz: 5)])
    }
  }
}
