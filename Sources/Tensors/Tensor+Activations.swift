import CKernels

extension Tensor {
  private func unary(_ kernel: ck_unary_operation, _ name: StaticString) -> Tensor {
    Kernel.unary(kernel, self).recorded(name, from: [self]) { [x = detached] in
      [Kernel.unaryGradient(kernel, x, $0)]
    }
  }

  public func exp() -> Tensor { unary(ck_exp, "exp") }
  public func log() -> Tensor { unary(ck_log, "log") }
  public func sqrt() -> Tensor { unary(ck_sqrt, "sqrt") }
  public func square() -> Tensor { unary(ck_square, "square") }
  public func abs() -> Tensor { unary(ck_absolute, "abs") }
  public func sin() -> Tensor { unary(ck_sine, "sin") }
  public func cos() -> Tensor { unary(ck_cosine, "cos") }
  public func reciprocal() -> Tensor { unary(ck_reciprocal, "reciprocal") }
  public func relu() -> Tensor { unary(ck_relu, "relu") }
  /// `x Φ(x)`, by the error function.
  public func gelu() -> Tensor { unary(ck_gelu, "gelu") }
  /// GELU's approximation by the hyperbolic tangent.
  public func geluTanh() -> Tensor { unary(ck_gelu_tanh, "geluTanh") }
  public func silu() -> Tensor { unary(ck_silu, "silu") }
  /// `x tanh(softplus(x))`.
  public func mish() -> Tensor { unary(ck_mish, "mish") }
  public func softplus() -> Tensor { unary(ck_softplus, "softplus") }
  public func tanh() -> Tensor { unary(ck_tanh, "tanh") }
  public func sigmoid() -> Tensor { unary(ck_sigmoid, "sigmoid") }

  /// `self` to the power `exponent`, for positive values.
  public func pow(_ exponent: Float) -> Tensor { (log() * exponent).exp() }
}
