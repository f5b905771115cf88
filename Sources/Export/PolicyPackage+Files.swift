import Files
import Foundation
import Imitation

extension PolicyPackage {
  private static let files = ["README.md", "golden.safetensors", "policy.json", "weights.safetensors"]
  private static let sums = "SHA256SUMS"
  /// The observation encoder and the head, where there are graphs.
  package static let graphFiles = ["encoder.onnx", "head.onnx"]
  /// Acts by the graphs, in Python; packages of before have none.
  package static let runner = "run_policy.py"

  /// Writes the folder beside its place and renames it there; an older package of ours in the way is replaced, and is whole until then.
  /// - Throws: `PackageError.exists` when something else is there, `WriteError`.
  public func write(to path: String) throws {
    let manager = FileManager.default
    // "policy/": what is written beside must not be inside.
    let folder = path.count > 1 && path.hasSuffix("/") ? String(path.reversed().drop { $0 == "/" }.reversed()) : path
    if manager.fileExists(atPath: folder) { try PolicyPackage.refuseOthers(in: folder) }
    let temporary = AtomicFile.temporary(folder)
    try? manager.removeItem(atPath: temporary)
    PolicyPackage.removeLeftovers(of: folder)
    try manager.createDirectory(atPath: temporary, withIntermediateDirectories: true)
    do {
      try AtomicFile.write(JSONEncoder.readable.encode(description) + Data("\n".utf8), to: temporary + "/policy.json")
      try TensorArchive(
        format: PolicyPackage.format, metadata: ["name": description.name],
        groups: ["": weights, "normalizer": normalizer.tensors, "attached": attached]
      ).write(to: temporary + "/weights.safetensors")
      var example = golden.inputs
      example["actions"] = golden.actions
      example["graph_actions"] = golden.graphActions
      example["draws"] = golden.draws
      try Safetensors.write(
        example, metadata: ["instruction": golden.instruction, "seed": String(golden.seed)],
        to: temporary + "/golden.safetensors")
      try AtomicFile.write(Data(card.utf8), to: temporary + "/README.md")
      let others = graphs.isEmpty ? [:] : graphs.merging([PolicyPackage.runner: PolicyPackage.program]) { $1 }
      for (file, bytes) in others { try AtomicFile.write(bytes, to: temporary + "/" + file) }
      let lines = try (PolicyPackage.files + others.keys.sorted()).map {
        "\(try PolicyPackage.digest(temporary + "/" + $0))  \($0)\n"
      }
      try AtomicFile.write(Data(lines.joined().utf8), to: temporary + "/" + PolicyPackage.sums)
      try PolicyPackage.exchange(temporary, folder)
    } catch {
      try? manager.removeItem(atPath: temporary)
      throw error
    }
  }

  /// Only a package and nothing else is replaced: what somebody has put beside it would be gone.
  private static func refuseOthers(in folder: String) throws {
    let known = Set(files + graphFiles + [runner, sums])
    guard let text = try? String(contentsOfFile: folder + "/" + sums, encoding: .utf8),
      let listed = try? checksums(text), listed["policy.json"] != nil, Set(listed.keys).isSubset(of: known)
    else { throw PackageError.exists(folder: folder) }
    let others = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
      .filter { !known.contains($0) && $0 != "__pycache__" }
    if let file = others.first { throw PackageError.holds(folder: folder, file: file) }
  }

  /// Puts a folder in another's place at once, so that a kill leaves one of the two there.
  private static func exchange(_ temporary: String, _ folder: String) throws {
    let manager = FileManager.default
    guard manager.fileExists(atPath: folder) else { return try manager.moveItem(atPath: temporary, toPath: folder) }
    // Glibc's renameat2 is not in the headers that Swift sees; 2 is RENAME_EXCHANGE.
    typealias Exchange = @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32
    let exchange = dlsym(nil, "renameat2").map { unsafeBitCast($0, to: Exchange.self) }
    if exchange?(AT_FDCWD, temporary, AT_FDCWD, folder, 2) != 0 {
      // A file system that exchanges nothing: the old one is aside until the new one is there.
      let old = temporary + ".old"
      try manager.moveItem(atPath: folder, toPath: old)
      try manager.moveItem(atPath: temporary, toPath: folder)
      return try manager.removeItem(atPath: old)
    }
    try manager.removeItem(atPath: temporary)
  }

  /// Removes what exports that were killed have left beside their package.
  private static func removeLeftovers(of folder: String) {
    let name = (folder as NSString).lastPathComponent + "."
    let parent = folder.parentFolder
    let siblings = (try? FileManager.default.contentsOfDirectory(atPath: parent.isEmpty ? "." : parent)) ?? []
    for sibling in siblings where sibling.hasPrefix(name) && sibling.hasSuffix(".partial") {
      guard let process = Int32(sibling.dropFirst(name.count).dropLast(".partial".count)), kill(process, 0) != 0 else {
        continue
      }
      try? FileManager.default.removeItem(atPath: (parent as NSString).appendingPathComponent(sibling))
    }
  }

