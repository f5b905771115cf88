/// Success rates that others have published, to stand greyed beside runs on the same benchmark.
package struct PublishedResults: Codable, Sendable, Equatable {
  /// What a column is called.
  package var name: String
  package var split: String
  package var source: String
  /// Per task where they were published, 0...1.
  package var rates: [String: Double]
  package var mean: Double
  /// Something to know about the numbers.
  package var note: String

  private static let roboCasaPaper = "Nasiriany et al. 2024, RoboCasa, appendix"
  private static let worldModelPaper = "Lu et al. 2025, GWM, table 2"

  private static let tasks: [(name: String, rates: [Double])] = [
    ("PnPCabToCounter", [0.02, 0.04, 0.10, 0.18]), ("PnPCounterToCab", [0.06, 0.08, 0.16, 0.28]),
    ("PnPCounterToMicrowave", [0.02, 0, 0, 0.18]), ("PnPCounterToSink", [0.02, 0.02, 0.16, 0.44]),
    ("PnPCounterToStove", [0.02, 0, 0, 0.06]), ("PnPMicrowaveToCounter", [0.02, 0, 0.12, 0.08]),
    ("PnPSinkToCounter", [0.08, 0.02, 0.14, 0.42]), ("PnPStoveToCounter", [0.06, 0, 0.04, 0.28]),
    ("OpenSingleDoor", [0.46, 0.42, 0.44, 0.50]), ("OpenDoubleDoor", [0.28, 0.12, 0.22, 0.48]),
    ("CloseDoubleDoor", [0.28, 0.18, 0.62, 0.46]), ("CloseSingleDoor", [0.56, 0.82, 0.86, 0.94]),
    ("OpenDrawer", [0.42, 0.26, 0.40, 0.74]), ("CloseDrawer", [0.80, 0.92, 0.98, 0.96]),
    ("TurnOnStove", [0.32, 0.42, 0.44, 0.46]), ("TurnOffStove", [0.04, 0.08, 0.12, 0.24]),
    ("TurnOnSinkFaucet", [0.38, 0.26, 0.48, 0.34]), ("TurnOffSinkFaucet", [0.50, 0.48, 0.46, 0.72]),
    ("TurnSinkSpout", [0.54, 0.50, 0.58, 0.96]), ("CoffeePressButton", [0.48, 0.48, 0.42, 0.74]),
    ("TurnOnMicrowave", [0.62, 0.36, 0.76, 0.90]), ("TurnOffMicrowave", [0.70, 0.70, 0.62, 0.60]),
    ("CoffeeServeMug", [0.22, 0.12, 0.24, 0.34]), ("CoffeeSetupMug", [0, 0.02, 0.04, 0.12]),
  ]

  /// The 24 atomic tasks that the means are over.
  static let roboCasaTasks = Set(tasks.map(\.name))

  /// What belongs beside policies that were tried in RoboCasa's simulator, and beside no others.
  package static let roboCasa: [PublishedResults] =
    ["human-50", "generated-100", "generated-300", "generated-3000"].enumerated().map { place, split in
      let rates = Dictionary(uniqueKeysWithValues: tasks.map { ($0.name, $0.rates[place]) })
      return PublishedResults(
        name: "BC-Transformer", split: split, source: roboCasaPaper, rates: rates,
        mean: rates.values.reduce(0, +) / Double(rates.count),
        note: "50 episodes a task, no seeds or intervals published")
    } + [
      PublishedResults(
        name: "GWM", split: "human-50", source: worldModelPaper, rates: [:], mean: 0.288 + 0.105,
        note: "published as a gain of 10.5 over BC-Transformer's 28.8, read as percentage points; no rates per task"),
      PublishedResults(
        name: "GWM", split: "generated-3000", source: worldModelPaper, rates: [:], mean: 0.476 + 0.076,
        note: "published as a gain of 7.6 over BC-Transformer's 47.6, read as percentage points; no rates per task"),
    ]
}
