import Foundation
import Layers
import Support
import Tensors
import Testing

/// Every operation against PyTorch's numbers and against finite differences.
@Suite struct OperationTests {
  @Test(arguments: GoldenOperation.all) func equalsPyTorch(_ operation: GoldenOperation) throws {
    let inputs = operation.inputs
    try #require(!inputs.isEmpty, "no golden numbers for \(operation.name)")
    let out = operation.apply(inputs)
    #expect(out.shape == operation.expected.shape)
    let bar: Float = operation.name.hasPrefix("splatted") ? 1e-5 : 1e-4
    #expect(relativeError(out, operation.expected) < bar)
    for (index, gradient) in operation.gradients(inputs).enumerated() {
      let gradient = try #require(gradient, "no gradient for input \(index)")
      #expect(relativeError(gradient, operation.expectedGradient(index)) < 1e-3, "input \(index)")
    }
  }

  /// Central differences of the sum in double precision. In 32-bit arithmetic they are good to a few parts in a thousand
  /// at best, so the error is measured over the whole gradient.
  /// Where a sum is rectified a step of a hundredth may cross the corner, and a splat's edge may jump over a pixel: those rows
  /// have PyTorch's numbers only.
  @Test(arguments: GoldenOperation.all.filter { !$0.name.hasSuffix("relu added") && !$0.name.hasPrefix("splatted") })
  func equalsFiniteDifferences(
    _ operation: GoldenOperation
  ) throws {
    let inputs = operation.inputs
    let outputGradient = operation.outputGradient.scalars
    func total(_ values: [Tensor]) -> Double {
      zip(operation.apply(values).scalars, outputGradient).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    let gradients = operation.gradients(inputs)
    for (index, input) in inputs.enumerated() {
      let analytic = try #require(gradients[index]).scalars
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
    for operation in GoldenOperation.all {
      let parameters = operation.inputs.map { Parameter($0) }
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
