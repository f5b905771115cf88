import CKernels

extension Tensor {
  /// Mean 0 and variance 1 over the last axis, then `scale` and `bias`.
  public func layerNorm(scale: Tensor?, bias: Tensor?, epsilon: Float = 1e-5) -> Tensor {
    rowNorm("layerNorm", scale: scale, bias: bias, epsilon: epsilon, centred: true)
  }

  /// Root mean square 1 over the last axis, then `scale`.
  public func rmsNorm(scale: Tensor?, epsilon: Float = 1e-6) -> Tensor {
    rowNorm("rmsNorm", scale: scale, bias: nil, epsilon: epsilon, centred: false)
  }

  private func rowNorm(
    _ name: StaticString, scale: Tensor?, bias: Tensor?, epsilon: Float, centred: Bool
  ) -> Tensor {
    let (result, moments) = Kernel.rowNorm(self, scale: scale, bias: bias, epsilon: epsilon, centred: centred)
    let nothing = Tensor(0)
    return result.recorded(name, from: [self, scale ?? nothing, bias ?? nothing]) {
      [
        x = detached, scale = scale?.detached, wantsX = isRecorded, wantsScale = scale?.isRecorded ?? false,
        wantsBias = bias?.isRecorded ?? false
      ] upstream in
      let parameters =
        wantsScale || wantsBias ? Kernel.rowNormParameters(x, moments: moments, upstream) : nil
      return [
        wantsX ? Kernel.rowNormGradient(x, moments: moments, scale: scale, upstream, centred: centred) : nil,
        wantsScale ? parameters!.scale : nil, wantsBias ? parameters!.bias : nil,
      ]
    }
  }

  /// Mean 0 and variance 1 over each image and group of channels, then `scale` and `bias` by channel. Channels last.
  public func groupNorm(groups: Int, scale: Tensor?, bias: Tensor?, epsilon: Float = 1e-5) -> Tensor {
    precondition(rank >= 2 && shape[rank - 1] % groups == 0, "groupNorm: \(groups) groups for shape \(shape)")
    let (result, moments) = Kernel.groupNorm(self, groups: groups, scale: scale, bias: bias, epsilon: epsilon)
    let nothing = Tensor(0)
    return result.recorded("groupNorm", from: [self, scale ?? nothing, bias ?? nothing]) {
      [x = detached, scale = scale?.detached] upstream in
      let gradient = Kernel.groupNormGradient(x, groups: groups, moments: moments, scale: scale, upstream)
      return [gradient.x, scale == nil ? nil : gradient.scale, bias == nil ? nil : gradient.bias]
    }
  }

  /// Normalised by given statistics of each channel: how a trained network acts.
  public func batchNorm(
    mean: Tensor, variance: Tensor, scale: Tensor?, bias: Tensor?, epsilon: Float = 1e-5
  ) -> Tensor {
    var result = (self - mean) / (variance + epsilon).sqrt()
    if let scale { result = result * scale }
    if let bias { result = result + bias }
    return result
  }

  /// Normalised by the statistics of this batch; also gives them, the variance unbiased, for the running average.
  public func batchNormTraining(
    scale: Tensor?, bias: Tensor?, epsilon: Float = 1e-5
  ) -> (output: Tensor, mean: Tensor, variance: Tensor) {
    let axes = Array(0..<rank - 1)
    let mean = mean(axes: axes)
    let centred = self - mean
    let variance = centred.square().mean(axes: axes)
    var result = centred / (variance + epsilon).sqrt()
    if let scale { result = result * scale }
    if let bias { result = result + bias }
    let size = Float(count / shape[rank - 1])
    return (result, mean.detached, variance.detached * (size / max(size - 1, 1)))
  }
}
