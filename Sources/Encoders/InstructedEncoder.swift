import Imitation
import Tensors

/// An encoder whose layers the instruction modulates.
protocol InstructedEncoder: ObservationEncoder {
  /// What makes a row of numbers of the instruction.
  var instruction: any TextEncoder { get }
}

extension InstructedEncoder {
  public var attachments: [String: String] { instruction.attachments }
  public var attachedTensors: [String: Tensor] { instruction.attachedTensors }
  public func check(instruction text: String) throws { try instruction.check(text) }
  public var exampleInstruction: String { instruction.example }
}
