import ArgumentParser
import Foundation
import ImitationKit

/// `imitate inspect`: what files of demonstrations hold and what is wrong with them.
struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what demonstration files hold and the problems found, with a contact sheet or as a page.")

  @Argument(help: "An HDF5 file, or a registry's name with --split.") var file: String
  @Option(help: "Look at the files of this split of a registry.") var split: String?
  @OptionGroup var place: DatasetPlace
  @Option(help: "Where to write the contact sheet (PNG); next to the file when left out.") var sheet: String?
  @Option(help: "Write all of it as one self-contained HTML page here.") var page: String?
  @Flag(help: "Read a few frames of each camera instead of all.") var quick = false
  @OptionGroup var frames: FrameOptions
  @Flag(help: "Replace a contact sheet or page that is there.") var replace = false
  @Option(help: "text or json.") var format: OutputFormat = .text

  func run() throws {
    let outputs = [sheet, page].compactMap { $0 }
    guard Set(outputs).count == outputs.count else { throw CommandFailure("--sheet and --page name one file") }
    for output in outputs { try OutputFile.check(output, replace: replace, inputs: [file]) }
    let paths = try split.map { try place.files(of: file, split: $0) } ?? [file]
    var summaries: [DatasetSummary] = []
    var sheets: [Image?] = []
    var unreadable = 0
    for path in paths {
      do {
        let demonstrations = try DemonstrationFile(path: path, format: frames.format)
        for output in outputs { try OutputFile.check(output, replace: replace, inputs: demonstrations.filesBehind) }
        let summary = DatasetSummary(demonstrations, quick: quick)
        if format == .text { print(summary.text + (paths.count > 1 ? "\n" : "")) }
        summaries.append(summary)
        sheets.append(DatasetSummary.contactSheet(demonstrations))
      } catch  where paths.count > 1 {
        // The others are looked at all the same.
        tell("\(CommandFailure.line(error))")
        unreadable += 1
      }
    }
    if format == .json {
      print(split == nil ? try OutputFormat.json(summaries[0]) : try OutputFormat.json(summaries))
    }
    if let page {
      let title = split.map { "\(file), \($0)" } ?? (file as NSString).lastPathComponent
      try AtomicFile.write(Data(DatasetSummary.page(summaries, sheets: sheets, title: title).utf8), to: page)
      tell("page: \(page)")
    } else if split == nil, let image = sheets[0] {
      try write(image)
    }
    if unreadable > 0 { throw CommandFailure("\(unreadable) of \(paths.count) files cannot be read") }
  }

  private func write(_ image: Image) throws {
    let path = sheet ?? (file as NSString).deletingPathExtension + ".png"
    // Nobody named it, so nobody need be stopped by one that is there.
    if sheet == nil, !replace, FileManager.default.fileExists(atPath: path) {
      tell("contact sheet: \(path) is there already; --replace writes it again")
      return
    }
    do {
      try AtomicFile.write(Data(image.png()), to: path)
    } catch  where sheet == nil {
      tell("no contact sheet: \(CommandFailure.line(error)); name another place with --sheet")
      return
    }
    tell("contact sheet: \(path)")
  }
}
