import Foundation
import Imitation
import Tensors

/// A policy in a folder, for others to run: weights, what they mean, and a proof that they were loaded right.
///
/// `weights.safetensors` (acting weights, `normalizer/` statistics, and `attached/` for what else the encoder needs), `policy.json` (schemas, recipe, provenance),
/// `golden.safetensors` (one input and the actions it must give), `README.md`, with graphs `encoder.onnx`, `head.onnx` and
/// `run_policy.py`, which acts by them, and `SHA256SUMS` over all of them, which `sha256sum -c` reads too.
public struct PolicyPackage {
  package static let format = "imitationkit-policy"
  /// In version 1 names, units, limits and rate may have been guessed: they are read as unknown.
  package static let version = 2

  /// `policy.json`.
  package struct Description: Codable, Sendable, Equatable {
    package var format: String
    package var version: Int
    package var toolkit: String
    package var name: String
    package var encoder: String
    package var policy: String
    package var parameters: Int
    package var averagedWeights: Bool
    package var observation: ObservationDescription
    package var action: ActionDescription
    package var vocabulary: [String]
    /// What the encoder needs beside weights to be made again; nil for most.
    package var attachments: [String: String]?
    package var datasets: [Dataset]
    package var evaluation: [Evaluation]
    /// What it was evaluated on and how, in words; nil when it was not, and of packages of before.
    package var measured: String?
    /// The recipe as it was trained, YAML.
    package var recipe: String
    /// The ONNX graphs beside the weights; nil when there are none.
    package var graphs: Graphs?

    package init(
      toolkit: String, name: String, encoder: String, policy: String, parameters: Int, averagedWeights: Bool,
      observation: ObservationDescription, action: ActionDescription, vocabulary: [String], datasets: [Dataset],
      evaluation: [Evaluation], recipe: String
    ) {
      format = PolicyPackage.format
      version = PolicyPackage.version
      self.toolkit = toolkit
      self.name = name
      self.encoder = encoder
      self.policy = policy
      self.parameters = parameters
      self.averagedWeights = averagedWeights
      self.observation = observation
      self.action = action
      self.vocabulary = vocabulary
      self.datasets = datasets
      self.evaluation = evaluation
      self.recipe = recipe
    }
  }

  /// What ONNX files there are.
  package struct Graphs: Codable, Sendable, Equatable {
    package var opset: Int
    /// How they keep weights.
    package var precision: WeightPrecision
    /// How actions are drawn from what the head gives, JSON.
    package var sampling: String
    /// How rounded weights change actions; nil of weights that are not rounded, and where there were no demonstrations.
    package var change: Change?

    /// How actions differ from those of weights that are not rounded, in the units of the recordings.
    package struct Change: Codable, Sendable, Equatable {
      package var observations: Int
      package var largest: Float
      package var mean: Float

      package init(observations: Int, largest: Float, mean: Float) {
        (self.observations, self.largest, self.mean) = (observations, largest, mean)
      }
    }

    package init(precision: WeightPrecision, sampling: String, change: Change? = nil) {
      (opset, self.precision, self.sampling, self.change) = (ONNXBuilder.opset, precision, sampling, change)
    }
  }

  package struct ObservationDescription: Codable, Sendable, Equatable {
    /// Cameras in the order of the feature row.
    package var images: [Camera]
    /// Low-dimensional keys in the order of the feature row.
    package var vectors: [Vector]
    /// Frames the policy looks at, the present one last.
    package var steps: Int

    package init(images: [Camera], vectors: [Vector], steps: Int) {
      self.images = images
      self.vectors = vectors
      self.steps = steps
    }
  }

  package struct Camera: Codable, Sendable, Equatable {
    package var key: String
    package var height: Int
    package var width: Int
    /// Always RGB, rows from the top, 0 to 255.
    package var channels = "RGB"
    package var type = "uint8"

    package init(key: String, size: ObservationSchema.ImageSize) {
      self.key = key
      height = size.height
      width = size.width
    }
  }

  package struct Vector: Codable, Sendable, Equatable {
    package var key: String
    package var width: Int
    /// What they mean as far as the demonstrations say; nil is unknown.
    package var unit: String?
    package var frame: String?
    package var quaternion: String?
    package var type = "float32"

    package init(key: String, width: Int, schema: VectorSchema = .init()) {
      self.key = key
      self.width = width
      (unit, frame, quaternion) = (schema.unit, schema.frame, schema.quaternion)
    }

    /// What is unknown is written, as null.
    package func encode(to encoder: any Encoder) throws {
      var keys = encoder.container(keyedBy: CodingKeys.self)
      try keys.encode(key, forKey: .key)
      try keys.encode(width, forKey: .width)
      try keys.encode(unit, forKey: .unit)
      try keys.encodeIfPresent(frame, forKey: .frame)
      try keys.encodeIfPresent(quaternion, forKey: .quaternion)
      try keys.encode(type, forKey: .type)
    }

    package var schema: VectorSchema { VectorSchema(unit: unit, frame: frame, quaternion: quaternion) }
  }

