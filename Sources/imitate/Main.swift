import Commands
import ImitationKit

@main struct Main {
  static func main() {
    ImitateCommand.main(catalog: .standard)
  }
}
