import Imitation

/// What a recipe says of its actions where demonstrations do not: lists of an entry a recorded number, null where unknown.
package struct ActionSchemaSettings: PluginOptions, Equatable {
  @Key("Each value's name.") package var names: [String?]?
  @Key("What +1 stands for.") package var units: [String?]?
  @Key("Each value's lower limit.") package var low: [Float?]?
  @Key("Each value's upper limit.") package var high: [Float?]?
  @Key("Actions a second.", .above(0)) package var rate: Double?
  @Key("What is controlled, and in which frame.") package var control: String?

  package init() {}

  private var counts: Set<Int> { Set([names?.count, units?.count, low?.count, high?.count].compactMap { $0 }) }

  package func validate() throws {
    try $names.refuse(
      unless: counts.count <= 1,
      "the lists of actions.schema have \(counts.sorted().map(String.init).joined(separator: " and ")) entries")
    for key in [$low, $high] {
      try key.refuse(
        unless: (key.wrappedValue ?? []).allSatisfy { $0?.isFinite ?? true }, "must be numbers, or null")
    }
    for (low, high) in zip(low ?? [], high ?? []) {
      if let low, let high, low > high { throw $low.refused("\(low) is above high, \(high)") }
    }
  }

  /// For actions of `width` numbers.
  /// - Throws: `SettingError` when the lists are of another length.
  package func schema(width: Int) throws -> ActionSchema {
    if let count = counts.first, count != width {
      throw SettingError.invalid(
        path: "actions.schema", line: 0, reason: "describes \(count) numbers, the recorded actions have \(width)")
    }
    return ActionSchema(
      dimensions: (0..<width).map { place in
        .init(name: names?[place], unit: units?[place], low: low?[place], high: high?[place])
      }, controlHertz: rate, control: control)
  }
}
