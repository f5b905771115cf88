// swift-tools-version: 6.1
import PackageDescription

// Who may know whom: C targets <- Tensors <- Files, Media, Layers <- Imitation <- the rooms, which never import each other.
// Only `ImitationKit`, what other packages import, and `Commands`, the verbs of `imitate`, see every concrete encoder,
// policy and simulator.
let rooms: [Target.Dependency] = [
  "Demonstrations", "Encoders", "Environments", "GaussianWorld", "Kitchenette", "Policies",
]
let house: [Target.Dependency] =
  rooms + ["CUDA", "Training", "Evaluation", "Export", "Serving", "Imitation", "Media", "Files", "Layers", "Tensors"]

func tests(_ room: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(
    name: room + "Tests", dependencies: dependencies + ["Support"], path: "Tests/" + room)
}

// `./run cuda-check` builds a program that needs no library beside the system's own.
let isAlone = Context.environment["IMITATE_CUDA_CHECK"] != nil

// docs/examples as programs that see what another package would: what they use is public.
let examples = [
  "load-and-act", "train-in-code", "own-encoder", "own-environment", "use-a-world-model", "act-through-a-server",
].map { name -> Target in
  .executableTarget(
    name: name, dependencies: ["ImitationKit", "Commands"], path: "Tests/Examples/" + name, packageAccess: false)
}

