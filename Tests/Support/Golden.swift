import Foundation
import Layers
import Tensors

/// Numbers from a reference implementation, made once by the script beside them in Tests/Golden.
package struct Golden: Sendable {
  package let tensors: [String: Tensor]
  package let metadata: [String: String]

  package init(_ names: String...) throws {
    var (tensors, metadata): ([String: Tensor], [String: String]) = ([:], [:])
    for name in names {
      let file = try Safetensors.read(Golden.folder + "/\(name).safetensors")
      tensors.merge(file.tensors) { first, _ in first }
      metadata.merge(file.metadata) { first, _ in first }
    }
    (self.tensors, self.metadata) = (tensors, metadata)
  }

  /// The tensor `name`; a missing one is a mistake in the test.
  package subscript(_ name: String) -> Tensor {
    guard let tensor = tensors[name] else { preconditionFailure("golden numbers lack '\(name)'") }
    return tensor
  }

  package static var folder: String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path + "/Golden"
  }
}

/// The largest difference in proportion to the largest expected size: what "relative error" means in these tests.
package func relativeError(_ found: Tensor, _ expected: Tensor) -> Float {
  guard found.shape == expected.shape else { return .infinity }
  var (difference, size): (Float, Float) = (0, 1e-6)
  for (a, b) in zip(found.scalars, expected.scalars) {
    guard a.isFinite == b.isFinite else { return .infinity }
    guard b.isFinite else { continue }
    difference = max(difference, abs(a - b))
    size = max(size, abs(b))
  }
  return difference / size
}
