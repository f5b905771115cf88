import ArgumentParser
import ImitationKit

/// `imitate serve-environment`: an environment of this build as another program's child.
struct ServeEnvironment: Verb {
  static let configuration = CommandConfiguration(
    commandName: "serve-environment",
    abstract: "Serve a recipe's simulator over standard input and output, by the messages of docs/environments.md.")

  @Argument(help: "The recipe whose simulator to serve.") var recipe: String
  @Flag(help: "Serve it without images, for those who look at none.") var withoutImages = false
  @Flag(help: ArgumentHelp("Serve one that does nothing instead.", visibility: .hidden)) var echo = false

  func run(in session: Session) throws {
    try EnvironmentServer(
      echo
        ? EchoEnvironment()
        : session.catalog.makeSimulator(EvaluationSettings(ofRecipe: recipe).simulator, drawing: !withoutImages)
    ).run()
  }
}
