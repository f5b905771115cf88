import Encoders
import Foundation
import Imitation
import Layers
import Tensors
import Testing

/// A table of instructions travels with what was made of it, or is held to its bytes.
@Suite struct InstructionTableTests {
  private func table(_ scale: Float = 1) throws -> String {
    let path = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString).safetensors"
    let rows = ["open the drawer": Tensor([1, 2, 3], shape: [3]), "close it": Tensor([4, 5, 6], shape: [3])]
    try Safetensors.write(rows.mapValues { $0 * scale }, to: path)
    return path
  }

  private func embedding(
    _ path: String, _ context: EncoderContext, limit: Int = TableEncoder.limit
  ) throws -> TableEncoder { try TableEncoder(file: path, context: context, limit: limit) }

  @Test func isMadeAgainWithoutItsFile() throws {
    let path = try table()
    var context = EncoderTests.context
    let first = try embedding(path, context)
    #expect(first.attachedTensors.count == 2 && first.attachments.isEmpty)
    try FileManager.default.removeItem(atPath: path)
    context.tensors = first.attachedTensors
    let again = try embedding(path, context)
    #expect(again(["close it"])?.scalars == [4, 5, 6] && again.width == 3)
    // As often as it likes.
    context.tensors = again.attachedTensors
    #expect(try embedding(path, context)(["open the drawer"])?.scalars == [1, 2, 3])
    try again.check("close it")
    #expect(throws: InstructionError.notInTable("fry it", file: path)) { try again.check("fry it") }
  }

  @Test func aLargeOneIsHeldToItsBytes() throws {
    let path = try table()
    defer { try? FileManager.default.removeItem(atPath: path) }
    var context = EncoderTests.context
    let first = try embedding(path, context, limit: 23)
    #expect(first.attachedTensors.isEmpty && first.attachments.count == 1)
    #expect(try embedding(path, context, limit: 24).attachments.isEmpty)
    context.attachments = first.attachments
    let again = try embedding(path, context)
    #expect(again.attachments == first.attachments && again(["close it"])?.scalars == [4, 5, 6])
    let other = try table(2)
    try FileManager.default.removeItem(atPath: path)
    try FileManager.default.moveItem(atPath: other, toPath: path)
    #expect(throws: InstructionError.changed(file: path, sha256: first.attachments.values.first!)) {
      try embedding(path, context)
    }
    try FileManager.default.removeItem(atPath: path)
    #expect(throws: InstructionError.gone(file: path)) { try embedding(path, context) }
  }

  @Test func encodersHandItOn() throws {
    let path = try table()
    defer { try? FileManager.default.removeItem(atPath: path) }
    let json = "{\"crop\": 36, \"instruction\": {\"kind\": \"table\", \"file\": \"\(path)\"}}"
    func check<E: ObservationEncoder>(_ type: E.Type) throws {
      var random = Random(seed: 1)
      let encoder = try E(
        options: E.Options(Setting(json: json)), context: EncoderTests.context, random: &random)
      #expect(encoder.attachedTensors.count == 2)
    }
    try check(SmallEncoder.self)
    try check(ResNet18Encoder.self)
  }
}