  package struct ActionDescription: Codable, Sendable, Equatable {
    package var schema: ActionSchema
    /// Actions predicted at once, and how many of them are executed.
    package var predicted: Int
    package var executed: Int
    /// Which of the dimensions the weights give and what the others are; nil when they give all.
    package var layout: ActionLayout?
    /// With it, what is carried out is the mean of all predictions of a moment, the i-th oldest weighing `exp(-ensemble i)`.
    package var ensemble: Float?

    enum CodingKeys: String, CodingKey { case predicted, executed, layout, ensemble }

    package init(
      schema: ActionSchema, predicted: Int, executed: Int, layout: ActionLayout? = nil, ensemble: Float? = nil
    ) {
      self.schema = schema
      self.predicted = predicted
      self.executed = executed
      self.layout = layout
      self.ensemble = ensemble
    }

    /// The keys of the schema stand beside the others.
    package init(from decoder: any Decoder) throws {
      let keys = try decoder.container(keyedBy: CodingKeys.self)
      try self.init(
        schema: ActionSchema(from: decoder), predicted: keys.decode(Int.self, forKey: .predicted),
        executed: keys.decode(Int.self, forKey: .executed),
        layout: keys.decodeIfPresent(ActionLayout.self, forKey: .layout),
        ensemble: keys.decodeIfPresent(Float.self, forKey: .ensemble))
    }

    package func encode(to encoder: any Encoder) throws {
      try schema.encode(to: encoder)
      var keys = encoder.container(keyedBy: CodingKeys.self)
      try keys.encode(predicted, forKey: .predicted)
      try keys.encode(executed, forKey: .executed)
      try keys.encodeIfPresent(layout, forKey: .layout)
      try keys.encodeIfPresent(ensemble, forKey: .ensemble)
    }
  }

  package struct Dataset: Codable, Sendable, Equatable {
    package var task: String
    package var file: String
    package var sha256: String
    package var key: String
    package var episodes: Int
    /// SHA-256 of the other files that its values come from; nil when there are none.
    package var linked: [String]?

    package init(task: String, file: String, sha256: String, key: String, episodes: Int, linked: [String]? = nil) {
      self.task = task
      self.file = file
      self.sha256 = sha256
      self.key = key
      self.episodes = episodes
      self.linked = linked
    }
  }

  package struct Evaluation: Codable, Sendable, Equatable {
    package var task: String
    package var split: String
    package var episodes: Int
    package var successes: Int
    package var rate: Double
    package var low: Double
    package var high: Double

    package init(
      task: String, split: String, episodes: Int, successes: Int, rate: Double, low: Double, high: Double
    ) {
      self.task = task
      self.split = split
      self.episodes = episodes
      self.successes = successes
      self.rate = rate
      self.low = low
      self.high = high
    }
  }

  package var description: Description
  package var weights: [String: Tensor]
  package var normalizer: Normalizer
  package var golden: GoldenExample
  /// Tensors that the encoder needs beside weights to be made again.
  package var attached: [String: Tensor] = [:]
  /// ONNX files by name.
  package var graphs: [String: Data] = [:]

  /// Whether the golden actions do not hang on rounding, which other runtimes do otherwise.
  package var isSteady = true

  /// What the package does not say of its numbers, in words; nil when it says all.
  public var unknown: String? {
    let silent = description.observation.vectors.filter { $0.unit == nil }.map(\.key)
    let parts = [
      description.action.schema.unknown(), silent.isEmpty ? nil : "the unit of " + silent.joined(separator: ", "),
    ].compactMap(\.self)
    return parts.isEmpty ? nil : parts.joined(separator: "; ")
  }

  package init(
    description: Description, weights: [String: Tensor], normalizer: Normalizer, golden: GoldenExample
  ) {
    self.description = description
    self.weights = weights
    self.normalizer = normalizer
    self.golden = golden
  }
}

/// A folder that is not a policy package of ours, or not whole.
public enum PackageError: Error, Equatable, CustomStringConvertible {
  /// A folder without checksums.
  case notAPackage(folder: String)
  /// A file that the package lacks.
  case missing(file: String)
  /// A file that does not belong to it.
  case extra(file: String)
  /// A list of checksums that is none.
  case checksums
  /// A file that is not what its checksum says.
  case damaged(file: String)
  /// What is wrong with policy.json or the golden example.
  case description(String)
  /// A policy whose answer to the golden example is not a number.
  case notFinite
  /// A table of instructions that is too large for the package, so that its graphs have nothing to look up.
  case tableOutside
  /// Another toolkit's package.
  case foreign(format: String)
  /// One of a later version of this toolkit.
  case version(found: Int)
  /// Something else is where a package is to be written.
  case exists(folder: String)
  /// A package with something beside it is where one is to be written.
  case holds(folder: String, file: String)
  /// An answer other than the golden one: which number differs, and by how much.
  case differs(largest: Float, at: Int)

  public var description: String {
    switch self {
    case .notAPackage(let folder): "\(folder): not a policy package: it has no SHA256SUMS"
    case .missing(let file): "\(file): missing from the policy package"
    case .extra(let file): "\(file): does not belong to the policy package"
    case .checksums: "SHA256SUMS: damaged: a line is no checksum and a file's name"
    case .damaged(let file): "\(file): damaged: its SHA-256 is not the one in SHA256SUMS"
    case .description(let reason): "policy.json: \(reason)"
    case .notFinite: "the policy answers the golden example with values that are not numbers; nothing was exported"
    case .tableOutside:
      "the table of instructions is too large to be in the package, and graphs have nothing to look up without it"
    case .foreign(let format): "policy.json: format '\(format)' is not '\(PolicyPackage.format)'"
    case .version(let found): "policy.json: version \(found), this program reads versions 1 to \(PolicyPackage.version)"
    case .exists(let folder): "\(folder): exists and is not a policy package; choose another --output"
    case .holds(let folder, let file):
      "\(folder): a policy package that also holds '\(file)', which would be lost; move that, or choose another --output"
    case .differs(let largest, let at):
      "the golden output is not reproduced: number \(at) differs by \(largest); other weights or another program made it"
    }
  }
}
