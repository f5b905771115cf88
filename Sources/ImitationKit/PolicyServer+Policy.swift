import Imitation
import Serving

extension PolicyServer {
  /// Makes a server for a trained policy and lets it act once, so that the first request is as fast as the others.
  /// - Throws: `ServingError`.
  public convenience init(_ policy: TrainedPolicy, options: ServingOptions = .init()) throws {
    try self.init(
      agent: policy.agent(), name: policy.recipe.name, actions: policy.actionSchema,
      software: "ImitationKit \(Toolkit.version)", options: options)
  }
}
