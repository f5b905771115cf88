import Imitation

extension Demonstrations {
  /// What all files say, as far as they say the same.
  package func recordedSchema() throws -> RecordedSchema {
    let width = actionLayout.template.count
    var actions: (schema: ActionSchema, file: String)?
    var vectors: [String: VectorSchema]?
    for file in files {
      let found = try actionSchema(file, width: width)
      let seen = try file.vectorSchemas().filter { schema.vectors[$0.key] != nil }
      do {
        actions = (try actions.map { try found.common(with: $0.schema) } ?? found, actions?.file ?? file.path)
        vectors = try vectors.map { try Demonstrations.common(seen, $0) } ?? seen
      } catch let difference as SchemaDifference {
        throw SchemaError.differs(file: file.path, difference, other: actions?.file ?? file.path)
      }
    }
    let (known, notes) = distrusting(actions?.schema ?? .unknown(width: width))
    return RecordedSchema(actions: known, vectors: vectors ?? [:], notes: notes)
  }

  /// The arrays of actions of one file, side by side.
  private func actionSchema(_ file: DemonstrationFile, width: Int) throws -> ActionSchema {
    let arrays = columns.arrays
    guard arrays.count > 1, let demo = file.demos.first else {
      return try file.actionSchema(of: arrays[0], width: width)
    }
    do {
      return try ActionSchema.joined(
        arrays.map { array in
          let shape = try file.file(of: demo).shape(file.array(array, of: demo))
          return try file.actionSchema(of: array, width: shape.count > 1 ? shape[1] : 1)
        })
    } catch let difference as SchemaDifference {
      throw SchemaError.differs(file: file.path, difference, other: "'\(arrays[0])'")
    }
  }

  private static func common(
    _ seen: [String: VectorSchema], _ others: [String: VectorSchema]
  ) throws -> [String: VectorSchema] {
    var common: [String: VectorSchema] = [:]
    for (key, schema) in seen {
      if let other = others[key] { common[key] = try schema.common(with: other, key: key) }
    }
    return common
  }

  /// Actions that leave the limits which their file states are not what it says they are: goals in the place of steps, for
  /// example, as files made absolute by hand have them.
  private func distrusting(_ schema: ActionSchema) -> (schema: ActionSchema, notes: [String]) {
    for (place, dimension) in schema.dimensions.enumerated() {
      let (low, high) = (actionRanges.low[place], actionRanges.high[place])
      guard let least = dimension.low, let most = dimension.high else { continue }
      let slack = 1e-3 * max(1, most - least)
      if low >= least - slack, high <= most + slack { continue }
      return (
        .unknown(width: schema.count),
        [
          "action \(place) goes from \(low) to \(high), beyond the \(least) to \(most) that the demonstrations state for "
            + "\(schema.label(place)): what they say of the actions is not believed"
        ]
      )
    }
    return (schema, [])
  }
}
