import ArgumentParser
import Foundation
import ImitationKit

/// `imitate repack`: a file's frames stored for fast random windows.
struct Repack: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "repack", abstract: "Rewrite a demonstration file so that windows of frames read fast.",
    discussion: """
      Every frame is read back and compared. An interrupted repacking goes on where it stopped. Everything but the \
      frames is copied as it is and compared: attributes, other groups, what links lead to. What cannot be copied is an error.
      """)

  enum Kind: String, ExpressibleByArgument, CaseIterable { case raw, lossless, jpeg }

  @Argument(help: "An HDF5 file.") var file: String
  @Option(help: "Where to write; beside the file, with the storage in its name, when left out.") var output: String?
  @Option(help: "raw (fastest), lossless (each frame deflated), or jpeg (smallest).") var storage: Kind = .raw
  @Option(help: "JPEG quality, 1 to 100.") var quality = 95
  @OptionGroup var frames: FrameOptions
  @Flag(help: "Replace the file that is there, and parts of an interrupted repacking of other settings.")
  var replace = false
  @Option(help: "text or json.") var format: OutputFormat = .text

  func validate() throws {
    guard (1...100).contains(quality) else { throw ValidationError("--quality must be from 1 to 100") }
  }

  func run() throws {
    let path = output ?? (file as NSString).deletingPathExtension + ".\(storage.rawValue).hdf5"
    let source = try DemonstrationFile(path: file, format: frames.format)
    try OutputFile.check(path, replace: replace, inputs: source.filesBehind)
    let interruption = Interruption()
    let bar = ProgressBar("repack", total: source.demos.count, unit: "demos")
    let kind: FrameStorage =
      switch storage {
      case .raw: .raw
      case .lossless: .lossless
      case .jpeg: .jpeg(quality)
      }
    let repacking = try Repacking(source, to: path, as: kind, replacing: replace)
    guard let report = try repacking.run(shouldStop: { interruption.isAsked }, progress: { bar.update($0) }) else {
      throw Interruption.failure
    }
    bar.finish(note: path)
    switch format {
    case .json: print(try OutputFormat.json(report))
    case .text:
      var rows = [
        ["size", megabytes(report.bytesBefore), megabytes(report.bytesAfter)],
        ["frames read", speed(report.readBefore), speed(report.readAfter)],
      ]
      if let worst = report.worstPSNR { rows.append(["worst frame", "", String(format: "%.1f dB", worst)]) }
      print(table(["\(report.frames) frames", "before", "after"], rows))
    }
  }

  private func megabytes(_ bytes: Int) -> String { String(format: "%.1f MB", Double(bytes) / 1e6) }
  private func speed(_ rate: Double) -> String { rate > 0 ? String(format: "%.0f MB/s", rate) : "-" }
}
