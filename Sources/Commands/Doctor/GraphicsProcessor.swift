import CUDA

/// NVIDIA's GPUs and their driver, as far as they are there.
struct GraphicsProcessor: Codable {
  /// The kernel's part: "550.54.15".
  var driver: String?
  /// The version of CUDA that libcuda is for: "12.4"; nil when it does not load.
  var cuda: String?
  /// By name and memory.
  var devices: [String] = []
  /// Why nothing is computed there.
  var problem: String?

  /// Asks libcuda, which may hang where a driver is broken: in a child only.
  init() {
    driver = KernelDriver.version
    do {
      let survey = try CUDASurvey()
      (cuda, devices) = (survey.version, survey.devices)
      _ = try CUDADevice()
    } catch {
      problem = "\(error)"
    }
  }

  /// What there is, and what of it is used.
  static func finding(deadline: Double) -> Finding {
    let found: GraphicsProcessor
    do {
      found = try DoctorCheck.answer(GraphicsProcessor.self, to: ["doctor-check"], seconds: deadline)
    } catch {
      return Finding("gpu", .broken, "asking libcuda: \(error)")
    }
    guard found.driver != nil || found.cuda != nil else { return Finding("gpu", .absent, "no NVIDIA driver") }
    let versions = ["driver": found.driver, "cuda": found.cuda].compactMapValues(\.self)
    let parts =
      [
        found.devices.isEmpty ? nil : found.devices.joined(separator: "; "), versions.listed,
        found.problem.map { "--device cuda does not work: \($0)" }
          ?? "--device cuda computes there; `imitate cuda --check` tries it",
      ].compactMap(\.self)
    return Finding(
      "gpu", found.problem == nil ? .ok : .broken, parts.joined(separator: "; "), versions: versions)
  }
}
