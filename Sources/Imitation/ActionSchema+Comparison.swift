/// Two schemas that say different things of the same numbers.
public struct SchemaDifference: Error, Equatable {
  /// What differs, for example "the unit of arm_x".
  public var what: String
  /// What the first and the second say.
  public var first, second: String

  /// - Parameter what: which fact.
  public init(what: String, first: String, second: String) {
    self.what = what
    self.first = first
    self.second = second
  }
}

extension ActionSchema {
  /// Every single thing a schema can say, by what it is called; nil for what it does not say.
  private var facts: [(what: String, value: Fact?)] {
    var facts: [(String, Fact?)] = [
      ("the rate", controlHertz.map { .number($0, " a second") }), ("the control", control.map { .phrase($0) }),
    ]
    for (index, dimension) in dimensions.enumerated() {
      facts.append(("the name of action \(index)", dimension.name.map { .text($0) }))
      facts.append(("the unit of action \(index)", dimension.unit.map { .text($0) }))
      facts.append(("the lower limit of action \(index)", dimension.low.map { .number(Double($0), "") }))
      facts.append(("the upper limit of action \(index)", dimension.high.map { .number(Double($0), "") }))
    }
    return facts
  }

  private enum Fact {
    case number(Double, String)
    case text(String)
    /// A text that may say less than another one.
    case phrase(String)

    var description: String {
      switch self {
      case .number(let number, let ending):
        (number == number.rounded() && abs(number) < 1e9 ? "\(Int(number))" : "\(number)") + ending
      case .text(let text), .phrase(let text): "'\(text)'"
      }
    }

    func agrees(with other: Fact) -> Bool {
      switch (self, other) {
      case (.number(let a, _), .number(let b, _)): abs(a - b) <= 1e-4 * max(abs(a), abs(b))
      case (.phrase(let a), .phrase(let b)): Fact.says(a, asMuchAs: b) || Fact.says(b, asMuchAs: a)
      case (.text(let a), .text(let b)): a == b
      default: false
      }
    }

    static func says(_ long: String, asMuchAs short: String) -> Bool {
      long == short || long.hasPrefix(short) && !(long.dropFirst(short.count).first?.isLetter ?? false)
    }
  }

  /// The first thing that both say and that is not the same; nil when they do not contradict each other.
  public func difference(from other: ActionSchema) -> SchemaDifference? {
    guard count == other.count else {
      return SchemaDifference(what: "the width", first: "\(count)", second: "\(other.count)")
    }
    for (mine, theirs) in zip(facts, other.facts) {
      guard let a = mine.value, let b = theirs.value, !a.agrees(with: b) else { continue }
      return SchemaDifference(what: mine.what, first: a.description, second: b.description)
    }
    return nil
  }

  /// What both say of the same actions: what only one says is not known of all.
  /// - Throws: `SchemaDifference` when they contradict each other.
  public func common(with other: ActionSchema) throws -> ActionSchema {
    if let difference = difference(from: other) { throw difference }
    var common = self
    if other.controlHertz == nil { common.controlHertz = nil }
    common.control = control.flatMap { mine in
      other.control.map { Fact.says(mine, asMuchAs: $0) ? $0 : mine }
    }
    for (index, theirs) in other.dimensions.enumerated() {
      if theirs.name == nil { common.dimensions[index].name = nil }
      if theirs.unit == nil { common.dimensions[index].unit = nil }
      if theirs.low == nil { common.dimensions[index].low = nil }
      if theirs.high == nil { common.dimensions[index].high = nil }
    }
    return common
  }

  /// What either says.
  /// - Throws: `SchemaDifference` when they contradict each other.
  public func completed(by other: ActionSchema) throws -> ActionSchema {
    if let difference = difference(from: other) { throw difference }
    var whole = self
    whole.controlHertz = controlHertz ?? other.controlHertz
    if let theirs = other.control {
      whole.control = control.map { Fact.says($0, asMuchAs: theirs) ? $0 : theirs } ?? theirs
    }
    for (index, theirs) in other.dimensions.enumerated() {
      let mine = dimensions[index]
      whole.dimensions[index] = Dimension(
        name: mine.name ?? theirs.name, unit: mine.unit ?? theirs.unit, low: mine.low ?? theirs.low,
        high: mine.high ?? theirs.high)
    }
    return whole
  }

