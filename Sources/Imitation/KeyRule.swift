/// What a value must be besides of its type; completes the sentence "must be ...".
public struct KeyRule<Value>: Sendable {
  /// What follows "must be" in messages.
  public let text: String
  /// Whether a value is so.
  public let holds: @Sendable (Value) -> Bool
  /// The kind of plug-in that the value names.
  let kind: PluginKind?

  /// A rule of one's own: `KeyRule("odd") { $0 % 2 == 1 }`.
  public init(_ text: String, holds: @escaping @Sendable (Value) -> Bool) { self.init(text, kind: nil, holds: holds) }

  init(_ text: String, kind: PluginKind?, holds: @escaping @Sendable (Value) -> Bool) {
    (self.text, self.kind, self.holds) = (text, kind, holds)
  }
}

extension KeyRule where Value == [Float] {
  /// A box: x, y and z of its lower corner, then of the other.
  package static let box = KeyRule("6 numbers, the lower corner first") {
    $0.count == 6 && $0.allSatisfy(\.isFinite) && zip($0[..<3], $0[3...]).allSatisfy { $0 < $1 }
  }
}

/// What limits a key's value: a range of numbers, a rule of one's own, or a kind of plug-in.
public protocol KeyLimit<Value> {
  /// The key's type.
  associatedtype Value
  /// What a value must be.
  var rule: KeyRule<Value> { get }
}

extension KeyRule: KeyLimit {
  public var rule: KeyRule { self }
}

/// A number that settings can hold and ranges can limit.
public protocol SettingNumber: SettingValue, Comparable, LosslessStringConvertible {}

extension Int: SettingNumber {}
extension UInt64: SettingNumber {}
extension Float: SettingNumber {}
extension Double: SettingNumber {}

extension ClosedRange: KeyLimit where Bound: SettingNumber {
  public var rule: KeyRule<Bound> {
    KeyRule("from \(plain(lowerBound)) to \(plain(upperBound))") { contains($0) }
  }
}

extension Range: KeyLimit where Bound: SettingNumber {
  public var rule: KeyRule<Bound> {
    KeyRule("from \(plain(lowerBound)) to below \(plain(upperBound))") { contains($0) }
  }
}

/// Infinity is no value either.
extension PartialRangeFrom: KeyLimit where Bound: SettingNumber {
  public var rule: KeyRule<Bound> {
    KeyRule("\(plain(lowerBound)) or more") { contains($0) && isFinite($0) }
  }
}

extension KeyLimit {
  /// Above `low`, and finite.
  public static func above<Number>(_ low: Number) -> Self
  where Self == KeyRule<Number>, Number: SettingNumber {
    KeyRule("above \(plain(low))") { $0 > low && isFinite($0) }
  }

  /// Above `low` and at most `high`.
  public static func above<Number>(_ low: Number, upTo high: Number) -> Self
  where Self == KeyRule<Number>, Number: SettingNumber {
    KeyRule("above \(plain(low)) and at most \(plain(high))") { $0 > low && $0 <= high }
  }

  /// A multiple of `factor`, above 0 and at most `high`.
  public static func multiple(of factor: Int, upTo high: Int) -> Self where Self == KeyRule<Int> {
    KeyRule("a multiple of \(factor) up to \(high)") { $0 > 0 && $0 % factor == 0 && $0 <= high }
  }
}

private func isFinite(_ value: some SettingNumber) -> Bool { (value as? any FloatingPoint)?.isFinite ?? true }

/// A number without an empty fraction.
private func plain(_ value: some SettingNumber) -> String {
  let text = String(value)
  return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}
