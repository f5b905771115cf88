import Foundation

/// Where the toolkit keeps what it can make again: never next to a user's data.
package enum CacheFolder {
  /// `IMITATE_CACHE`, else `imitationkit` in `XDG_CACHE_HOME`, else `~/.cache/imitationkit`.
  package static var path: String {
    let environment = ProcessInfo.processInfo.environment
    func named(_ variable: String) -> String? { environment[variable].flatMap { $0.isEmpty ? nil : $0 } }
    return (named("IMITATE_CACHE") ?? named("XDG_CACHE_HOME").map { $0 + "/imitationkit" } ?? "~/.cache/imitationkit")
      .expandingTilde
  }
}

extension String {
  /// A path with `~` in front as the home folder, as shells have it.
  package var expandingTilde: String {
    guard self == "~" || hasPrefix("~/") else { return self }
    let home = ProcessInfo.processInfo.environment["HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? NSHomeDirectory()
    return home + dropFirst()
  }
}
