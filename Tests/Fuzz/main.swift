import Demonstrations
import Environments
import Export
import Foundation
import Imitation
import Layers
import Serving
import Training

// libFuzzer's driver with our own parsers: whatever bytes come, they return or throw. The first byte of an input chooses
// the parser, or FUZZ_ONLY in the environment does. A trap, a read out of bounds, a hang or too much memory ends the run with the input that did it.

private func parse(_ input: UnsafeRawBufferPointer) {
  guard let kind = input.first else { return }
  let bytes = Array(input.dropFirst())
  switch kind {
  case UInt8(ascii: "s"): _ = try? Safetensors.parse(Data(bytes))
  case UInt8(ascii: "j"): _ = try? Image(jpeg: bytes)
  case UInt8(ascii: "p"): _ = try? Image(png: bytes)
  case UInt8(ascii: "k"):
    // Answers of an environment, one after the other.
    var (reader, rest) = (WireReader(), bytes[...])
    while let message = try? reader.next(
      WireAnswer.self,
      read: { target in
        let count = min(rest.count, target.count)
        target.copyBytes(from: rest.prefix(count))
        rest.removeFirst(count)
        return count
      })
    {
      _ = (message.arrays.map(\.image), message.arrays.map(\.floats))
    }
  case UInt8(ascii: "r"):
    guard let setting = try? SettingsFile.parse(String(decoding: bytes, as: UTF8.self)) else { return }
    _ = try? Recipe(setting)
  case UInt8(ascii: "d"):
    guard let setting = try? SettingsFile.parse(String(decoding: bytes, as: UTF8.self)),
      let registry = try? DatasetRegistry(setting)
    else { return }
    for task in registry.tasks {
      for split in registry.splits { _ = try? registry.path(task: task.name, split: split) }
    }
  case UInt8(ascii: "m"):
    _ = try? EpisodeMetadata(String(decoding: bytes, as: UTF8.self))
  case UInt8(ascii: "z"):
    // The first byte says how large the target is: too small, and large enough.
    guard let size = bytes.first else { return }
    var target = [UInt8](repeating: 0, count: Int(size) * 64)
    bytes.dropFirst().withUnsafeBytes { source in
      target.withUnsafeMutableBytes { _ = LZF.inflate(source, into: $0) }
    }
  case UInt8(ascii: "h"): _ = Superblock(bytes)
  case UInt8(ascii: "e"):
    guard let arguments = try? PythonJSON.object(String(decoding: bytes, as: UTF8.self)) else { return }
    for width in [1, 7, 12] { _ = DemonstrationFile.robosuite(arguments, width: width) }
  case UInt8(ascii: "a"): _ = try? JSONDecoder().decode([String: ActionSchema?].self, from: Data(bytes))
  case UInt8(ascii: "w"):
    // Another toolkit's weights, whose metadata is theirs too.
    guard let (tensors, metadata) = try? Safetensors.parse(Data(bytes)),
      let foreign = try? ForeignWeights(tensors: tensors, metadata: metadata)
    else { return }
    _ = (foreign.schema, try? foreign.actionWidth, try? foreign.normalizer(actionWidth: 7))
  case UInt8(ascii: "q"):
    // What a client sends, and what a server answers.
    _ = try? ServedFuzz.reader.request(bytes[...])
    guard let message = try? MessagePack(bytes[...]) else { return }
    _ = (try? PolicyMetadata(message), try? PolicyClient.actions(message, width: 3))
    // What was read is written and read again as the same. (A NaN is not equal to itself.)
    let again = message.encoded
    guard let second = try? MessagePack(again[...]), second.encoded == again else { fatalError("not the same again") }
  case UInt8(ascii: "g"): _ = try? PolicyPackage.describe(Data(bytes))
  case UInt8(ascii: "b"): _ = try? PolicyPackage.checksums(String(decoding: bytes, as: UTF8.self))
  case UInt8(ascii: "o"):
    guard let model = try? ONNXModelProto(serializedBytes: bytes) else { return }
    _ = try? model.bytes()
  case UInt8(ascii: "f"): ServedFuzz.connect(ServedFuzz.upgrade + bytes)
  case UInt8(ascii: "u"): ServedFuzz.connect(bytes)
  default: break
  }
}

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
  _ count: UnsafeMutablePointer<Int32>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

var count = CommandLine.argc
var arguments = CommandLine.unsafeArgv
exit(
  runDriver(&count, &arguments) { data, size in
    let input = UnsafeRawBufferPointer(start: data, count: size)
    guard let only = ProcessInfo.processInfo.environment["FUZZ_ONLY"]?.utf8.first else {
      parse(input)
      return 0
    }
    // All inputs for one parser.
    ([only] + input.dropFirst()).withUnsafeBytes { parse($0) }
    return 0
  })
