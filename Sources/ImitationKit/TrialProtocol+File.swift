import Evaluation
import Imitation
import Training

extension TrialProtocol {
  /// Reads a protocol's file.
  /// - Throws: `SettingError`, naming file and line.
  package init(path: String) throws {
    let setting = try SettingsFile.read(path).setting
    self = try SettingError.naming(path) { try TrialProtocol(setting) }
  }
}
