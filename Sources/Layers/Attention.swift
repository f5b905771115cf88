import Foundation
import Tensors

/// Rotary positions: pairs of numbers turned by an angle that grows with the position (Su et al. 2021, "RoFormer").
public struct RotaryPositions: Sendable {
  let base: Double

  /// - Parameter base: of the wavelengths, 10,000 in the paper.
  public init(base: Double = 10_000) {
    self.base = base
  }

  /// Turns `[batch, tokens, heads, width]`; number `i` of the first half and of the second are a pair.
  public func callAsFunction(_ input: Tensor, first: Int = 0) -> Tensor {
    let (tokens, width) = (input.shape[1], input.shape[3])
    precondition(width % 2 == 0, "RotaryPositions: width \(width) is odd")
    let half = width / 2
    var cosines = [Float](repeating: 0, count: tokens * width)
    var sines = cosines
    for token in 0..<tokens {
      for i in 0..<half {
        let angle = Double(first + token) * pow(base, -2 * Double(i) / Double(width))
        for place in [i, i + half] {
          cosines[token * width + place] = Float(cos(angle))
          sines[token * width + place] = Float(sin(angle))
        }
      }
    }
    let halves = input.split(axis: 3, [half, half])
    let turned = Tensor.concatenated([-halves[1], halves[0]], axis: 3)
    return input * Tensor(cosines, shape: [tokens, 1, width]) + turned * Tensor(sines, shape: [tokens, 1, width])
  }
}

/// Scaled dot-product attention over several heads (Vaswani et al. 2017).
public struct MultiHeadAttention: Module {
  let query, key, value, output: Linear
  /// Normalize each head's queries and keys, with a learned scale.
  let queryNorm, keyNorm: RMSNorm?
  let heads: Int
  let dropout: Float
  let rotary: RotaryPositions?

  /// - Parameters:
  ///   - memoryWidth: the width of what is attended to, when it is not the tokens themselves.
  ///   - bias: whether query, key and value have one; the output always does.
  public init(
    width: Int, heads: Int, memoryWidth: Int? = nil, bias: Bool = true, dropout: Float = 0,
    rotary: RotaryPositions? = nil, normalized: Bool = false, initialization: Initialization = .torch,
    random: inout Random
  ) {
    precondition(width % heads == 0, "MultiHeadAttention: width \(width) for \(heads) heads")
    func linear(_ inputs: Int, bias: Bool, _ random: inout Random) -> Linear {
      Linear(inputs: inputs, outputs: width, bias: bias, initialization: initialization, random: &random)
    }
    query = linear(width, bias: bias, &random)
    key = linear(memoryWidth ?? width, bias: bias, &random)
    value = linear(memoryWidth ?? width, bias: bias, &random)
    output = linear(width, bias: true, &random)
    queryNorm = normalized ? RMSNorm(width / heads) : nil
    keyNorm = normalized ? RMSNorm(width / heads) : nil
    self.heads = heads
    self.dropout = dropout
    self.rotary = rotary
  }

  /// - Parameters:
  ///   - input: `[batch, tokens, width]`.
  ///   - memory: `[batch, others, memoryWidth]`; the tokens themselves when nil.
  ///   - mask: added to the scores, broadcast to `[batch, heads, tokens, others]`.
  public func callAsFunction(_ input: Tensor, memory: Tensor? = nil, mask: Tensor? = nil) -> Tensor {
    let source = memory ?? input
    var q = split(query(input))
    var k = split(key(source))
    if let queryNorm, let keyNorm { (q, k) = (queryNorm(q), keyNorm(k)) }
    if let rotary { (q, k) = (rotary(q), rotary(k)) }
    let mixed = q.attention(keys: k, values: split(value(source)), mask: mask, dropout: dropout)
    return output(mixed.reshaped(input.shape.dropLast() + [-1]))
  }

  /// Attention to one token, `[batch, 1, memoryWidth]`: a softmax over one key is 1 whatever the query, so the queries are
  /// not computed, and get no gradient (it would be zero).
  func sole(_ memory: Tensor, tokens: Int) -> Tensor {
    let row = output(value(memory))
    return row.broadcast(to: [row.shape[0], tokens, row.shape[2]])
  }

  /// `[batch, tokens, heads * width]` to `[batch, tokens, heads, width]`.
  private func split(_ rows: Tensor) -> Tensor {
    rows.reshaped([rows.shape[0], rows.shape[1], heads, -1])
  }

  /// Minus infinity where a key lies after its query: `[tokens, tokens]`.
  public static func causalMask(_ tokens: Int) -> Tensor {
    Tensor(
      (0..<tokens * tokens).map { $0 % tokens > $0 / tokens ? -.infinity : 0 }, shape: [tokens, tokens])
  }
}
