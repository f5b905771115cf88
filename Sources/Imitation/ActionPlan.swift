import Foundation

/// Predicted actions that are carried out one after the other.
///
/// With `ensemble` an action is the mean of all that was predicted for its moment, the i-th oldest prediction weighing
/// `exp(-ensemble i)`.
package struct ActionPlan: Sendable {
  /// How many actions of each prediction are carried out.
  private let execute: Int
  /// How fast older predictions count more; nil to carry out the newest alone.
  private let ensemble: Float?
  /// What was predicted from which moment on, the oldest first: one, or with `ensemble` all that still reach the present.
  private var predictions: [(start: Int, actions: [[Float]])] = []
  private var moment = 0

  package init(execute: Int, ensemble: Float? = nil) { (self.execute, self.ensemble) = (max(1, execute), ensemble) }

  /// Whether another prediction is needed before the next action.
  package var isDone: Bool {
    guard let newest = predictions.last else { return true }
    return moment - newest.start >= min(execute, newest.actions.count)
  }

  /// What is still carried out of the newest prediction before another is needed.
  package var rest: [[Float]] {
    guard let newest = predictions.last else { return [] }
    return Array(newest.actions.prefix(execute).dropFirst(moment - newest.start))
  }

  /// An episode begins.
  package mutating func clear() { (predictions, moment) = ([], 0) }

  /// Adds a prediction, one action or more from the present on.
  ///
  /// - Parameter passed: how many of the actions, which reach beyond them, are for moments before the present.
  package mutating func add(_ actions: [[Float]], passed: Int = 0) {
    if ensemble == nil { predictions = [] }
    predictions.append((moment - passed, actions))
  }

  /// The present action; the next one's turn is then.
  package mutating func next() -> [Float] {
    predictions.removeAll { $0.start + $0.actions.count <= moment }
    defer { moment += 1 }
    return blended()
  }

  /// What the predictions that reach the present say of it.
  private func blended() -> [Float] {
    guard let ensemble, predictions.count > 1 else {
      let newest = predictions[predictions.count - 1]
      return newest.actions[moment - newest.start]
    }
    var (sum, total): ([Float], Float) = ([], 0)
    for (age, prediction) in predictions.enumerated() {
      let weight = Foundation.exp(-ensemble * Float(age))
      let action = prediction.actions[moment - prediction.start]
      sum = sum.isEmpty ? action.map { $0 * weight } : zip(sum, action).map { $0 + $1 * weight }
      total += weight
    }
    return sum.map { $0 / total }
  }
}
