import Imitation
import Testing

@Suite struct VocabularyTests {
  /// What `run_policy.py` finds by the same categories in Python: letters and numbers with the marks and joiners behind them; what stands alone is
  /// a separator, an emoji's variation selector and a circled letter among them.
  @Test(arguments: [
    ("Open the LEFT drawer, then 2nd!", ["open", "the", "left", "drawer", "then", "2nd"]),
    ("open the left drawer \u{2764}\u{FE0F}", ["open", "the", "left", "drawer"]),
    ("open \u{FE0F}drawer", ["open", "drawer"]), ("the \u{24B6} drawer", ["the", "drawer"]),
    ("cafe\u{301} na\u{EF}ve", ["caf\u{E9}", "na\u{EF}ve"]),
    ("\u{92A}\u{93E}\u{928}\u{940}", ["\u{92A}\u{93E}\u{928}\u{940}"]),
    ("\u{1F600}a_b-c", ["a", "b", "c"]), ("", []), ("\u{301}", []),
    ("\u{645}\u{6CC}\u{200C}\u{62E} \u{200D}", ["\u{645}\u{6CC}\u{200C}\u{62E}"]),
    ("\u{3A4}\u{39F}\u{3A5}\u{3A3}", ["\u{3C4}\u{3BF}\u{3C5}\u{3C3}"]),
  ]) func wordsAreRunsOfLettersAndNumbers(_ text: String, _ words: [String]) {
    #expect(Vocabulary.words(of: text) == words)
  }
}