let package = Package(
  name: "ImitationKit",
  products: [
    .library(name: "ImitationKit", targets: ["ImitationKit", "Commands"]),
    .executable(name: "imitate", targets: ["imitate"]),
    // Opened by tests in the place of CUDA's libraries: the same kernels on the processor.
    .library(name: "FakeCUDA", type: .dynamic, targets: ["FakeCUDA"]),
  ],
  traits: [
    .trait(name: "Kitchenette", description: "The embedded simulator; needs libmujoco-dev and libosmesa6-dev."),
    .default(enabledTraits: ["Kitchenette"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.80.0"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.30.0"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
  ],
  targets: [
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CHDF5", pkgConfig: "hdf5-serial", providers: [.apt(["libhdf5-dev"])]),
    .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CMuJoCo", providers: [.apt(["libmujoco-dev"])]),
    .target(name: "CJPEG", linkerSettings: [.linkedLibrary("jpeg")]),
    .target(name: "COffscreen", linkerSettings: [.linkedLibrary("dl")]),
    .target(name: "CKernels"),
    .target(name: "CEmbedded"),

    .target(name: "Tensors", dependencies: isAlone ? ["CKernels"] : ["COpenBLAS", "CKernels"]),
    // Checksums are OpenSSL's; only `cuda-check` has none.
    .target(
      name: "Files", dependencies: ["Tensors", "CEmbedded"] + (isAlone ? [] : ["COpenSSL"]),
      exclude: isAlone ? ["SHA256.swift"] : []),
    .target(name: "Media", dependencies: ["Tensors", "CJPEG", "CZlib"]),
    .target(name: "CCUDA", linkerSettings: [.linkedLibrary("dl")]),
    .target(
      name: "CUDA", dependencies: ["Tensors", "Files", "CKernels", "CCUDA"],
      exclude: ["Kernels"]),
    .target(name: "Layers", dependencies: ["Tensors", "Files"]),
    .target(name: "Imitation", dependencies: ["Layers", "Media", "Files", "Tensors"]),
    .target(name: "Demonstrations", dependencies: ["Imitation", "CHDF5", "CZlib"]),
    .target(name: "Encoders", dependencies: ["Imitation"]),
    .target(name: "Environments", dependencies: ["Imitation"], exclude: ["adapters"]),
    .target(name: "GaussianWorld", dependencies: ["Imitation"]),
    .target(name: "Policies", dependencies: ["Imitation"]),
    .target(
      name: "Kitchenette",
      dependencies: [
        "Imitation",
        .target(name: "CMuJoCo", condition: .when(traits: ["Kitchenette"])),
        .target(name: "COffscreen", condition: .when(traits: ["Kitchenette"])),
      ]),
    .target(name: "Training", dependencies: ["Imitation", "Demonstrations", "Yams"]),
    .target(name: "Evaluation", dependencies: ["Imitation"]),
    .target(name: "Reports", dependencies: ["Evaluation", "Media", "Files"]),
    .target(name: "ImageMetrics", dependencies: ["Layers", "Files", "Tensors"]),
    .target(
      name: "Export",
      dependencies: ["Imitation", .product(name: "SwiftProtobuf", package: "swift-protobuf")],
      exclude: ["ONNX/onnx.proto", "package"]),

    .target(
      name: "Serving",
      dependencies: [
        "Imitation", .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOWebSocket", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ]),

    .target(name: "ImitationKit", dependencies: house),
    // The verbs are a library so that another package can run them with a catalog of its own.
    .target(
      name: "Commands",
      dependencies: house + [
        "ImitationKit", "Reports", "ImageMetrics", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(name: "imitate", dependencies: ["Commands", "ImitationKit"]),

    .target(name: "Support", dependencies: ["Imitation", "Layers", "Tensors"], path: "Tests/Support"),
    tests("Tensors", ["Tensors", "CKernels"]),
    .target(
      name: "FakeCUDA", path: "Tests/FakeCUDA",
      cxxSettings: [.headerSearchPath("../../Sources/CUDA/Kernels"), .headerSearchPath("../../Sources/CCUDA/include")]),
    tests("CUDA", ["CUDA", "CKernels", "Encoders", "Files", "Imitation", "Layers", "Policies", "Tensors"]),
    tests("Files", ["Files", "Tensors"]),
    tests("Media", ["Media"]),
    tests("Layers", ["Layers", "Tensors"]),
    tests("Imitation", ["Imitation"]),
    tests("Demonstrations", ["Demonstrations", "Imitation"]),
    tests("Encoders", ["Encoders", "Imitation"]),
    tests("Environments", ["Environments", "Files", "Imitation", "Tensors"]),
    tests("GaussianWorld", ["GaussianWorld", "Imitation"]),
    tests("Policies", ["Policies", "Imitation"]),
    tests("Kitchenette", ["Kitchenette", "Imitation"]),
    tests("Training", ["Training", "Demonstrations", "Encoders", "Policies", "Imitation"]),
    tests("Evaluation", ["Evaluation", "Imitation", "Tensors"]),
    tests("Reports", ["Reports", "Evaluation", "Imitation"]),
    tests("ImageMetrics", ["ImageMetrics", "Layers", "Tensors"]),
    tests(
      "Export",
      ["Export", "Encoders", "Policies", "Imitation", .product(name: "SwiftProtobuf", package: "swift-protobuf")]),
    tests(
      "Serving",
      [
        "Serving", "Encoders", "Evaluation", "Policies", "Imitation", "Tensors", "COpenSSL",
        .product(name: "NIOCore", package: "swift-nio"),
      ]),
    tests(
      "Command",
      [
        "ImitationKit", "CUDA", "Demonstrations", "Evaluation", "Reports", "Training",
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ]),
  ] + examples,
  swiftLanguageModes: [.v6],
  cxxLanguageStandard: .cxx20
)

if isAlone {
  package.targets.append(
    .executableTarget(
      name: "cuda-check",
      dependencies: ["CUDA", "Tensors", .product(name: "ArgumentParser", package: "swift-argument-parser")]))
}

// `./run fuzz` builds it, with the flags that link libFuzzer; no other build has it.
if Context.environment["IMITATE_FUZZ"] != nil {
  package.targets.append(
    .executableTarget(
      name: "fuzz",
      dependencies: [
        "Demonstrations", "Environments", "Export", "Imitation", "Layers", "Serving", "Support", "Training",
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOEmbedded", package: "swift-nio"),
      ],
      path: "Tests/Fuzz", exclude: ["Corpus"]))
}
