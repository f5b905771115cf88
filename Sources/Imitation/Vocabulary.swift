/// The words of instructions.
public enum Vocabulary {
  /// Lower-cased runs of letters and digits.
  public static func words(of text: String) -> [String] {
    text.lowercased().split { !($0.isLetter || $0.isNumber) }.map(String.init)
  }

  /// Every word of `instructions` once, sorted.
  public static func words(of instructions: some Sequence<String>) -> [String] {
    Set(instructions.flatMap { words(of: $0) }).sorted()
  }
}
