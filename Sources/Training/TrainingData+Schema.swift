import Demonstrations
import Imitation

extension TrainingData {
  /// What the numbers of a recipe's demonstrations mean, as far as files and recipe say, and what of that is worth a note.
  struct Schemas {
    var actions: ActionSchema
    var vectors: [String: VectorSchema]
    var notes: [String]
  }

  /// - Throws: `SchemaError` when two files contradict each other, `SettingError` when the recipe contradicts the files.
  static func schemas(_ recipe: Recipe, _ demonstrations: Demonstrations) throws -> Schemas {
    let width = demonstrations.actionLayout.template.count
    var actions: (schema: ActionSchema, file: String)?
    var vectors: (schemas: [String: VectorSchema], file: String)?
    for file in demonstrations.files {
      let schema = try actionSchema(file, recipe.actions.from, width: width)
      let seen = try file.vectorSchemas().filter { demonstrations.schema.vectors[$0.key] != nil }
      do {
        actions = (try actions.map { try schema.common(with: $0.schema) } ?? schema, actions?.file ?? file.path)
        vectors = (try vectors.map { try common(seen, $0.schemas) } ?? seen, vectors?.file ?? file.path)
      } catch let difference as SchemaDifference {
        throw SchemaError.differs(file: file.path, difference, other: actions?.file ?? file.path)
      }
    }
    var (schema, notes) = distrusting(actions?.schema ?? .unknown(width: width), demonstrations)
    if let said = recipe.actions.schema {
      do {
        schema = try said.schema(width: width).completed(by: schema)
      } catch let difference as SchemaDifference {
        throw SettingError.inFile(
          recipe.path,
          .invalid(
            path: "actions.schema", line: 0,
            reason: "\(difference.what) is \(difference.first), in the demonstrations it is \(difference.second)"))
      } catch let error as SettingError {
        throw SettingError.inFile(recipe.path, error)
      }
    }
    return Schemas(actions: schema, vectors: vectors?.schemas ?? [:], notes: notes)
  }

  /// The arrays of actions of one file, side by side.
  private static func actionSchema(_ file: DemonstrationFile, _ arrays: [String], width: Int) throws -> ActionSchema {
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
  private static func distrusting(
    _ schema: ActionSchema, _ demonstrations: Demonstrations
  ) -> (schema: ActionSchema, notes: [String]) {
    for (place, dimension) in schema.dimensions.enumerated() {
      let (low, high) = (demonstrations.actionRanges.low[place], demonstrations.actionRanges.high[place])
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
