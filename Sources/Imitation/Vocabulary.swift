/// The words of instructions.
public enum Vocabulary {
  /// Lower-cased runs of letters and digits, each with the marks and joiners that follow it: by general categories, which other
  /// languages know as well. An emoji is no word, nor is the mark that makes it colored.
  public static func words(of text: String) -> [String] {
    var (words, word) = ([String](), String.UnicodeScalarView())
    for scalar in text.lowercased().unicodeScalars {
      let category = scalar.properties.generalCategory
      if category.isOfWords || category.isMark && !word.isEmpty {
        word.append(scalar)
      } else if !word.isEmpty {
        words.append(String(word))
        word = .init()
      }
    }
    return words + (word.isEmpty ? [] : [String(word)])
  }

  /// Every word of `instructions` once, sorted.
  public static func words(of instructions: some Sequence<String>) -> [String] {
    Set(instructions.flatMap { words(of: $0) }).sorted()
  }
}

extension Unicode.GeneralCategory {
  /// Letters and numbers.
  fileprivate var isOfWords: Bool {
    switch self {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    case .decimalNumber, .letterNumber, .otherNumber: true
    default: false
    }
  }

  fileprivate var isMark: Bool { [.nonspacingMark, .spacingMark, .enclosingMark, .format].contains(self) }
}
