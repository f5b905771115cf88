import Imitation
import Serving

extension PolicyServer {
  /// Makes a server for a trained policy and lets it act once, so that the first request is as fast as the others.
  /// - Throws: `ServingError`.
  public convenience init(_ policy: TrainedPolicy, options: ServingOptions = .init()) throws {
    let settings = [policy.recipe.policy, policy.recipe.encoder].map { "\($0.kind) \($0.options.json)" }
    try self.init(
      agent: policy.agent(), name: policy.recipe.name, actions: policy.actionSchema,
      vectors: policy.blueprint.vectorSchemas ?? [:], software: "ImitationKit \(Toolkit.version)",
      settings: settings.joined(separator: "\n"), warmingUp: policy.policy.encoder.exampleInstruction, options: options)
  }
}
