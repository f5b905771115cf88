import Foundation

/// What the attributes of `data` say of the task: robomimic's `env_args`, robosuite's `env`, LIBERO's `problem_info`.
struct TaskFacts: Sendable {
  /// What the task is called, the simulator's own name first.
  private(set) var names: [String] = []
  /// One for all demos.
  private(set) var instruction: String?
  /// Attributes that are there and cannot be read: a line each, without the file's name.
  private(set) var problems: [(place: String, reason: String)] = []

  init() {}

  init(_ file: HDF5File) {
    if let arguments = object(file, "env_args"), let name = arguments["env_name"] as? String {
      add(name.hasPrefix("MG_") ? String(name.dropFirst(3)) : name)
      add(name)
    } else if let name = text(file, "env") {
      add(name)
    }
    if let problem = object(file, "problem_info") {
      // LIBERO keeps it as a text or as its letters.
      instruction =
        problem["language_instruction"] as? String ?? (problem["language_instruction"] as? [String])?.joined()
      if let name = problem["problem_name"] as? String { add(name) }
    }
    // LIBERO's tasks share an env_name; what they are called is the name of their description.
    if let description = text(file, "bddl_file_name") {
      add(((description as NSString).lastPathComponent as NSString).deletingPathExtension)
    }
  }

  private mutating func add(_ name: String) {
    if !name.isEmpty, !names.contains(name) { names.append(name) }
  }

  private mutating func text(_ file: HDF5File, _ attribute: String) -> String? {
    do {
      return try file.textIfPresent(of: "data", attribute)
    } catch {
      problems.append((attribute, "\(error)"))
      return nil
    }
  }

  private mutating func object(_ file: HDF5File, _ attribute: String) -> [String: Any]? {
    guard let text = text(file, attribute) else { return nil }
    do {
      return try PythonJSON.object(text)
    } catch {
      problems.append((attribute, error.description))
      return nil
    }
  }
}
