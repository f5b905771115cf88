import Foundation
import ImitationKit

extension ForeignWeights {
  /// Refuses a recipe that says otherwise than the weights' own.
  func compare(with recipe: Recipe, _ policy: any Policy, _ catalog: Catalog) throws {
    let future = "policy.pred_future_actions"
    guard settings[future] != nil || !(policy is BCTransformer) else {
      throw ForeignWeightsError.facts("does not tell which frames' actions its tokens predict")
    }
    let ours = [
      "policy": try catalog.complete(recipe.policy, as: .policy, path: "policy"),
      "encoder": try catalog.complete(recipe.encoder, as: .encoder, path: "encoder"),
    ]
    for (path, theirs) in settings.sorted(by: { $0.key < $1.key }) {
      let parts = path.split(separator: ".").map(String.init)
      guard parts.count == 2, let group = ours[parts[0]] else { continue }
      // What a network has no setting for it does not depend on; no crop is one.
      guard let own = group[parts[1]]?.json ?? (parts[1] == "crop" ? "null" : nil) else { continue }
      guard own == theirs else {
        throw ForeignWeightsError.setting(path, theirs: theirs.trimmingCharacters(in: ["\""]))
      }
    }
  }
}
