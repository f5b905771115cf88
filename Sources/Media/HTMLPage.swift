import Foundation

/// A page that stands alone: styles and images are inside, nothing is fetched. Dark and light follow the reader's choice.
package enum HTMLPage {
  /// - Parameters:
  ///   - style: rules beside those that all pages share.
  ///   - body: what stands between `<main>` and `</main>`.
  ///   - script: runs when the page has been read; "" for none.
  package static func text(title: String, style: String = "", body: String, script: String = "") -> String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>\(escaped(title))</title>
    <style>\(HTMLPage.style)\(style)</style>
    </head>
    <body>
    <main>
    \(body)
    </main>
    \(script.isEmpty ? "" : "<script>\(script)</script>")
    </body>
    </html>

    """
  }

  package static func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
      .replacingOccurrences(of: ">", with: "&gt;").replacingOccurrences(of: "\"", with: "&quot;")
      .replacingOccurrences(of: "'", with: "&#39;")
  }

  /// `escaped`, with places where a long word may be broken: no piece is longer than `limit` characters, so that a table of
  /// such cells can be as narrow as the sum of its pieces. What is copied from the page is the text.
  package static func breakable(_ text: String, limit: Int = 14) -> String {
    text.split(separator: " ", omittingEmptySubsequences: false).map { word in
      guard word.count > limit else { return escaped(String(word)) }
      // Where a reader would break it, and wherever that is not enough.
      var pieces = [""]
      var last: Character = " "
      for character in word {
        let isSoft = "_-/.,:=|".contains(last) || last.isLowercase && character.isUppercase
        if pieces.last!.count >= limit || isSoft && pieces.last!.count >= 3 { pieces.append("") }
        pieces[pieces.count - 1].append(character)
        last = character
      }
      return pieces.map(escaped).joined(separator: "<wbr>")
    }.joined(separator: " ")
  }

  /// `escaped`, and cut in its middle when it is longer than a chart's margin holds; the whole is its title.
  package static func shortened(_ text: String, limit: Int) -> String {
    guard text.count > limit else { return escaped(text) }
    let half = (limit - 1) / 2
    let short = "\(text.prefix(limit - 1 - half))…\(text.suffix(half))"
    return "\(escaped(short))<title>\(escaped(text))</title>"
  }

  private static let style = """
    :root { color-scheme: light dark; --ink: #1c2430; --dim: #5c6675; --line: #d9dee6; --page: #fff; --card: #f5f7fa;
      --c0: #2563c9; --c1: #2e9e6b; --c2: #b0b7c3; --bad: #c0392b; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --dim: #9aa4b2; --line: #333b47; --page: #14181f;
      --card: #1c222b; --c0: #6ea8ff; --c1: #5fd3a0; --c2: #5b6573; --bad: #ff8a7a; } }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
    main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; overflow-wrap: break-word; }
    h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .8rem; }
    h3 { font-size: 1rem; } .lead { font-size: 1.1rem; } .lead strong { font-size: 1.6rem; color: var(--c0); }
    .note, dt { color: var(--dim); font-size: .9rem; }
    .wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
    th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
    td.n, th.n { text-align: right; } td.n, td small { white-space: nowrap; } tr.mean td { font-weight: 600; }
    pre { background: var(--card); padding: 1rem; overflow-x: auto; font-size: .85rem; border-radius: .5rem; }
    svg { width: 100%; height: auto; display: block; } svg text { fill: var(--ink); font-size: 13px; }
    svg .dim { fill: var(--dim); } svg .grid { stroke: var(--line); } svg .whisker { stroke: var(--ink); stroke-width: 1.5; }
    dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dd { margin: 0; overflow-wrap: anywhere; }
    figure { margin: 0 0 1rem; background: var(--card); padding: .7rem; border-radius: .5rem; }
    figure img { width: 100%; display: block; border-radius: .3rem; } figcaption { margin-bottom: .4rem; font-size: .95rem; }
    .yes { color: var(--c1); } .no { color: var(--bad); } details summary { cursor: pointer; }
    """
}
