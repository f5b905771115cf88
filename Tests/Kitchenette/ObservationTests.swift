#if Kitchenette
  import Foundation
  import Imitation
  import Kitchenette
  import Testing

  extension KitchenTests {
    @Suite struct Observations {
      @Test func keysAndWidthsAreRoboCasas() throws {
        let expected = [
          "robot0_joint_pos": 7, "robot0_joint_pos_cos": 7, "robot0_joint_pos_sin": 7, "robot0_joint_vel": 7,
          "robot0_eef_pos": 3, "robot0_eef_quat": 4, "robot0_gripper_qpos": 2, "robot0_gripper_qvel": 2,
          "robot0_base_pos": 3, "robot0_base_quat": 4, "robot0_base_to_eef_pos": 3, "robot0_base_to_eef_quat": 4,
          "object": 14,
        ]
        let kitchen = try KitchenetteEnvironment(options: .init { $0.imageSize = 32 })
        #expect(kitchen.spec.schema.vectors == expected)
        #expect(
          kitchen.spec.schema.imageKeys == [
            "robot0_agentview_left_image", "robot0_agentview_right_image", "robot0_eye_in_hand_image",
          ])
        #expect(kitchen.spec.actions == .roboCasa)
        for task in kitchenTasks {
          let seen = try kitchen.reset(EpisodeSpec(task: task.name, seed: 5, pool: .training))
          #expect(seen.vectors.mapValues(\.count) == expected)
          #expect(
            seen.images.mapValues { [$0.width, $0.height] } == kitchen.spec.schema.images.mapValues { _ in [32, 32] })
          let finite = seen.vectors.values.joined().allSatisfy { $0.isFinite }
          #expect(finite)
          #expect(!seen.instruction.isEmpty)
        }
      }

      @Test func quaternionsAreInTheOrderXYZW() throws {
        let kitchen = try blindKitchen()
        let seen = try kitchen.reset(EpisodeSpec(task: "OpenDrawer", seed: 2, pool: .training))
        // The gripper points down: half a turn about x. The base looks along x: nearly no turn.
        let gripper = seen.vectors["robot0_eef_quat"]!
        #expect(gripper[0] > 0.99 && abs(gripper[3]) < 0.1)
        let base = seen.vectors["robot0_base_quat"]!
        #expect(base[3] > 0.99 && abs(base[0]) < 1e-6 && abs(base[1]) < 1e-6)
        for key in ["robot0_eef_quat", "robot0_base_quat", "robot0_base_to_eef_quat"] {
          let length = seen.vectors[key]!.reduce(0) { $0 + $1 * $1 }
          #expect(abs(length - 1) < 1e-5)
        }
      }

      @Test func relativeReadingsAgreeWithTheOthers() throws {
        let kitchen = try blindKitchen()
        let seen = try kitchen.reset(EpisodeSpec(task: "PnPCounterToSink", seed: 2, pool: .training))
        let base = seen.vectors["robot0_base_pos"]!
        let grip = seen.vectors["robot0_eef_pos"]!
        let quaternion = seen.vectors["robot0_base_quat"]!
        let yaw = 2 * atan2(quaternion[2], quaternion[3])
        let offset = (grip[0] - base[0], grip[1] - base[1])
        let relative = seen.vectors["robot0_base_to_eef_pos"]!
        #expect(abs(relative[0] - (cos(yaw) * offset.0 + sin(yaw) * offset.1)) < 1e-5)
        #expect(abs(relative[1] - (cos(yaw) * offset.1 - sin(yaw) * offset.0)) < 1e-5)
        #expect(abs(relative[2] - (grip[2] - base[2])) < 1e-5)
        for (angle, (cosine, sine)) in zip(
          seen.vectors["robot0_joint_pos"]!,
          zip(seen.vectors["robot0_joint_pos_cos"]!, seen.vectors["robot0_joint_pos_sin"]!))
        {
          #expect(abs(cos(angle) - cosine) < 1e-6 && abs(sin(angle) - sine) < 1e-6)
        }
        // Fingers of opposite sign, 10 cm open.
        #expect(seen.vectors["robot0_gripper_qpos"] == [0.05, -0.05])
      }

      @Test func picturesAreUprightAndShowSomething() throws {
        let kitchen = try KitchenetteEnvironment(options: .init { $0.imageSize = 64 })
        // Every style of this pool has a warm floor; the sky is blue.
        let seen = try kitchen.reset(EpisodeSpec(task: "OpenDrawer", seed: 1, pool: .evaluation))
        for image in seen.images.values { #expect(Set(image.pixels).count > 20) }
        // Level, with the back to the kitchen: sky above, floor below.
        let view = try kitchen.image(
          from: .free(target: [-1.5, 0, 0.6], distance: 0.3, azimuth: 180, elevation: 0), width: 64, height: 64)
        func blueness(_ rows: Range<Int>) -> Int {
          (rows.lowerBound * 64..<rows.upperBound * 64).reduce(0) { sum, pixel in
            sum + Int(view.pixels[pixel * 3 + 2]) - Int(view.pixels[pixel * 3])
          }
        }
        #expect(blueness(0..<8) > 0)
        #expect(blueness(56..<64) < 0)
      }

      @Test func camerasCanBeChosenAndLeftOut() throws {
        let one = try KitchenetteEnvironment(options: .init { ($0.imageSize, $0.cameras) = (40, [.hand]) })
        let seen = try one.reset(EpisodeSpec(task: "TurnOnStove", seed: 1, pool: .training))
        #expect(seen.images.keys.sorted() == ["robot0_eye_in_hand_image"])
        let all = try KitchenetteEnvironment(options: .init { $0.imageSize = 40 })
        let same = try all.reset(EpisodeSpec(task: "TurnOnStove", seed: 1, pool: .training))
        #expect(seen.images["robot0_eye_in_hand_image"] == same.images["robot0_eye_in_hand_image"])
        let none = try blindKitchen()
        #expect(try none.reset(EpisodeSpec(task: "TurnOnStove", seed: 1, pool: .training)).images.isEmpty)
        #expect(try none.image(from: .robot("robot0_agentview_left"), width: 50, height: 30).width == 50)
      }

      /// Depths, calibrations and proprioception alone must tell of one place.
      @Test func depthsAndCalibrationsAgreeWithTheArm() throws {
        let size = 96
        let kitchen = try KitchenetteEnvironment(
          options: .init { ($0.imageSize, $0.cameras, $0.depth) = (size, [.left, .hand], true) })
        let left = CameraKeys("robot0_agentview_left")
        #expect(kitchen.spec.schema.vectors[left.depth] == size * size)
        #expect(kitchen.spec.schema.vectors[left.calibration] == CameraCalibration.width)
        var seen = try kitchen.reset(EpisodeSpec(task: "OpenDrawer", seed: 1, pool: .training))
        let expert = try #require(kitchen.expert(seed: 1, noise: 0))
        expert.begin(seed: 1)
        for _ in 0..<20 { seen = try kitchen.step(expert.action(for: seen)).observation }
        let depths = try #require(seen.vectors[left.depth])
        let camera = CameraCalibration(try #require(seen.vectors[left.calibration]))
        #expect(depths.count == size * size && depths.allSatisfy { $0 > 0.1 && $0 < 12 })
        // The grip before a drawer, through the left camera.
        let grip = seen.vectors["robot0_base_to_eef_pos"]!
        let offset = SIMD3(grip[0], grip[1], grip[2]) - camera.position
        func along(_ axis: Int) -> Float {
          (SIMD3(camera.rotation[0][axis], camera.rotation[1][axis], camera.rotation[2][axis]) * offset).sum()
        }
        let (x, y, z) = (along(0), along(1), along(2))
        let (u, v) = (camera.focal.x * x / z + camera.center.x, camera.focal.y * y / z + camera.center.y)
        let depth = depths[Int(v) * size + Int(u)]
        #expect(abs(depth - z) < 0.04, "the grip is \(z) m away, the image says \(depth)")
        // The hand's camera moves with the hand: it looks at the grip from a hand's length.
        let hand = CameraCalibration(try #require(seen.vectors[CameraKeys("robot0_eye_in_hand").calibration]))
        let apart = hand.position - SIMD3(grip[0], grip[1], grip[2])
        #expect((apart * apart).sum().squareRoot() < 0.2)
        let fixed = try kitchen.step([Float](repeating: 0, count: 12)).observation.vectors[left.calibration]!
        #expect(zip(fixed, camera.numbers).allSatisfy { abs($0 - $1) < 1e-3 })
      }

      @Test func smoothedPicturesAreMeansOfLargerOnes() throws {
        let smooth = try KitchenetteEnvironment(
          options: .init { ($0.imageSize, $0.cameras, $0.smoothing) = (40, [.left], 2) })
        let large = try KitchenetteEnvironment(options: .init { ($0.imageSize, $0.cameras) = (80, [.left]) })
        let small = try smooth.reset(EpisodeSpec(task: "TurnOnStove", seed: 1, pool: .training)).images.values.first!
        let fine = try large.reset(EpisodeSpec(task: "TurnOnStove", seed: 1, pool: .training)).images.values.first!
        #expect(small.width == 40)
        for (x, y) in [(3, 5), (20, 20), (38, 11)] {
          let sum = (0..<4).reduce(0) { $0 + Int(fine.pixels[((2 * y + $1 / 2) * 80 + 2 * x + $1 % 2) * 3]) }
          #expect(abs(Int(small.pixels[(y * 40 + x) * 3]) - sum / 4) <= 1)
        }
      }

      @Test func aLargePictureDoesNotChangeTheSmallOnes() throws {
        let kitchen = try KitchenetteEnvironment(options: .init { $0.imageSize = 40 })
        let before = try kitchen.reset(EpisodeSpec(task: "TurnOnStove", seed: 1, pool: .training))
        _ = try kitchen.image(
          from: .free(target: [0, 0, 0.9], distance: 3, azimuth: 30, elevation: -20), width: 320, height: 200)
        let after = try kitchen.image(from: .robot("robot0_agentview_left"), width: 40, height: 40)
        #expect(before.images["robot0_agentview_left_image"] == after)
      }
    }
  }
#endif
