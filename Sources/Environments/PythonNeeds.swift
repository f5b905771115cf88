/// What a Python has to have for an adapter.
package struct PythonNeeds: Sendable {
  /// What to hand to `pip install`: the versions that the adapter was tested with; nil where more than that has to be typed,
  /// which the adapter says.
  package let install: String?
  /// The packages in it; the first one is the simulator.
  package let packages: [Package]
  /// What to try it with, and the package that is needed for that; empty where it has tasks of its own.
  package let trials: [(package: Package, task: String)]

  /// A package, and which versions of it will do: `mujoco==3.3.0`, `mujoco<4`, `packaging`.
  package struct Package: Sendable, Equatable, CustomStringConvertible {
    package let name: String
    package let description: String
    private let fits: Fit

    private enum Fit: Equatable {
      case any
      case equal(String)
      case below(Int)
    }

    init(_ text: String) {
      description = text
      let parts = text.split(whereSeparator: { "=<".contains($0) }).map(String.init)
      name = parts.first ?? text
      fits =
        switch parts.count > 1 ? text.dropFirst(name.count).first : nil {
        case "=": .equal(parts[1])
        case "<": Int(parts[1]).map { .below($0) } ?? .any
        default: .any
        }
    }

    /// Whether a version is one of them.
    package func fits(_ version: String) -> Bool {
      switch fits {
      case .any: true
      case .equal(let wanted): version == wanted
      case .below(let limit): Int(version.prefix { $0.isNumber }).map { $0 < limit } ?? true
      }
    }
  }

  /// - Parameter kind: the simulator's package, where `install` does not name it.
  init(of kind: String, install: String?, trials: [(install: String, task: String)]) {
    func packages(_ text: String) -> [Package] { text.split(separator: " ").map { Package($0.filter { $0 != "'" }) } }
    self.install = install
    self.packages = packages(install ?? kind)
    self.trials = trials.map { (packages($0.install)[0], $0.task) }
  }
}
