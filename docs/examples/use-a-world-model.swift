import Foundation
import ImitationKit

// use-a-world-model WORLD.safetensors PICTURE.png: what follows from two frames and five actions.
let world = try WorldModel(path: CommandLine.arguments[1], parts: Catalog.standard)
let seen = world.blueprint.context

// Two frames of each camera, the older one first, [2, height, width, 3] in 0...1: here gray.
let frames = Tensor.filled([LatentDynamics.context, seen.size.height, seen.size.width, 3], with: 0.5)
let encoding = world.encoding(CameraViews(size: seen.size, images: seen.cameras.map { _ in frames }))
// Their latent states: [2, tokens, numbers]. The first moment says where the tokens sit.
let states = world.state(encoding, reference: encoding.gathered([0, 0]))

// [1, steps, actionWidth], as recorded: here the robot keeps still.
let actions = Tensor.zeros([1, 5, world.blueprint.actionWidth])
var random = Random(seed: 0)
let future = world.imagine(history: states.unsqueezed(0), actions: actions, random: &random)

for (step, outcome) in future.enumerated() {
  // What the first camera would see: [1, height, width, 3].
  let image = world.image(outcome.state)
  let reward = outcome.reward.map { ", reward \($0.item)" } ?? ""
  print("step \(step + 1): brightness \(image.mean().item)\(reward)")
}
let last = world.image(future[4].state)
let image = Image(
  width: seen.size.width, height: seen.size.height, pixels: last.scalars.map { UInt8($0 * 255) })
try Data(image.png()).write(to: URL(fileURLWithPath: CommandLine.arguments[2]))
