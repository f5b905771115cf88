#if Kitchenette
  /// A piece of furniture along the wall.
  enum Fixture: String, Sendable, CaseIterable {
    case drawers, stove, sink, cupboard, fridge

    /// Meters along the wall.
    var width: Double {
      switch self {
      case .drawers: 0.96
      case .stove: 0.76
      case .sink: 1.16
      case .cupboard: 0.50
      case .fridge: 0.74
      }
    }

    /// RoboCasa's class name, for `ep_meta`.
    var className: String {
      switch self {
      case .drawers: "Drawer"
      case .stove: "Stove"
      case .sink: "Sink"
      case .cupboard: "HingeCabinet"
      case .fridge: "Fridge"
      }
    }
  }

  /// What stands beside what along the wall. The wall runs along y; robots look along +x, so +y is their left.
  struct Layout: Sendable {
    struct Place: Sendable {
      let fixture: Fixture
      /// Where its middle is, meters along y.
      let center: Double
    }

    let places: [Place]

    // From left to right as the robot sees them.
    private static let orders: [[Fixture]] = [
      [.fridge, .drawers, .stove, .sink, .cupboard],
      [.cupboard, .sink, .drawers, .stove, .fridge],
      [.stove, .drawers, .cupboard, .sink, .fridge],
      [.drawers, .cupboard, .stove, .cupboard, .sink],
      [.cupboard, .stove, .sink, .drawers, .fridge],
    ]

    static let identifiers = Array(orders.indices)
    /// The counter's surface.
    static let counterHeight = 0.92
    static let depth = 0.62

    init(_ identifier: Int) {
      let order = Layout.orders[identifier]
      var edge = order.reduce(0) { $0 + $1.width } / 2
      places = order.map { fixture in
        defer { edge -= fixture.width }
        return Place(fixture: fixture, center: edge - fixture.width / 2)
      }
    }

    func center(of fixture: Fixture) -> Double { places.first { $0.fixture == fixture }!.center }
    /// Meters along y: from the right end to the left end.
    var extent: ClosedRange<Double> {
      let half = places.reduce(0) { $0 + $1.fixture.width } / 2
      return -half...half
    }
  }
#endif
