import Imitation

/// A program that speaks the wire, with its own options: what makes `ProcessEnvironment` a kind that recipes can name.
public protocol EnvironmentAdapter: PluginOptions {
  /// The word that recipes use.
  static var kind: String { get }
  /// What it is, in one line.
  static var help: String { get }
  /// How its process is run.
  var process: ProcessOptions { get set }
  /// The program and its arguments.
  /// - Throws: when it cannot be made ready.
  var program: [String] { get throws }
  /// The same without cameras, as far as there is a choice.
  var withoutImages: Self { get }
  /// The options that choose a task where it has to be known at the start.
  static func options(naming task: String) -> [String: Setting]
}

extension EnvironmentAdapter {
  public var withoutImages: Self { self }
  public static func options(naming task: String) -> [String: Setting] { [:] }

  /// The keys that are the adapter's own, with their values.
  package var own: FreeOptions {
    let others = Set(ProcessOptions.settingKeys.map(\.name) + ["command"])
    return FreeOptions(FreeOptions(complete).entries.filter { !others.contains($0.key) })
  }
}

/// `ProcessEnvironment` as a kind that recipes can name.
public final class AdapterEnvironment<Adapter: EnvironmentAdapter>: ProcessEnvironment, Simulator {
  public typealias Options = Adapter
  public static var name: String { Adapter.kind }
  public static var help: String { Adapter.help }

  public init(options: Adapter) throws {
    try super.init(
      kind: Adapter.kind, command: options.program, process: options.process, own: options.own)
  }

  public static func withoutImages(_ options: Adapter) -> Adapter { options.withoutImages }
  package override class func options(naming task: String) -> [String: Setting] { Adapter.options(naming: task) }
  package override class var needs: PythonNeeds? { (Adapter.self as? any PythonAdapter.Type)?.needs }
}

/// Any program that speaks the wire: `{kind: process, command: [./my-simulator]}`.
public struct ProgramAdapter: EnvironmentAdapter, Equatable {
  public static let kind = "process"
  public static let help =
    "Any program that speaks the messages of docs/environments.md: a simulator or a robot of your own."

  @Key("The program and its arguments; one that ends in .py is run by `python`.") public var command: [String]
  public var process = ProcessOptions()

  public init() {}

  public func validate() throws {
    try $command.refuse(unless: command.first?.isEmpty == false, "must name a program")
  }

  public var program: [String] {
    command[0].hasSuffix(".py") ? [process.python] + command : command
  }
}

/// What adapters in Python have in common.
protocol PythonAdapter: EnvironmentAdapter {
  /// The file of the adapter.
  static var file: String { get }
  /// What to try it with where it has no tasks of its own: what `pip install` needs for it, and the task.
  static var trials: [(install: String, task: String)] { get }
}

extension PythonAdapter {
  static var trials: [(install: String, task: String)] { [] }
  /// As the adapter's file says it.
  static var needs: PythonNeeds { PythonNeeds(of: kind, install: AdapterFiles.install(of: file), trials: trials) }
  public var program: [String] { get throws { [process.python, try AdapterFiles.path(of: Self.file)] } }
}