  /// What is not known, in words: "the rate; the unit of actions 6 to 11"; nil when all is known.
  ///
  /// - Parameter other: only what this one says counts; everything when nil.
  public func unknown(comparedTo other: ActionSchema? = nil) -> String? {
    var parts: [String] = []
    func lacks<Whole, Fact>(_ fact: KeyPath<Whole, Fact?>, _ mine: Whole, _ theirs: Whole?) -> Bool {
      mine[keyPath: fact] == nil && (other == nil || theirs?[keyPath: fact] != nil)
    }
    if lacks(\.controlHertz, self, other) { parts.append("the rate") }
    if lacks(\.control, self, other) { parts.append("the control") }
    // A text that ends earlier leaves something open, the frame of its steps for example.
    if let control, let theirs = other?.control, theirs != control, theirs.hasPrefix(control) {
      parts.append("the rest of the control (\(theirs.dropFirst(control.count).trimmingPrefix(while: \.isWhitespace)))")
    }
    func list(_ what: String, _ isMissing: (Dimension, Dimension?) -> Bool) {
      let places = dimensions.indices.filter { index in
        isMissing(dimensions[index], other.flatMap { index < $0.count ? $0.dimensions[index] : nil })
      }
      if !places.isEmpty { parts.append("the \(what) of action\(ActionSchema.places(places))") }
    }
    list("name") { lacks(\.name, $0, $1) }
    list("unit") { lacks(\.unit, $0, $1) }
    list("range") { lacks(\.low, $0, $1) || lacks(\.high, $0, $1) }
    return parts.isEmpty ? nil : parts.joined(separator: "; ")
  }

  /// "s 0 to 3, 5" of 0, 1, 2, 3, 5.
  private static func places(_ places: [Int]) -> String {
    var runs: [ClosedRange<Int>] = []
    for place in places {
      if let last = runs.last, last.upperBound + 1 == place {
        runs[runs.count - 1] = last.lowerBound...place
      } else {
        runs.append(place...place)
      }
    }
    let texts = runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound) to \($0.upperBound)" }
    return (places.count > 1 ? "s " : " ") + texts.joined(separator: ", ")
  }

  /// Arrays of actions put side by side.
  /// - Throws: `SchemaDifference` when they do not come at one rate.
  public static func joined(_ parts: [ActionSchema]) throws -> ActionSchema {
    guard let first = parts.first else { return .unknown(width: 0) }
    var whole = first
    for part in parts.dropFirst() {
      func rate(_ schema: ActionSchema) -> ActionSchema { .init(dimensions: [], controlHertz: schema.controlHertz) }
      if let difference = rate(whole).difference(from: rate(part)) { throw difference }
      if part.controlHertz == nil { whole.controlHertz = nil }
      if part.control != whole.control { whole.control = nil }
      whole.dimensions += part.dimensions
    }
    return whole
  }
}

extension VectorSchema {
  /// The first thing that both say and that is not the same.
  public func difference(from other: VectorSchema, key: String) -> SchemaDifference? {
    for (what, mine, theirs) in [
      ("the unit", unit, other.unit), ("the frame", frame, other.frame),
      ("the order of the quaternion", quaternion, other.quaternion),
    ] {
      guard let mine, let theirs, mine != theirs else { continue }
      return SchemaDifference(what: "\(what) of '\(key)'", first: "'\(mine)'", second: "'\(theirs)'")
    }
    return nil
  }

  /// What both say.
  /// - Throws: `SchemaDifference` when they contradict each other.
  public func common(with other: VectorSchema, key: String) throws -> VectorSchema {
    if let difference = difference(from: other, key: key) { throw difference }
    return VectorSchema(
      unit: other.unit == nil ? nil : unit, frame: other.frame == nil ? nil : frame,
      quaternion: other.quaternion == nil ? nil : quaternion)
  }

  /// As people read it: "m, seen from the robot's base"; "unit unknown" where nothing is known.
  public var label: String {
    var parts = [quaternion != nil && unit == "1" ? nil : unit, quaternion.map { "quaternion \($0)" }].compactMap(
      \.self)
    if parts.isEmpty { parts = ["unit unknown"] }
    if let frame { parts.append("in the frame of the \(frame)") }
    return parts.joined(separator: ", ")
  }
}
