import Imitation

/// What a recipe says of its actions where the demonstrations do not: lists with one entry for each recorded number, null where
/// it is not known.
package struct ActionSchemaSettings: Decodable, Sendable, Equatable {
  package var names: [String?]?
  package var units: [String?]?
  package var low: [Float?]?
  package var high: [Float?]?
  /// Actions a second.
  package var rate: Double?
  package var control: String?

  enum CodingKeys: String, CodingKey, CaseIterable { case names, units, low, high, rate, control }

  package init(from decoder: any Decoder) throws {
    let keys = try decoder.container(keyedBy: CodingKeys.self)
    names = try keys.decodeIfPresent([String?].self, forKey: .names)
    units = try keys.decodeIfPresent([String?].self, forKey: .units)
    low = try keys.decodeIfPresent([Float?].self, forKey: .low)
    high = try keys.decodeIfPresent([Float?].self, forKey: .high)
    rate = try keys.decodeIfPresent(Double.self, forKey: .rate)
    control = try keys.decodeIfPresent(String.self, forKey: .control)
    let counts = Set([names?.count, units?.count, low?.count, high?.count].compactMap { $0 })
    guard counts.count <= 1 else {
      throw keys.refused(
        .names,
        "the lists of actions.schema have \(counts.sorted().map(String.init).joined(separator: " and ")) entries")
    }
    if let rate, !(rate > 0 && rate.isFinite) { throw keys.refused(.rate, "must be above 0") }
    for (key, list) in [(CodingKeys.low, low), (.high, high)] {
      guard (list ?? []).allSatisfy({ $0?.isFinite ?? true }) else {
        throw keys.refused(key, "must be numbers, or null")
      }
    }
    for (low, high) in zip(low ?? [], high ?? []) {
      if let low, let high, low > high { throw keys.refused(.low, "\(low) is above high, \(high)") }
    }
  }

  /// For actions of `width` numbers.
  /// - Throws: `SettingError` when the lists are of another length.
  package func schema(width: Int) throws -> ActionSchema {
    let lists = [names?.count, units?.count, low?.count, high?.count]
    if let count = lists.compactMap({ $0 }).first, count != width {
      throw SettingError.invalid(
        path: "actions.schema", line: 0, reason: "describes \(count) numbers, the recorded actions have \(width)")
    }
    return ActionSchema(
      dimensions: (0..<width).map { place in
        .init(name: names?[place], unit: units?[place], low: low?[place], high: high?[place])
      }, controlHertz: rate, control: control)
  }
}
