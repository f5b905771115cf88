extension String {
  /// The folder of a path, "" when none is named. (Foundation's `deletingLastPathComponent` traps at names of one character.)
  package var parentFolder: String {
    var path = utf8[...]
    func dropSlashes() { while path.count > 1, path.last == UInt8(ascii: "/") { path.removeLast() } }
    dropSlashes()
    guard let slash = path.lastIndex(of: UInt8(ascii: "/")) else { return "" }
    path = path[...slash]
    dropSlashes()
    return String(Substring(path))
  }
}
