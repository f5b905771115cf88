import ArgumentParser
import Foundation
import ImitationKit

/// `imitate generate`: many demonstrations from a few, in new scenes.
struct Generate: Verb {
  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Generate demonstrations from recorded ones, in MimicGen's manner, on all cores.",
    discussion: """
      Subtasks of source demonstrations are moved along with what they are about, joined, and played in new scenes with noise on \
      the actions; what succeeds is kept. States come first, in a file of their own beside the demonstrations; images are \
      drawn from them after that, so that they can be drawn again at another size. An interrupted generation goes on where it \
      stopped and ends in the same bytes.
      """)

  @Argument(help: "The recipe whose tasks and simulator to generate for.") var recipe: String
  @OptionGroup var choice: TaskChoice
  @Option(name: .customLong("set"), help: "Change a value of the recipe: path.to.key=value.") var changes: [String] = []
  @Option(help: "The split to generate from.") var source = "expert-10"
  @Option(help: "How the source of a subtask is chosen: nearest or random.")
  var selection = DemonstrationGenerator.Settings.Selection.nearest
  @Option(help: "Standard deviation of the noise on actions, of their full scale.")
  var noise = DemonstrationGenerator.Settings().noise
  @Option(help: "Demonstrations a task; as many as the split says when left out.") var episodes: Int?
  @OptionGroup var workers: WorkerOptions
  @Flag(help: "Draw no images: write the states only.") var statesOnly = false
  @Flag(help: "Draw the images again from the states, for example at another size.") var drawAgain = false
  @Flag(help: "Replace files that hold another number of demonstrations, or that were generated otherwise.")
  var replace = false
  @Option(help: "text or json.") var format: OutputFormat = .text
  @OptionGroup var place: DatasetPlace

  func validate() throws {
    guard noise >= 0, noise <= 1 else { throw ValidationError("--noise must be from 0 to 1") }
    try requirePositive(("episodes", episodes))
  }

  func run(in session: Session) throws {
    let recipe = try choice.recipe(recipe, changes: changes, place: place)
    let registry = try place.registry(recipe.data)
    guard try registry.split(recipe.data.split).source != registry.split(source).source else {
      throw CommandFailure(
        "'\(recipe.data.split)' would be generated from itself ('\(source)'); name the split to write with --split generated-300"
      )
    }
    let plan = try CollectionPlan(
      recipe, episodes: episodes, workers: workers, place: place, catalog: session.catalog)
    defer { plan.finish() }
    var yields: [GenerationYield] = []
    for task in recipe.data.tasks {
      let job = GenerationJob(task: task, path: try plan.path(task), plan: plan)
      // Images can be drawn again without what the states came from.
      let known = try drawAgain && !replace ? job.known(by: settings) : nil
      yields.append(
        try known
          ?? job.generate(
            from: plan.path(task, split: source), key: registry.split(source).key, settings: settings,
            replacing: replace))
      if !statesOnly { try job.draw(again: drawAgain, replacing: replace) }
    }
    print(format == .json ? try OutputFormat.json(yields) : GenerationYield.summary(yields))
  }

  private var settings: DemonstrationGenerator.Settings {
    var settings = DemonstrationGenerator.Settings()
    (settings.selection, settings.noise) = (selection, noise)
    return settings
  }
}

extension DemonstrationGenerator.Settings.Selection: ExpressibleByArgument {}
