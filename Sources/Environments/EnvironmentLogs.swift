import Files
import Foundation
import Synchronization

/// Where the standard error of environments goes.
enum EnvironmentLogs {
  private static let folder = CacheFolder.path + "/logs"
  private static let count = Atomic(0)
  /// How long logs of failures are kept, in days.
  private static let days = 14.0

  /// A path for a new log; old ones are removed.
  static func next(_ kind: String) -> String {
    let files = FileManager.default
    try? files.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let oldest = Date(timeIntervalSinceNow: -days * 86_400)
    for name in (try? files.contentsOfDirectory(atPath: folder)) ?? [] where name.hasSuffix(".log") {
      let changed = try? files.attributesOfItem(atPath: "\(folder)/\(name)")[.modificationDate] as? Date
      if let changed, changed < oldest { unlink("\(folder)/\(name)") }
    }
    let number = count.add(1, ordering: .relaxed).newValue
    return "\(folder)/\(kind)-\(ProcessInfo.processInfo.processIdentifier)-\(number).log"
  }
}
