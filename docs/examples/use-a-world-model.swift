import Foundation
import ImitationKit

// use-a-world-model WORLD.safetensors PICTURE.png: what follows from two frames and five actions.
let world = try Catalog.standard.world(at: CommandLine.arguments[1])
let cameras = world.blueprint.context

// The last frames of each camera, the older one first, [frames, height, width, 3] in 0...1: here gray.
let frames = Tensor.filled([world.context, cameras.size.height, cameras.size.width, 3], with: 0.5)
let now = world.observe(CameraViews(size: cameras.size, images: cameras.cameras.map { _ in frames }))

// [1, steps, actionWidth], as recorded: here the robot keeps still.
let actions = Tensor.zeros([1, 5, world.blueprint.actionWidth])
var random = Random(seed: 0)
let future = world.imagine(now, steps: actions, random: &random)

for (step, next) in future.enumerated() {
  // What the first camera would see: [1, height, width, 3].
  let image = world.decode(next.state, from: nil)
  let reward = next.reward.map { ", reward \($0.item)" } ?? ""
  print("step \(step + 1): brightness \(image.mean().item)\(reward)")
}
let last = world.decode(future[4].state, from: nil)
let image = Image(
  width: cameras.size.width, height: cameras.size.height, pixels: last.scalars.map { UInt8($0 * 255) })
try Data(image.png()).write(to: URL(fileURLWithPath: CommandLine.arguments[2]))
