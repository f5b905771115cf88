extension KeyedDecodingContainer {
  /// A value that decodes but makes no sense, told with its line.
  public func refused(_ key: Key, _ reason: String) -> DecodingError {
    .dataCorruptedError(forKey: key, in: self, debugDescription: reason)
  }

  /// - Throws: `refused` unless the value is as it must be.
  public func refuse(_ key: Key, unless holds: Bool, _ reason: String) throws {
    guard holds else { throw refused(key, reason) }
  }
}
