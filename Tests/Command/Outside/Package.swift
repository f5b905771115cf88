// swift-tools-version: 6.1
import PackageDescription

// What docs/writing-an-encoder.md shows, as a package of its own.
let package = Package(
  name: "Outside",
  dependencies: [.package(name: "ImitationKit", path: "../../..")],
  targets: [
    .executableTarget(name: "Outside", dependencies: [.product(name: "ImitationKit", package: "ImitationKit")])
  ],
  swiftLanguageModes: [.v6]
)
