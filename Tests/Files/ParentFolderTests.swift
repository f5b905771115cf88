import Files
import Testing

@Suite struct ParentFolderTests {
  @Test(arguments: [
    ("p", ""), ("é", ""), ("ab", ""), ("", ""), ("a/", ""), ("a/b", "a"), ("a//b/", "a"), ("./p", "."), ("/", "/"),
    ("/p", "/"), ("//p", "/"), ("/a/b/c", "/a/b"), ("é/ü", "é"),
  ]) func isTheFolder(_ path: String, _ folder: String) { #expect(path.parentFolder == folder) }
}
