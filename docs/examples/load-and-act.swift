import ImitationKit

let policy = try TrainedPolicy(package: CommandLine.arguments[1])
let agent = policy.agent(seed: 0)
var observation = Observation(instruction: "open the left drawer")
for (key, size) in policy.schema.images { observation.images[key] = Image(width: size.width, height: size.height) }
for (key, width) in policy.schema.vectors { observation.vectors[key] = [Float](repeating: 0, count: width) }
print(try agent.action(for: observation))
