#if Kitchenette
  extension Kitchenette {
    /// A camera of the robot.
    public enum Camera: String, Codable, Sendable, CaseIterable {
      case left = "robot0_agentview_left"
      case right = "robot0_agentview_right"
      case hand = "robot0_eye_in_hand"

      /// Its key in an observation.
      public var key: String { rawValue + "_image" }
    }

    public static func withoutImages(_ options: Options) -> Options {
      var options = options
      options.cameras = []
      return options
    }

    /// What a recipe may set under `simulator: {kind: kitchenette}`.
    public struct Options: Codable, Sendable, Equatable {
      /// The width and height of every picture, 16 to 1024 pixels.
      public var imageSize: Int
      /// Which cameras are drawn, by RoboCasa's names with or without `_image`; none is allowed and fast.
      public var cameras: [Camera]

      /// What the arm's six numbers of an action are.
      public var control: Control

      /// Whether depths and calibrations of the cameras are observed too.
      public var depth: Bool

      /// Pictures are drawn so many times larger and averaged, as a camera's pixels do; 1 draws them as they are.
      public var smoothing: Int

      public enum Control: String, Codable, Sendable, CaseIterable {
        /// A step, -1...1 of what one step can be (`actions`).
        case relative
        /// A goal of the gripper seen from the base, metres and an axis times radians (`actions_abs`).
        case absolute
      }

      /// - Parameter imageSize: 16 to 1024.
      public init(
        imageSize: Int = 128, cameras: [Camera] = Camera.allCases, control: Control = .relative, depth: Bool = false,
        smoothing: Int = 1
      ) {
        self.imageSize = imageSize
        self.cameras = cameras
        self.control = control
        self.depth = depth
        self.smoothing = smoothing
      }

      enum CodingKeys: String, CodingKey {
        case imageSize = "image_size"
        case cameras, control, depth, smoothing
      }

      public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        imageSize = try values.decodeIfPresent(Int.self, forKey: .imageSize) ?? 128
        guard (16...1024).contains(imageSize) else {
          throw DecodingError.dataCorruptedError(
            forKey: .imageSize, in: values, debugDescription: "must be 16 to 1024 pixels, not \(imageSize)")
        }
        let names = try values.decodeIfPresent([String].self, forKey: .cameras) ?? Camera.allCases.map(\.rawValue)
        cameras = try names.map { name in
          guard let camera = Camera.allCases.first(where: { $0.rawValue == name || $0.key == name }) else {
            let known = Camera.allCases.map(\.rawValue).joined(separator: ", ")
            throw DecodingError.dataCorruptedError(
              forKey: .cameras, in: values, debugDescription: "no camera '\(name)'; known: \(known)")
          }
          return camera
        }
        control = try values.decodeIfPresent(Control.self, forKey: .control) ?? .relative
        depth = try values.decodeIfPresent(Bool.self, forKey: .depth) ?? false
        smoothing = try values.decodeIfPresent(Int.self, forKey: .smoothing) ?? 1
        guard (1...4).contains(smoothing) else {
          throw DecodingError.dataCorruptedError(
            forKey: .smoothing, in: values, debugDescription: "must be from 1 to 4")
        }
        guard Set(cameras).count == cameras.count else {
          throw DecodingError.dataCorruptedError(
            forKey: .cameras, in: values, debugDescription: "names a camera twice")
        }
      }
    }
  }
#endif
