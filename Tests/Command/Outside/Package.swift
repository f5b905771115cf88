// swift-tools-version: 6.1
import PackageDescription

// docs/examples as programs of a package that is not this one: what they use is public.
let package = Package(
  name: "Outside",
  dependencies: [.package(name: "ImitationKit", path: "../../..")],
  targets: ["load-and-act", "train-in-code", "own-encoder", "own-environment", "use-a-world-model", "act-through-a-server"].map {
    .executableTarget(name: $0, dependencies: [.product(name: "ImitationKit", package: "ImitationKit")])
  },
  swiftLanguageModes: [.v6]
)
