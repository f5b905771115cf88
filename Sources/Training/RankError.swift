import Foundation

/// What keeps several processes from training together.
package enum RankError: Error, Equatable, CustomStringConvertible {
  /// What the launcher's variables say makes no sense.
  case place(String)
  /// Nobody else came, or rank 0 did not, within so many seconds.
  case alone(folder: String, missing: Int, seconds: Int)
  /// The connection to a rank has ended, and so has the rank.
  case lost(rank: Int)
  /// A rank began with other weights, another recipe or other demonstrations.
  case differs(rank: Int)
  case tooFewRows(batch: Int, ranks: Int, each: Int)
  case system(call: String, code: Int32)

  package var description: String {
    switch self {
    case .place(let what): "\(what): start all ranks with one launcher, or unset its variables to train alone"
    case .alone(let folder, let missing, let seconds):
      "\(folder): waited \(seconds) s for \(missing == 0 ? "rank 0" : "\(missing) more ranks"); all need the same run folder"
    case .lost(let rank):
      "rank \(rank) has ended; the same command goes on from the last checkpoint"
    case .differs(let rank):
      "rank \(rank) begins with other weights than rank 0: all need the same recipe, demonstrations, program and kind of processor"
    case .tooFewRows(let batch, let ranks, let each):
      "training: a batch has \(batch) rows, and each of \(ranks) ranks needs at least \(each)"
    case .system(let call, let code): "\(call): \(String(cString: strerror(code)))"
    }
  }
}
