import Commands

@main struct Main {
  static func main() {
    ImitateCommand.main(catalog: .standard)
  }
}
