import ArgumentParser
import Foundation
import ImitationKit

/// `imitate play`: one demo as an animated image.
struct Play: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "play",
    abstract: "Write one demo as an animated image: its cameras, its actions over time below them.",
    discussion: "The file is an animated PNG; browsers and most viewers play it.")

  @Argument(help: "An HDF5 file.") var file: String
  @Argument(help: "The demo, for example demo_0.") var demo: String
  @Option(help: "Where to write; FILE-DEMO.png when left out.") var output: String?
  @Option(help: "Steps a second; as recorded when left out, 20 where the file does not say.") var speed: Int?
  @Option(help: "Take every Nth step only.") var every = 1
  @OptionGroup var frames: FrameOptions
  @Flag(help: "Replace the file that is there.") var replace = false

  func validate() throws {
    guard speed.map((1...1000).contains) ?? true else { throw ValidationError("--speed must be from 1 to 1000") }
    guard every >= 1 else { throw ValidationError("--every must be 1 or more") }
  }

  func run() throws {
    let path = output ?? (file as NSString).deletingPathExtension + "-\(demo).png"
    let source = try DemonstrationFile(path: file, format: frames.format)
    try OutputFile.check(path, replace: replace, inputs: source.filesBehind)
    guard source.demos.contains(demo) else {
      let known = source.demos.prefix(20).joined(separator: ", ") + (source.demos.count > 20 ? ", ..." : "")
      throw CommandFailure("\(file): no '\(demo)'; there is: \(known)")
    }
    let playback = try Playback(source, demo: demo)
    let shape = try source.file(of: demo).shape(source.array("actions", of: demo))
    let width = shape.count > 1 ? shape[1] : 1
    let recorded = (try? source.actionSchema(of: "actions", width: width))?.controlHertz
    let rate = speed ?? recorded.map { min(1000, max(1, Int($0.rounded()))) } ?? 20
    tell(notes: playback.notes)
    let steps = Array(stride(from: 0, to: playback.length, by: every))
    var animation = AnimatedPNG(count: steps.count, framesPerSecond: rate, every: every, level: 1)
    let interruption = Interruption()
    let bar = ProgressBar("play", total: steps.count, unit: "steps")
    try AtomicFile.write(to: path) { output in
      for start in stride(from: 0, to: steps.count, by: 32) {
        try interruption.check()
        let some = Array(steps[start..<min(steps.count, start + 32)])
        let bytes = animation.chunks(try playback.frames(some))
        try bytes.withUnsafeBytes { try AtomicFile.append($0, to: output, path: path) }
        bar.update(start + some.count)
      }
      try animation.end.withUnsafeBytes { try AtomicFile.append($0, to: output, path: path) }
    }
    bar.finish()
    print(path)
  }
}
