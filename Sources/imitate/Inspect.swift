import ArgumentParser
import Demonstrations
import Foundation
import Layers

/// `imitate inspect`: what a file of demonstrations holds and what is wrong with it.
struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a demonstration file holds, the problems found, and a contact sheet.")

  @Argument(help: "An HDF5 file.") var file: String
  @Option(help: "Where to write the contact sheet (PNG); beside the file when left out.") var sheet: String?
  @Option(help: "text or json.") var format: OutputFormat = .text

  func run() throws {
    let demonstrations = try DemonstrationFile(path: file)
    let summary = try DatasetSummary(demonstrations)
    print(format == .json ? try OutputFormat.json(summary) : summary.text)
    guard let picture = try DatasetSummary.contactSheet(demonstrations) else { return }
    let path = sheet ?? (file as NSString).deletingPathExtension + ".png"
    try AtomicFile.write(Data(picture.png()), to: path)
    FileHandle.standardError.write(Data("contact sheet: \(path)\n".utf8))
  }
}
