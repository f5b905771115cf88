/// What the project calls itself in files.
package enum Toolkit {
  package static let version = "0.2.0"
}
