import Foundation

extension DatasetSummary {
  /// Looks at a whole file; what cannot be read is a problem, and the rest is looked at all the same.
  ///
  /// - Parameter quick: look at a few frames of each camera instead of all.
  package init(_ file: DemonstrationFile, quick: Bool = false) {
    var inspection = Inspection(file, quick: quick)
    for demo in file.demos { inspection.look(at: demo) }
    self = inspection.summary()
  }
}

/// A walk over a file's demos, with the checks that training makes.
private struct Inspection {
  private let file: DemonstrationFile
  private let quick: Bool
  private var problems: [String] = []
  private var lengths: [Int] = []
  private var ranges: [DatasetSummary.ActionRange] = []
  /// Of each key the shapes found, and the demos that have each.
  private var shapes: [String: [[Int]: [String]]] = [:]
  private var actionWidths: [Int: [String]] = [:]
  private var readable: [String] = []
  private var nested: Set<String> = []
  private var cameras: [String: ImageStatistics] = [:]
  private var seen: [[Double]: String] = [:]
  private var texts: [String: Int] = [:]
  private var table: [DatasetSummary.Demo] = []

  init(_ file: DemonstrationFile, quick: Bool) {
    self.file = file
    self.quick = quick
    for error in file.schemaProblems { note(error) }
    for problem in file.facts.problems { problems.append("data: \(problem.place) \(problem.reason)") }
  }

  /// Without the file's name, which stands above the list.
  private func line(_ error: any Error) -> String {
    let text = "\(error)"
    return text.hasPrefix(file.path + ": ") ? String(text.dropFirst(file.path.count + 2)) : text
  }

  private mutating func note(_ error: any Error) { problems.append(line(error)) }

  private mutating func attempt<Result>(_ body: (inout Inspection) throws -> Result) -> Result? {
    do {
      return try body(&self)
    } catch {
      note(error)
      return nil
    }
  }

  mutating func look(at demo: String) {
    let check = EpisodeCheck(file: file, demo: demo)
    let actions = attempt { _ in try check.actionShape("actions") }
    // Actions in parts are as long as the first of them.
    let parts = actions == nil ? (try? check.file.file(of: demo).arrays(file.array("actions", of: demo))) ?? [] : []
    let rows = actions?.rows ?? parts.first.flatMap { try? check.actionShape("actions/\($0)").rows }
    if let rows { lengths.append(rows) }
    if let actions {
      actionWidths[actions.width, default: []].append(demo)
      _ = attempt { try $0.look(atActions: check, actions.rows, actions.width) }
    }
    // Of a demo without steps there is nothing more to say.
    if rows != nil || (try? file.length(demo)) != 0, let keys = attempt({ try $0.file.observationKeys(demo) }) {
      readable.append(demo)
      if keys.isEmpty, let all = try? file.file(of: demo).children("\(file.group(demo))/obs"), all.isEmpty,
        file.layout == .robomimic
      {
        note(DemonstrationError.noObservations(file: file.path, demo: demo))
      }
      for key in keys { _ = attempt { try $0.look(at: key, check, rows: rows) } }
      if file.layout == .robomimic, let all = try? file.file(of: demo).children("data/\(demo)/obs") {
        nested.formUnion(all.filter { !keys.contains($0) }.map { "obs/\($0)" })
      }
    }
    if let rows, file.layout == .robomimic {
      do {
        let samples = try file.hdf5.integer(of: "data/\(demo)", "num_samples")
        if samples != rows { problems.append("\(demo): num_samples says \(samples), actions have \(rows) rows") }
      } catch HDF5Error.missingAttribute {
      } catch {
        note(error)
      }
    }
    let metadata = attempt { try $0.file.metadata(demo) }
    table.append(
      .init(
        name: demo, steps: rows ?? 0, instruction: metadata?.instruction ?? "", layout: metadata?.layout,
        style: metadata?.style, category: metadata?.category))
    if let metadata { texts[metadata.instruction ?? "", default: 0] += 1 }
  }

  private mutating func look(atActions check: EpisodeCheck, _ rows: Int, _ width: Int) throws {
    let values = try file.file(of: check.demo).doubles(file.array("actions", of: check.demo))
    if let bad = values.firstIndex(where: { !$0.isFinite }) {
      problems.append("\(check.demo): actions: NaN or infinity in row \(bad / width), column \(bad % width)")
    }
    if file.layout == .robomimic, let bad = values.firstIndex(where: { $0.isFinite && abs($0) > 1.000001 }) {
      problems.append("\(check.demo): actions: \(values[bad]) in row \(bad / width) is outside -1 to 1")
    }
    if let twin = seen.updateValue(check.demo, forKey: values) {
      problems.append("\(check.demo): the same actions as \(twin)")
    }
    while ranges.count < width { ranges.append(.init(index: ranges.count)) }
    for (place, value) in values.enumerated() { ranges[place % width].include(value) }
  }

