import ArgumentParser
import Demonstrations
import Foundation
import Imitation
import Layers

/// `imitate inspect`: what files of demonstrations hold and what is wrong with them.
struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what demonstration files hold and the problems found, with a contact sheet or as a page.")

  @Argument(help: "An HDF5 file, or a registry's name with --split.") var file: String
  @Option(help: "Look at the files of this split of a registry.") var split: String?
  @OptionGroup var place: DatasetPlace
  @Option(help: "Where to write the contact sheet (PNG); beside the file when left out.") var sheet: String?
  @Option(help: "Write all of it as one self-contained HTML page here.") var page: String?
  @Option(help: "text or json.") var format: OutputFormat = .text

  func run() throws {
    let paths = try split.map(files) ?? [file]
    var summaries: [DatasetSummary] = []
    var sheets: [Image?] = []
    for path in paths {
      let demonstrations = try DemonstrationFile(path: path)
      let summary = try DatasetSummary(demonstrations)
      if format == .text { print(summary.text + (paths.count > 1 ? "\n" : "")) }
      summaries.append(summary)
      sheets.append(try DatasetSummary.contactSheet(demonstrations))
    }
    if format == .json {
      print(split == nil ? try OutputFormat.json(summaries[0]) : try OutputFormat.json(summaries))
    }
    if let page {
      let title = split.map { "\(file), \($0)" } ?? (file as NSString).lastPathComponent
      try AtomicFile.write(Data(DatasetSummary.page(summaries, sheets: sheets, title: title).utf8), to: page)
      tell("page: \(page)")
    } else if split == nil, let picture = sheets[0] {
      let path = sheet ?? (file as NSString).deletingPathExtension + ".png"
      try AtomicFile.write(Data(picture.png()), to: path)
      tell("contact sheet: \(path)")
    }
  }

  /// The files of `split` that are on the disk.
  private func files(_ split: String) throws -> [String] {
    let registry = try place.registry(file)
    let root = place.root(of: registry)
    let all = try registry.tasks.filter { try registry.has(task: $0.name, split: split) }
      .map { try registry.path(task: $0.name, split: split, root: root) }
    let found = all.filter { FileManager.default.fileExists(atPath: $0) }
    guard !found.isEmpty else {
      throw CommandFailure(
        "\(root): none of the \(all.count) files of '\(split)' is here; `imitate tasks \(file)` lists them")
    }
    return found
  }
}
