import CKernels

extension Tensor {
  private func unary(_ kernel: ck_unary_operation, _ name: StaticString) -> Tensor {
    Device.backend.unary(kernel, self).recorded(name, from: [self]) { [x = detached] in
      [Device.backend.unaryGradient(kernel, x, $0)]
    }
  }

  /// e to the power of every number.
  public func exp() -> Tensor { unary(ck_exp, "exp") }
  /// The natural logarithm of every number.
  public func log() -> Tensor { unary(ck_log, "log") }
  /// The square root of every number.
  public func sqrt() -> Tensor { unary(ck_sqrt, "sqrt") }
  /// Every number times itself.
  public func square() -> Tensor { unary(ck_square, "square") }
  /// Every number without its sign.
  public func abs() -> Tensor { unary(ck_absolute, "abs") }
  /// The sine of every number, radians.
  public func sin() -> Tensor { unary(ck_sine, "sin") }
  /// The cosine of every number, radians.
  public func cos() -> Tensor { unary(ck_cosine, "cos") }
  /// One divided by every number.
  public func reciprocal() -> Tensor { unary(ck_reciprocal, "reciprocal") }
  /// `max(x, 0)`.
  public func relu() -> Tensor { unary(ck_relu, "relu") }
  /// `x Φ(x)`, by the error function.
  public func gelu() -> Tensor { unary(ck_gelu, "gelu") }
  /// GELU's approximation by the hyperbolic tangent.
  public func geluTanh() -> Tensor { unary(ck_gelu_tanh, "geluTanh") }
  /// `x sigmoid(x)`.
  public func silu() -> Tensor { unary(ck_silu, "silu") }
  /// `x tanh(softplus(x))`.
  public func mish() -> Tensor { unary(ck_mish, "mish") }
  /// `log(1 + exp(x))`.
  public func softplus() -> Tensor { unary(ck_softplus, "softplus") }
  /// The hyperbolic tangent of every number.
  public func tanh() -> Tensor { unary(ck_tanh, "tanh") }
  /// `1 / (1 + exp(-x))`.
  public func sigmoid() -> Tensor { unary(ck_sigmoid, "sigmoid") }

  /// `self` to the power `exponent`, for positive values.
  public func pow(_ exponent: Float) -> Tensor { (log() * exponent).exp() }
}
