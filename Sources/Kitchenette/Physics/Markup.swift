#if Kitchenette
  /// MJCF text in the making.
  struct Markup {
    private(set) var text = ""
    private var depth = 0

    /// An element without content.
    mutating func element(_ name: String, _ attributes: KeyValuePairs<String, any MarkupValue>) {
      line("<\(name)\(Markup.written(attributes))/>")
    }

    /// An element around what `content` writes.
    mutating func element(
      _ name: String, _ attributes: KeyValuePairs<String, any MarkupValue> = [:], _ content: (inout Markup) -> Void
    ) {
      line("<\(name)\(Markup.written(attributes))>")
      depth += 1
      content(&self)
      depth -= 1
      line("</\(name)>")
    }

    /// One line as it is.
    mutating func line(_ content: String) {
      text += String(repeating: "  ", count: depth) + content + "\n"
    }

    private static func written(_ attributes: KeyValuePairs<String, any MarkupValue>) -> String {
      attributes.map { " \($0)=\"\($1.markup)\"" }.joined()
    }
  }

  /// What can stand in an MJCF attribute.
  protocol MarkupValue {
    var markup: String { get }
  }

  extension String: MarkupValue { var markup: String { self } }
  extension Int: MarkupValue { var markup: String { String(self) } }
  extension Double: MarkupValue {
    /// To a thousandth of a millimeter.
    var markup: String { String(describing: (self * 1e6).rounded() / 1e6) }
  }
  extension SIMD3<Double>: MarkupValue { var markup: String { "\(x.markup) \(y.markup) \(z.markup)" } }
  extension [Double]: MarkupValue { var markup: String { map(\.markup).joined(separator: " ") } }
#endif
