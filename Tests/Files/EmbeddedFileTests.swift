import Files
import Foundation
import Testing

/// Whoever adds a file to these folders has to name it in `CEmbedded`.
@Suite struct EmbeddedFileTests {
  @Test(arguments: ["CUDA/Kernels", "Environments/adapters", "Export/package"])
  func areTheFilesOfTheSources(_ folder: String) throws {
    let path = #filePath.parentFolder.parentFolder.parentFolder + "/Sources/" + folder
    let names = try FileManager.default.contentsOfDirectory(atPath: path).filter { $0 != "__pycache__" }
    #expect(!names.isEmpty)
    for name in names {
      let source = try #require(FileManager.default.contents(atPath: "\(path)/\(name)"))
      #expect(EmbeddedFile.bytes(name) == Array(source), "\(name)")
    }
  }
}
