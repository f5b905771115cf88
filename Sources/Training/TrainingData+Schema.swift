import Imitation

extension TrainingData {
  /// What the numbers of a recipe's demonstrations mean, as far as files and recipe say.
  ///
  /// - Throws: `SchemaError` when two files contradict each other, `SettingError` when the recipe contradicts the files.
  static func schema(_ recipe: Recipe, _ reader: any EpisodeReader) throws -> RecordedSchema {
    var recorded = try reader.recordedSchema()
    guard let said = recipe.actions.schema else { return recorded }
    return try SettingError.naming(recipe.path) {
      do {
        recorded.actions = try said.schema(width: reader.actionLayout.template.count).completed(by: recorded.actions)
        return recorded
      } catch let difference as SchemaDifference {
        throw SettingError.invalid(
          path: "actions.schema", line: 0,
          reason: "\(difference.what) is \(difference.first), in the demonstrations it is \(difference.second)")
      }
    }
  }
}
