import ArgumentParser
import CUDA
import ImitationKit
import Tensors

/// What a verb computes on.
struct DeviceChoice: ParsableArguments {
  @Option(
    name: .customLong("device"),
    help: ArgumentHelp(
      "What to compute on: cpu, cuda, or cuda:1 for the second GPU.",
      discussion: "`imitate cuda` says what of CUDA is there."))
  var name = "cpu"

  /// The number of the GPU, counted from 0; nil of the processor.
  private var number: Int? {
    if name == "cuda" { return 0 }
    guard name.hasPrefix("cuda:"), let number = Int(name.dropFirst(5)), number >= 0 else { return nil }
    return number
  }

  /// The same choice for a child.
  var arguments: [String] { number == nil ? [] : ["--device", name] }

  func validate() throws {
    guard name == "cpu" || number != nil else {
      throw ValidationError("--device: '\(name)' is none of cpu, cuda, cuda:NUMBER")
    }
  }

  /// Runs `body` with operations on what was chosen.
  ///
  /// - Parameter rank: each of several processes has the GPU of its number on the machine.
  func run<Result>(_ precision: ProductPrecision, rank: RankPlace? = nil, _ body: () throws -> Result) throws -> Result
  {
    guard var number else { return try body() }
    // Launchers may show each process its own GPU alone.
    if let rank, name == "cuda" { number = try CUDASurvey().devices.count == 1 ? 0 : rank.local }
    let device = try CUDADevice(number: number, precision: precision)
    tell("computes on \(device.name), products in \(precision.rawValue)")
    device.tell = { line in tell(line) }
    defer {
      if device.graphLaunches > 0 {
        tell("\(device.graphLaunches) steps, parts of steps or predictions were launched as one graph each")
      }
    }
    return try Device.with(device, body)
  }
}

/// What a verb trains on.
struct TrainingDevices: ParsableArguments {
  @OptionGroup var each: DeviceChoice
  @Option(
    help: ArgumentHelp(
      "Train on that many GPUs of this machine: each learns from its part of every batch.",
      discussion: "Under torchrun or srun leave it out: their variables say which rank this is.", valueName: "count"))
  var gpus: Int?

  func validate() throws {
    try requirePositive(("gpus", gpus))
    guard gpus ?? 1 == 1 || each.name == "cuda" else { throw ValidationError("--gpus: needs --device cuda") }
  }
}