  /// Reads a package, every file checked against its sum first.
  /// - Throws: `PackageError`, `SafetensorsError` or `NormalizerError`.
  public init(folder: String) throws {
    guard let text = try? String(contentsOfFile: folder + "/" + PolicyPackage.sums, encoding: .utf8) else {
      throw PackageError.notAPackage(folder: folder)
    }
    let sums = try PolicyPackage.checksums(text)
    let graphFiles = PolicyPackage.graphFiles.filter { sums[$0] != nil }
    let programs = sums[PolicyPackage.runner] == nil ? [] : [PolicyPackage.runner]
    for file in PolicyPackage.files + graphFiles + programs {
      guard let expected = sums[file], FileManager.default.fileExists(atPath: folder + "/" + file) else {
        throw PackageError.missing(file: file)
      }
      // A pointer in place of weights has another sum too, but that would tell nobody what to do.
      if let problem = FileProblem.found(in: folder + "/" + file) {
        throw SafetensorsError.unreadable(path: folder + "/" + file, reason: problem)
      }
      guard try PolicyPackage.digest(folder + "/" + file) == expected else { throw PackageError.damaged(file: file) }
    }
    let known = Set(PolicyPackage.files + graphFiles + programs + [PolicyPackage.sums])
    for file in try FileManager.default.contentsOfDirectory(atPath: folder).sorted() where !known.contains(file) {
      // What Python leaves beside a program that was imported.
      if file == "__pycache__" { continue }
      throw PackageError.extra(file: file)
    }
    description = try PolicyPackage.describe(Data(contentsOf: URL(fileURLWithPath: folder + "/policy.json")))
    if description.graphs != nil, let lost = PolicyPackage.graphFiles.first(where: { !graphFiles.contains($0) }) {
      throw PackageError.missing(file: lost)
    }
    if description.graphs == nil, let extra = graphFiles.first { throw PackageError.extra(file: extra) }
    do {
      let archive = try TensorArchive(
        path: folder + "/weights.safetensors", format: PolicyPackage.format, prefixes: ["normalizer", "attached"])
      (weights, attached) = (archive[""], archive["attached"])
      normalizer = try Normalizer(tensors: archive["normalizer"])
    } catch let error as ArchiveError {
      throw PackageError.description("weights.safetensors has no \(error.lacks)")
    }
    var (example, metadata) = try Safetensors.read(folder + "/golden.safetensors")
    guard let actions = example.removeValue(forKey: "actions"), let seed = metadata["seed"].flatMap({ UInt64($0) })
    else { throw PackageError.description("golden.safetensors has no actions or seed") }
    for file in graphFiles {
      graphs[file] = try Data(contentsOf: URL(fileURLWithPath: folder + "/" + file), options: .mappedIfSafe)
    }
    let (graphActions, draws) = (example.removeValue(forKey: "graph_actions"), example.removeValue(forKey: "draws"))
    golden = GoldenExample(
      inputs: example, instruction: metadata["instruction"] ?? "", seed: seed, actions: actions,
      graphActions: graphActions, draws: draws)
  }