  private mutating func look(at key: String, _ check: EpisodeCheck, rows: Int?) throws {
    let demo = check.demo
    let (hdf5, path) = (file.file(of: demo), file.observation(key, of: demo))
    let shape = try hdf5.shape(path)
    if let rows, shape.first != rows {
      // Reported by name below; its shape counts all the same.
      shapes[key, default: [:]][Array(shape.dropFirst()), default: []].append(demo)
      throw DemonstrationError.rows(file: file.path, demo: demo, key: key, expected: rows, found: shape.first ?? 0)
    }
    guard let count = rows ?? shape.first, count > 0 else { return }
    _ = try file.linkedFiles(of: demo, path)
    if let frame = try file.camera(key, of: demo) {
      shapes[key, default: [:]][[frame.height, frame.width, 3], default: []].append(demo)
      var statistics = cameras[key] ?? ImageStatistics()
      problems += try statistics.look(at: file, demo, key, count, quick: quick)
      cameras[key] = statistics
      return
    }
    shapes[key, default: [:]][Array(shape.dropFirst()), default: []].append(demo)
    if try check.settingThatReads(path, shape) != nil {
      _ = try check.image(key, rows: count)
    } else {
      _ = try check.vector(key, rows: count, keep: 0)
    }
  }

  func summary() -> DatasetSummary {
    var problems = problems
    if let without = texts[""] { problems.append("\(without) demos have no instruction") }
    for (key, found) in shapes.sorted(by: { $0.key < $1.key }) {
      let holders = Set(found.values.joined())
      let lacking = readable.filter { !holders.contains($0) }
      if !lacking.isEmpty {
        problems.append("'\(key)' is missing in \(list(lacking)): \(lacking.count) of \(readable.count) demos")
      }
      if found.count > 1 { problems.append("'\(key)' has different shapes: \(variants(found))") }
    }
    if actionWidths.count > 1 {
      let found = Dictionary(uniqueKeysWithValues: actionWidths.map { ([$0.key], $0.value) })
      problems.append("actions have different widths: \(variants(found))")
    }
    var masks: [DatasetSummary.Mask] = []
    let known = Set(file.demos)
    for name in file.maskNames {
      do {
        let names = try file.mask(name) ?? []
        masks.append(.init(name: name, count: Set(names).count))
        if names.isEmpty { problems.append("filter key '\(name)' names no demos") }
        if let missing = names.first(where: { !known.contains($0) }) {
          problems.append("filter key '\(name)' names '\(missing)', which is not there")
        }
        if Set(names).count < names.count { problems.append("filter key '\(name)' names demos more than once") }
      } catch {
        problems.append(line(error))
      }
    }
    masks.sort { $0.name.localizedStandardCompare($1.name) == .orderedAscending }
    let total = lengths.reduce(0, +)
    if file.layout == .robomimic, let said = try? file.hdf5.integer(of: "data", "total"), said != total {
      problems.append("data says total \(said), the demos have \(total) steps")
    }
    func counted(_ counts: [String: Int]) -> [DatasetSummary.Count] {
      counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { .init(text: $0.key, count: $0.value) }
    }
    return DatasetSummary(
      file: file.path, task: file.task, demos: file.demos.count, steps: total, shortest: lengths.min() ?? 0,
      longest: lengths.max() ?? 0,
      keys: shapes.sorted { $0.key < $1.key }.map { key, found in
        .init(name: key, shape: found.max { ($0.value.count, $1.key.count) < ($1.value.count, $0.key.count) }!.key)
      },
      masks: masks, actions: ranges, instructions: counted(texts), layouts: Set(table.compactMap(\.layout)).sorted(),
      styles: Set(table.compactMap(\.style)).sorted(),
      categories: counted(Dictionary(grouping: table.compactMap(\.category)) { $0 }.mapValues(\.count)),
      cameras: cameras.sorted { $0.key < $1.key }.map { $0.value.camera($0.key) }, table: table,
      passedOver: nested.sorted() + file.otherEntries, problems: problems)
  }

  /// Shapes with the demos that have them, the most common one first and without names.
  private func variants(_ found: [[Int]: [String]]) -> String {
    let sorted = found.sorted { ($1.value.count, "\($0.key)") < ($0.value.count, "\($1.key)") }
    return sorted.enumerated().map { $0 == 0 ? "\($1.key)" : "\($1.key) (\(list($1.value)))" }.joined(separator: ", ")
  }

  private func list(_ demos: [String]) -> String {
    demos.prefix(5).joined(separator: ", ") + (demos.count > 5 ? ", ..." : "")
  }
}
