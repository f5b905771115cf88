extension Tensor {
  /// Mean 0 and variance 1 over the last axis, then `scale` and `bias`.
  public func layerNorm(scale: Tensor?, bias: Tensor?, epsilon: Float = 1e-5) -> Tensor {
    rowNorm("layerNorm", scale: scale, bias: bias, epsilon: epsilon, centered: true)
  }

  /// Root mean square 1 over the last axis, then `scale`.
  public func rmsNorm(scale: Tensor?, epsilon: Float = 1e-6) -> Tensor {
    rowNorm("rmsNorm", scale: scale, bias: nil, epsilon: epsilon, centered: false)
  }

  private func rowNorm(
    _ name: StaticString, scale: Tensor?, bias: Tensor?, epsilon: Float, centered: Bool
  ) -> Tensor {
    let (result, moments) = Device.backend.rowNorm(self, scale: scale, bias: bias, epsilon: epsilon, centered: centered)
    return result.recorded(name, from: [self, scale, bias], ["epsilon": .float(epsilon)]) {
      [
        x = detached, scale = scale?.detached, wantsX = isRecorded, wantsScale = scale?.isRecorded ?? false,
        wantsBias = bias?.isRecorded ?? false
      ] outputGradient in
      let parameters =
        wantsScale || wantsBias ? Device.backend.rowNormParameters(x, moments: moments, outputGradient) : nil
      return [
        wantsX
          ? Device.backend.rowNormGradient(x, moments: moments, scale: scale, outputGradient, centered: centered) : nil,
        wantsScale ? parameters!.scale : nil, wantsBias ? parameters!.bias : nil,
      ]
    }
  }

  /// Mean 0 and variance 1 over each image and group of channels, then `scale` and `bias` by channel, `adding`, which has this
  /// shape, and `finish`. Channels last.
  public func groupNorm(
    groups: Int, scale: Tensor?, bias: Tensor?, epsilon: Float = 1e-5, adding: Tensor? = nil, finish: Finish = .none
  ) -> Tensor {
    precondition(rank >= 2 && shape[rank - 1] % groups == 0, "groupNorm: \(groups) groups for shape \(shape)")
    return channelNorm(
      "groupNorm", groups: groups, together: false, scale: scale, bias: bias, epsilon: epsilon, adding: adding,
      finish: finish
    ).output
  }

  /// Normalized by given statistics of each channel, then `scale` and `bias`: how a trained network acts. Channels last.
  public func batchNorm(
    mean: Tensor, variance: Tensor, scale: Tensor?, bias: Tensor?, epsilon: Float = 1e-5, adding: Tensor? = nil,
    finish: Finish = .none
  ) -> Tensor {
    let deviation = (variance + epsilon).sqrt()
    let factor = scale.map { $0 / deviation } ?? deviation.reciprocal()
    let shift = bias.map { $0 - mean * factor } ?? -(mean * factor)
    return modulated(scale: factor, bias: shift, adding: adding, finish: finish)
  }

  /// Normalized by the statistics of this batch; also gives them, the variance unbiased, for the running average.
  public func batchNormTraining(
    scale: Tensor?, bias: Tensor?, epsilon: Float = 1e-5, adding: Tensor? = nil, finish: Finish = .none
  ) -> (output: Tensor, mean: Tensor, variance: Tensor) {
    let (channels, size) = (shape[rank - 1], Float(count / shape[rank - 1]))
    let (output, moments, variance) = channelNorm(
      "batchNormTraining", groups: channels, together: true, scale: scale, bias: bias, epsilon: epsilon, adding: adding,
      finish: finish)
    let mean = moments.sliced(axis: 1, 0..<1).reshaped([channels])
    return (output, mean, variance.reshaped([channels]) * (size / max(size - 1, 1)))
  }

  private func channelNorm(
    _ name: StaticString, groups: Int, together: Bool, scale: Tensor?, bias: Tensor?, epsilon: Float, adding: Tensor?,
    finish: Finish
  ) -> (output: Tensor, moments: Tensor, variance: Tensor) {
    precondition(adding == nil || adding!.shape == shape, "\(name): adding \(adding!.shape) to \(shape)")
    let plan = ChannelPlan(self, finish: finish)
    let (moments, variance) = Device.backend.channelMoments(
      plan, self, groups: groups, together: together, epsilon: epsilon)
    let factors = Device.backend.channelFactors(moments, scale: scale, bias: bias)
    let result = Device.backend.channelAffine(plan, self, ChannelFactors(normalizing: factors), adding: adding)
    let output = result.recorded(
      name, from: [self, scale, bias, adding],
      ["groups": .int(groups), "epsilon": .float(epsilon), "finish": .text("\(finish)")]
    ) {
      [
        x = detached, scale = scale?.detached, bias = bias?.detached, adding = adding?.detached,
        wantsAdded = adding?.isRecorded ?? false
      ] outputGradient in
      let gradient = Device.backend.channelNormGradient(
        plan, x, moments: moments, groups: groups, scale: scale, bias: bias, adding: adding, wantsAdded: wantsAdded,
        outputGradient)
      return [
        gradient.x, scale == nil ? nil : gradient.scale, bias == nil ? nil : gradient.bias, gradient.added,
      ]
    }
    return (output, moments, variance)
  }

  /// `finish(self * scale + bias + adding)` with a scale and a bias for each channel, of all images or of each: FiLM,
  /// adaptive normalization, gates. Channels last.
  ///
  /// - Parameters:
  ///   - scale: `[channels]`, or `[images, channels]` where this tensor is `[images, ..., channels]`.
  ///   - bias: of the same shape as `scale`; `adding` has this tensor's.
  public func modulated(
    scale: Tensor, bias: Tensor? = nil, adding: Tensor? = nil, finish: Finish = .none
  ) -> Tensor {
    let plan = ChannelPlan(self, finish: finish)
    precondition(
      scale.shape == [plan.channels] || scale.shape == [plan.images, plan.channels],
      "modulated: scale \(scale.shape) for \(shape)")
    precondition(bias == nil || bias!.shape == scale.shape, "modulated: bias \(bias!.shape), scale \(scale.shape)")
    precondition(adding == nil || adding!.shape == shape, "modulated: adding \(adding!.shape) to \(shape)")
    let result = Device.backend.channelAffine(plan, self, ChannelFactors(scale: scale, bias: bias), adding: adding)
    return result.recorded(
      "modulated", from: [self, scale, bias, adding], ["finish": .text("\(finish)")]
    ) {
      [
        x = detached, scale = scale.detached, bias = bias?.detached, adding = adding?.detached,
        wantsAdded = adding?.isRecorded ?? false
      ] outputGradient in
      let gradient = Device.backend.channelAffineGradient(
        plan, x, scale: scale, bias: bias, adding: adding, wantsAdded: wantsAdded, outputGradient)
      return [gradient.x, gradient.scale, bias == nil ? nil : gradient.bias, gradient.added]
    }
  }
}
