import Imitation

/// What an operator is to set up for a policy on a robot, and how often: a small file.
package struct TrialProtocol: PluginOptions {
  @Key("The protocol's name; results are kept under it.", KeyRule("letters, digits, '-' and '_' only", holds: isName))
  package var name: String
  @Key("What it is about, in a line.") package var about = ""
  @Key("The task, as the robot's adapter calls it; its only one when left out.") package var task: String?
  @Key("What the policy is asked for, in words; what the adapter says when left out.") package var instruction: String?
  @Key("Steps after which an attempt ends; as many as the adapter says when left out.", 1...1_000_000)
  package var horizon: Int?
  @Key("What is counted together.") package var groups: [Group]

  /// Variations that are counted together.
  package struct Group: PluginOptions {
    @Key("The group's name in the table.") package var name: String
    @Key("What is the same for all of its variations.") package var setup = ""
    @Key("What to set up, in order.") package var variations: [Variation]

    package init() {}

    package func validate() throws {
      try $name.refuse(unless: !name.isEmpty, "must not be empty")
      try $variations.refuse(unless: !variations.isEmpty, "must have one at least")
    }
  }

  /// One arrangement.
  package struct Variation: PluginOptions {
    @Key("What the operator sets up.") package var setup: String
    @Key("How many attempts it has.", 1...1000) package var count = 1

    package init() {}
  }

  package init() {}

  package func validate() throws {
    try $groups.refuse(unless: !groups.isEmpty, "must have one at least")
    try $groups.refuse(unless: Set(groups.map(\.name)).count == groups.count, "has two of one name")
  }

  @Sendable private static func isName(_ name: String) -> Bool {
    !name.isEmpty && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) || "-_".contains($0) }
  }

  /// One attempt that is to be made.
  package struct Item: Hashable, Codable, Sendable {
    package var group: String
    /// Its number within the group, from 0.
    package var number: Int
    /// What the operator sets up, the group's part first.
    package var setup: [String]
  }

  /// All attempts, in order.
  package var items: [Item] {
    groups.flatMap { group in
      group.variations.flatMap { variation in Array(repeating: variation.setup, count: variation.count) }
        .enumerated().map { Item(group: group.name, number: $0, setup: [group.setup, $1].filter { !$0.isEmpty }) }
    }
  }
}

/// What came of one attempt, as the operator saw it.
package struct ProtocolAttempt: Codable, Sendable, Equatable {
  package var group: String
  package var number: Int
  package var success: Bool
  /// What the policy's random numbers follow from.
  package var seed: UInt64
  package var pace: PaceReport
  /// How often the operator had it repeated before.
  package var repeated: Int
  /// Why it ended early, where that is what the operator counted as failed.
  package var error: String?

  package init(
    _ item: TrialProtocol.Item, success: Bool, seed: UInt64, pace: PaceReport, repeated: Int = 0, error: String? = nil
  ) {
    (group, number, self.success, self.seed) = (item.group, item.number, success, seed)
    (self.pace, self.repeated, self.error) = (pace, repeated, error)
  }
}

/// What came of a protocol so far.
package struct ProtocolResult: Codable, Sendable, Equatable {
  package struct Row: Codable, Sendable, Equatable {
    package var group: String
    package var planned, tried, solved: Int
    /// Wilson's interval of 95 %.
    package var low, high: Double

    package var rate: SuccessRate { SuccessRate(successes: solved, episodes: tried) }

    init(_ group: String, planned: Int, _ attempts: [ProtocolAttempt]) {
      let rate = SuccessRate(successes: attempts.count(where: \.success), episodes: attempts.count)
      (self.group, self.planned, tried, solved) = (group, planned, rate.episodes, rate.successes)
      (low, high) = (rate.interval.lowerBound, rate.interval.upperBound)
    }
  }

  package var toolkit: String
  package var `protocol`: String
  package var step: Int
  /// What the robot was asked to do.
  package var task: String
  package var conditions: EvaluationConditions
  package var versions: [String: String]
  /// What nobody knows of the policy's actions, when it acted all the same because that was asked for; nil when all is known.
  package var trustedActions: String?
  /// Of each group, and of all.
  package var groups: [Row]
  package var all: Row
  /// Of all attempts: sums, and the worst.
  package var pace: PaceReport
  package var attempts: [ProtocolAttempt]

  /// - Parameter attempts: in any order, each item once.
  package init(
    _ definition: TrialProtocol, _ attempts: [ProtocolAttempt], toolkit: String, step: Int, task: String,
    conditions: EvaluationConditions, versions: [String: String], trustedActions: String? = nil
  ) {
    (self.toolkit, `protocol`, self.step, self.task) = (toolkit, definition.name, step, task)
    (self.conditions, self.versions, self.trustedActions) = (conditions, versions, trustedActions)
    let items = definition.items
    let found = Dictionary(attempts.map { (Place($0), $0) }) { $1 }
    self.attempts = items.compactMap { found[Place($0)] }
    groups = definition.groups.map { group in
      let own = items.filter { $0.group == group.name }
      return Row(group.name, planned: own.count, own.compactMap { found[Place($0)] })
    }
    all = Row("all", planned: items.count, self.attempts)
    pace = PaceReport(of: self.attempts.map(\.pace))
  }

  /// Which attempt it is.
  struct Place: Hashable {
    var group: String
    var number: Int

    init(_ attempt: ProtocolAttempt) { (group, number) = (attempt.group, attempt.number) }
    init(_ item: TrialProtocol.Item) { (group, number) = (item.group, item.number) }
  }
}

extension PaceReport {
  /// Of several episodes together; the rate is that of their steps.
  package init(of reports: [PaceReport]) {
    self = reports.reduce(into: PaceReport()) { sum, report in
      sum.steps += report.steps
      sum.lateAnswers += report.lateAnswers
      sum.lateActions += report.lateActions
      sum.holds += report.holds
      sum.clipped += report.clipped
      sum.clippedByRobot += report.clippedByRobot
      sum.worstLateness = max(sum.worstLateness, report.worstLateness)
      sum.worstActionLateness = max(sum.worstActionLateness, report.worstActionLateness)
    }
    let timed = reports.compactMap { report in report.rate.map { (Double(report.steps), Double(report.steps) / $0) } }
    let seconds = timed.reduce(0) { $0 + $1.1 }
    rate = seconds > 0 ? timed.reduce(0) { $0 + $1.0 } / seconds : nil
  }
}