  /// By file.
  package static func checksums(_ text: String) throws -> [String: String] {
    var sums: [String: String] = [:]
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
      guard parts.count == 2 else { throw PackageError.checksums }
      sums[parts[1].trimmingCharacters(in: .whitespaces)] = String(parts[0])
    }
    return sums
  }

  /// `policy.json`, refused where it says what cannot be.
  package static func describe(_ data: Data) throws -> Description {
    struct Head: Decodable {
      var format: String
      var version: Int
    }
    guard let head = try? JSONDecoder().decode(Head.self, from: data) else {
      throw PackageError.description("not JSON with a format and a version")
    }
    guard head.format == format else { throw PackageError.foreign(format: head.format) }
    guard (1...version).contains(head.version) else { throw PackageError.version(found: head.version) }
    var description: Description
    do {
      description = try JSONDecoder().decode(Description.self, from: data)
    } catch {
      throw PackageError.description("\(error)")
    }
    if head.version == 1 {
      description.action.schema = .unknown(width: description.action.schema.count)
      for place in description.observation.vectors.indices { description.observation.vectors[place].unit = nil }
    }
    func refuse(unless holds: Bool, _ reason: String) throws {
      if !holds { throw PackageError.description(reason) }
    }
    let (seen, action) = (description.observation, description.action)
    try refuse(
      unless: seen.vectors.allSatisfy { (1...1 << 24).contains($0.width) }
        && seen.images.allSatisfy { (1...1 << 14).contains($0.width) && (1...1 << 14).contains($0.height) },
      "an observation has a size that none can have")
    try refuse(unless: (1...1 << 16).contains(seen.steps), "\(seen.steps) frames of history")
    try refuse(
      unless: (1...1 << 16).contains(action.predicted) && (1...action.predicted).contains(action.executed),
      "\(action.executed) of \(action.predicted) predicted actions are executed")
    try refuse(unless: action.schema.controlHertz?.isFinite ?? true, "a rate that is not above 0")
    return description
  }

  /// This version's `run_policy.py`.
  package static var program: Data { Data(EmbeddedFile.bytes("run_policy.py")) }

  private static func digest(_ path: String) throws -> String {
    let data = try Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe)
    return SHA256.hash(data).hexadecimal
  }

  /// How to act by it, in Python and here.
  private var running: [String] {
    var lines = ["## Run it", ""]
    if graphs.isEmpty {
      lines += ["`imitate serve FOLDER`, or in Swift `TrainedPolicy(package: \"FOLDER\").agent(seed: 0)`.", ""]
    } else {
      lines += [
        "`pip install onnxruntime numpy`, then `python run_policy.py`, which checks this folder. In a program of yours:",
        "",
        "```python", "from run_policy import Policy", "", "policy = Policy()",
        "policy.reset(seed=0)  # at the start of each episode", "# once a step, as often as the rate below says",
        "action = policy.act({",
      ]
      lines += description.observation.images.map {
        "    \"\($0.key)\": ...,  # uint8 [\($0.height), \($0.width), 3], RGB"
      }
      lines += description.observation.vectors.map { "    \"\($0.key)\": ...,  # \($0.width) numbers" }
      lines += ["}, \"the instruction\")", "```", ""]
      lines += ["Or `imitate serve FOLDER`, or in Swift `TrainedPolicy(package: \"FOLDER\").agent(seed: 0)`.", ""]
    }
    return lines
  }

  /// The card that people read first.
  private var card: String {
    var lines = [
      "# \(description.name)", "",
      "A robot policy made with ImitationKit \(description.toolkit): \(description.encoder) encoder, \(description.policy) head, "
        + "\(description.parameters) parameters\(description.averagedWeights ? ", averaged weights" : "").", "",
      "Check it: `imitate verify FOLDER`, or `sha256sum -c SHA256SUMS`.", "",
    ]
    lines += running + ["## Sees", ""]
    let (seen, action) = (description.observation, description.action)
    lines += seen.images.map { "- `\($0.key)`: \($0.width)x\($0.height) RGB" }
    lines += seen.vectors.map { "- `\($0.key)`: \($0.width) numbers, \($0.schema.label)" }
    lines += ["- \(seen.steps) frame(s) of history", "", "## Does", ""]
    for (index, dimension) in action.schema.dimensions.enumerated() {
      let constant = action.layout.flatMap { $0.learned.contains(index) ? nil : $0.template[index] }
      func number(_ value: Float?) -> String { value.map { "\($0)" } ?? "?" }
      let isBounded = dimension.low != nil || dimension.high != nil
      lines.append(
        "- \(index): \(action.schema.label(index))\(dimension.name == nil ? " (name unknown)" : ""), "
          + (isBounded ? "\(number(dimension.low)) to \(number(dimension.high))" : "range unknown") + ", "
          + (dimension.unit.map { $0.contains("+1") ? $0 : "+1 is \($0)" } ?? "unit unknown")
          + (constant.map { "; not learned, always \($0)" } ?? ""))
    }
    lines += (action.layout?.rotations ?? []).map {
      "- \($0) to \($0 + 2) are a rotation, which the weights give as the first two rows of its matrix"
    }
    lines += [
      "- control: \(action.schema.control ?? "unknown")",
      "- \(action.schema.controlHertz.map { "\($0) actions a second" } ?? "rate unknown"); "
        + "\(action.predicted) predicted at once, \(action.executed) executed"
        + (action.ensemble.map { "; the mean of all predictions of a moment, older ones by exp(-\($0) i)" } ?? ""),
      "",
    ]
    if !description.evaluation.isEmpty {
      lines +=
        ["## Measured", ""] + (description.measured.map { [$0 + ".", ""] } ?? []) + [
          "| task | split | solved | 95 % interval |", "| --- | --- | --- | --- |",
        ]
      lines += description.evaluation.map {
        "| \($0.task) | \($0.split) | \($0.successes)/\($0.episodes) | "
          + String(format: "%.0f %% to %.0f %% |", $0.low * 100, $0.high * 100)
      }
      lines.append("")
    }
    return lines.joined(separator: "\n")
  }
}
