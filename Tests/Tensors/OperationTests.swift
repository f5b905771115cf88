import Foundation
import Layers
import Support
import Tensors
import Testing

/// Every operation against PyTorch's numbers and against finite differences.
@Suite struct OperationTests {
  static let golden = try! Golden("tensors", "kernels", "splatting")

  /// How the reference's file calls an operation: it was written before the toolkit took to American spelling.
  func stored(_ name: String) -> String { name.replacingOccurrences(of: "Colors", with: "Colours") }

  func inputs(_ name: String) -> [Tensor] {
    (0...).lazy.map { Self.golden.tensors["\(stored(name))/in\($0)"] }.prefix { $0 != nil }.map { $0! }
  }

  @Test(arguments: Operation.all) func equalsPyTorch(_ operation: Operation) throws {
    let inputs = inputs(operation.name)
    try #require(!inputs.isEmpty, "no golden numbers for \(operation.name)")
    let parameters = inputs.map { Parameter($0) }
    let outputGradient = Self.golden["\(stored(operation.name))/up"]
    let out = operation.apply(inputs)
    #expect(out.shape == Self.golden["\(stored(operation.name))/out"].shape)
    let bar: Float = operation.name.hasPrefix("splatted") ? 1e-5 : 1e-4
    #expect(relativeError(out, Self.golden["\(stored(operation.name))/out"]) < bar)
    let (_, gradients) = withGradients(random: Random(seed: 1)) {
      (operation.apply(parameters.map(\.value)) * outputGradient).sum()
    }
    for (index, parameter) in parameters.enumerated() {
      let gradient = try #require(gradients[parameter], "no gradient for input \(index)")
      #expect(relativeError(gradient, Self.golden["\(stored(operation.name))/grad\(index)"]) < 1e-3, "input \(index)")
    }
  }

  /// Central differences of the sum in double precision. In 32-bit arithmetic they are good to a few parts in a thousand
  /// at best, so the error is measured over the whole gradient.
  /// Where a sum is rectified a step of a hundredth may cross the corner, and a splat's edge may jump over a pixel: those rows
  /// have PyTorch's numbers only.
  @Test(arguments: Operation.all.filter { !$0.name.hasSuffix("relu added") && !$0.name.hasPrefix("splatted") })
  func equalsFiniteDifferences(
    _ operation: Operation
  ) throws {
    let inputs = inputs(operation.name)
    let outputGradient = Self.golden["\(stored(operation.name))/up"].scalars
    func total(_ values: [Tensor]) -> Double {
      zip(operation.apply(values).scalars, outputGradient).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    let parameters = inputs.map { Parameter($0) }
    let (_, gradients) = withGradients(random: Random(seed: 1)) {
      (operation.apply(parameters.map(\.value)) * Self.golden["\(stored(operation.name))/up"]).sum()
    }
    for (index, input) in inputs.enumerated() {
      let analytic = try #require(gradients[parameters[index]]).scalars
      var (difference, size) = (0.0, 0.0)
      for place in 0..<min(input.count, 24) {
        func moved(_ step: Float) -> (total: Double, at: Double) {
          var values = input.scalars
          values[place] += step
          var all = inputs
          all[index] = Tensor(values, shape: input.shape)
          return (total(all), Double(values[place]))
        }
        let (up, down) = (moved(1e-2), moved(-1e-2))
        let slope = (up.total - down.total) / (up.at - down.at)
        difference += (slope - Double(analytic[place])) * (slope - Double(analytic[place]))
        size += slope * slope + Double(analytic[place]) * Double(analytic[place])
      }
      #expect((difference / max(size, 1e-12)).squareRoot() < 5e-3, "input \(index)")
    }
  }

  /// An operation that records itself and is in no row of the table is untested.
  @Test func tableIsComplete() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Sources/Tensors").standardizedFileURL
    var names: Set<String> = ["dropout"]  // tested on its own: it draws random numbers
    for operation in Operation.all {
      let parameters = inputs(operation.name).map { Parameter($0) }
      names.formUnion(Tape.operations { _ = operation.apply(parameters.map(\.value)) })
    }
    for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
    where file.pathExtension == "swift" {
      let text = try String(contentsOf: file, encoding: .utf8)
      for match in text.matches(of: /\.recorded\(\s*"([^"]+)"/) {
        #expect(names.contains(String(match.1)), "\(match.1) in \(file.lastPathComponent) is in no row of the table")
      }
    }
  }
}
