import ArgumentParser
import Demonstrations
import Foundation
import Imitation
import Layers

/// `imitate play`: one demo as an animated picture.
struct Play: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write one demo as an animated picture: its cameras, its actions over time below them.",
    discussion: "The file is an animated PNG; browsers and most viewers play it.")

  @Argument(help: "An HDF5 file.") var file: String
  @Argument(help: "The demo, for example demo_0.") var demo: String
  @Option(help: "Where to write; FILE-DEMO.png when left out.") var output: String?
  @Option(help: "Steps a second.") var speed = 20
  @Option(help: "Take every Nth step only.") var every = 1

  func validate() throws {
    guard (1...1000).contains(speed) else { throw ValidationError("--speed must be from 1 to 1000") }
    guard every >= 1 else { throw ValidationError("--every must be 1 or more") }
  }

  func run() throws {
    let source = try DemonstrationFile(path: file)
    guard source.demos.contains(demo) else {
      let known = source.demos.prefix(20).joined(separator: ", ") + (source.demos.count > 20 ? ", ..." : "")
      throw CommandFailure("\(file): no '\(demo)'; there is: \(known)")
    }
    let playback = try Playback(source, demo: demo)
    guard playback.length > 0 else { throw CommandFailure("\(file): '\(demo)' has no steps") }
    let frames = playback.frames().enumerated().filter { $0.offset % every == 0 }.map(\.element)
    let path = output ?? (file as NSString).deletingPathExtension + "-\(demo).png"
    try AtomicFile.write(Data(Image.animatedPNG(frames, framesPerSecond: max(1, speed / every))), to: path)
    print(path)
  }
}
