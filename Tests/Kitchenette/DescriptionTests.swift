#if Kitchenette
  import Foundation
  import Imitation
  import Kitchenette
  import Testing

  extension KitchenTests {
    @Suite struct Descriptions {
      private func object(_ json: String) throws -> [String: Any] {
        try #require(JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
      }

      @Test func argumentsHaveRoboCasasKeys() throws {
        let kitchen = try KitchenetteEnvironment(options: .init { ($0.imageSize, $0.cameras) = (84, [.left, .hand]) })
        let arguments = try object(kitchen.arguments(task: "TurnOnStove"))
        #expect(arguments["env_name"] as? String == "TurnOnStove")
        #expect(arguments["env_version"] is String)
        #expect(arguments["type"] as? Int == 1)
        let keywords = try #require(arguments["env_kwargs"] as? [String: Any])
        #expect(keywords["camera_names"] as? [String] == ["robot0_agentview_left", "robot0_eye_in_hand"])
        #expect(keywords["camera_heights"] as? Int == 84)
        #expect(keywords["control_freq"] as? Int == 20)
        #expect(keywords["robots"] is String)
        // Other images are other settings.
        #expect(keywords["smoothing"] == nil)
        let smooth = try KitchenetteEnvironment(
          options: .init { ($0.imageSize, $0.cameras, $0.smoothing) = (84, [.left, .hand], 2) })
        #expect(try smooth.arguments(task: "TurnOnStove").contains(#""smoothing" : 2"#))
      }

      @Test func episodesAreDescribedAsRoboCasaDoes() throws {
        let kitchen = try blindKitchen()
        let seen = try kitchen.reset(EpisodeSpec(task: "PnPCounterToSink", seed: 6, pool: .training))
        let metadata = try object(kitchen.description.metadata)
        #expect(metadata["lang"] as? String == seen.instruction)
        #expect(metadata["layout_id"] is Int && metadata["style_id"] is Int)
        #expect((metadata["gen_textures"] as? [String: Any])?.isEmpty == true)
        #expect((metadata["fixtures"] as? [String: Any])?.isEmpty == false)
        #expect((metadata["fixture_refs"] as? [String: String])?.values.contains("sink") == true)
        #expect(metadata["cam_configs"] is [String: Any])
        let things = try #require(metadata["object_cfgs"] as? [[String: Any]])
        #expect(things[0]["name"] as? String == "obj")
        #expect((things[0]["info"] as? [String: Any])?["cat"] is String)
        #expect(kitchen.description.model.hasPrefix("<mujoco"))
        #expect(kitchen.state[0] == 0 && kitchen.state.count > 40)
        _ = try kitchen.step(stillness)
        #expect(abs(kitchen.state[0] - 0.05) < 1e-9)
      }

      @Test func theSpecSaysWhatItIs() throws {
        let spec = try blindKitchen().spec
        #expect(spec.name == "kitchenette" && spec.versions["kitchenette"] == "kitchenette-1")
        #expect(spec.versions["mujoco"]?.contains(".") == true)
        #expect(spec.actions == .roboCasa && spec.recorded.actions.keys.sorted() == ["actions", "actions_abs"])
      }

      @Test(arguments: [
        (#"{"image_size": 8}"#, "16 to 1024"), (#"{"image_size": 5000}"#, "16 to 1024"),
        (#"{"cameras": ["robot0_frontview"]}"#, "no camera 'robot0_frontview'"),
        (#"{"cameras": ["robot0_eye_in_hand", "robot0_eye_in_hand_image"]}"#, "twice"),
      ])
      func badOptionsAreRefused(json: String, reason: String) throws {
        let error = try #require(throws: SettingError.self) { try KitchenetteEnvironment.Options(Setting(json: json)) }
        #expect("\(error)".contains(reason))
      }

      @Test func optionsHaveDefaultsAndComeBack() throws {
        let plain = try KitchenetteEnvironment.Options(Setting(json: "{}"))
        #expect(plain == KitchenetteEnvironment.Options())
        #expect(plain.imageSize == 128 && plain.cameras == [.left, .right, .hand])
        let json = #"{"image_size": 84, "cameras": ["robot0_eye_in_hand_image"]}"#
        let chosen = try KitchenetteEnvironment.Options(Setting(json: json))
        #expect(chosen == KitchenetteEnvironment.Options { ($0.imageSize, $0.cameras) = (84, [.hand]) })
        let again = try KitchenetteEnvironment.Options(chosen.setting)
        #expect(again == chosen)
      }
    }
  }
#endif
