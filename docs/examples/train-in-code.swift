import ImitationKit

// Twenty demonstrations, made here: a carriage on a rail drives a quarter of the way to a mark at each step.
var episodes = MemoryEpisodes(
  schema: ObservationSchema(images: [:], vectors: ["carriage": 1, "mark": 1]), actionWidth: 1)
var random = Random(seed: 1)
for _ in 0..<20 {
  var (carriage, mark) = (Float(random.uniform(-1...1)), Float(random.uniform(-1...1)))
  var (observations, actions): ([Observation], [[Float]]) = ([], [])
  for _ in 0..<12 {
    observations.append(
      Observation(vectors: ["carriage": [carriage], "mark": [mark]], instruction: "reach the mark"))
    actions.append([(mark - carriage) / 4])
    carriage += actions.last![0]
  }
  try episodes.append(task: "ReachMark", observations, actions: actions)
}

let recipe = try Recipe(
  text: """
    name: rails
    data: {registry: memory, split: all, tasks: [ReachMark]}
    observations: {vectors: [carriage, mark], normalization: gaussian}
    actions: {normalization: min_max}
    encoder: {kind: small}
    policy: {kind: bc-transformer, context: 1, horizon: 2, width: 32, layers: 1, heads: 2, head: deterministic}
    training: {steps: 1000, batch: 16, learning_rate: 1.0e-3}
    evaluation: {simulator: {kind: none}}
    """, path: "train-in-code.swift")
let folder = RunFolder("runs/rails")
try Trainer(PolicyObjective(recipe, episodes)).run(in: folder)

let agent = try TrainedPolicy(run: folder.path).agent()
let action = try agent.action(
  for: Observation(vectors: ["carriage": [0], "mark": [0.8]], instruction: "reach the mark"))
print("a mark at 0.8, a carriage at 0: drive \(action[0] > 0 ? "right" : "left")")
