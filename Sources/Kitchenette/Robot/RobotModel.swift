#if Kitchenette
  import Imitation

  /// The robot as MJCF: a mobile base with a torso lift, a seven-joint arm with the Panda's lengths and limits, and a
  /// parallel gripper, all of capsules, boxes and cylinders.
  enum RobotModel {
    static let armJoints = (1...7).map { "robot0_joint\($0)" }
    static let fingerJoints = ["robot0_finger_left", "robot0_finger_right"]
    static let fingerGeoms = ["robot0_pad_left", "robot0_pad_right"]
    static let baseJoints = ["robot0_base_x", "robot0_base_y", "robot0_base_yaw"]
    static let torsoJoint = "robot0_torso"
    static let baseBody = "robot0_base"
    /// Where the arm stands on the torso.
    static let footBody = "robot0_link0"
    /// Between the finger tips.
    static let gripSite = "robot0_grip"

    /// Radians; the Panda's.
    static let limits: [ClosedRange<Double>] = [
      -2.8973...2.8973, -1.7628...1.7628, -2.8973...2.8973, -3.0718 ... -0.0698, -2.8973...2.8973, -0.0175...3.7525,
      -2.8973...2.8973,
    ]
    /// Newton meters; the Panda's.
    static let torques: [Double] = [87, 87, 87, 87, 12, 12, 12]
    /// The arm where an episode starts: the gripper 0.38 m in front of the arm's foot, 0.37 m above it, pointing down.
    static let rest: [Double] = [0, -0.5576, 0, -2.4748, 0, 1.9172, 0.7854]
    /// How far one finger opens, meters.
    static let fingerTravel = 0.05
    /// Meters above the floor.
    static let armFoot = 0.70

    static let cameras = ["robot0_agentview_left", "robot0_agentview_right", "robot0_eye_in_hand"]

    /// The bodies.
    static func write(to markup: inout Markup) {
      markup.element("body", ["name": baseBody]) { base in
        base.element("joint", ["name": baseJoints[0], "type": "slide", "axis": "1 0 0", "class": "base"])
        base.element("joint", ["name": baseJoints[1], "type": "slide", "axis": "0 1 0", "class": "base"])
        base.element("joint", ["name": baseJoints[2], "type": "hinge", "axis": "0 0 1", "class": "base_yaw"])
        base.block(from: Vector(-0.38, -0.25, 0.10), to: Vector(0.10, 0.25, 0.34), "robot_body", .robot, mass: 90)
        base.block(from: Vector(-0.36, -0.23, 0.34), to: Vector(0.08, 0.23, 0.37), "robot_dark", mass: 1)
        base.block(from: Vector(0.095, -0.12, 0.22), to: Vector(0.104, 0.12, 0.27), "robot_light", mass: 0.1)
        for x in [-0.30, 0.02] {
          for y in [-0.255, 0.255] {
            base.shape(
              .cylinder(radius: 0.085, half: 0.025), at: Vector(x, y, 0.085), "robot_dark", axis: Vector(0, 1, 0),
              mass: 1)
          }
        }
        for (name, side) in zip(cameras, [1.0, -1.0]) {
          camera(
            name, in: &base, at: Vector(-0.02, side * 0.46, 1.46), lookingAt: Vector(0.56, side * -0.01, 0.84),
            fieldOfView: 48)
        }
        base.element("body", ["name": "robot0_torso_body", "pos": Vector(0, 0, 0.37)]) { torso in
          torso.element("joint", ["name": torsoJoint, "type": "slide", "axis": "0 0 1", "class": "torso"])
          torso.block(from: Vector(-0.09, -0.09, -0.1), to: Vector(0.07, 0.09, 0.29), "robot_dark", mass: 8)
          torso.shape(
            .cylinder(radius: 0.11, half: 0.02), at: Vector(0, 0, armFoot - 0.37 - 0.02), "robot_body", .robot, mass: 4)
          arm(in: &torso)
        }
      }
    }

    private static func arm(in torso: inout Markup) {
      // Each link turned against the last about x: not, back, on, on, back, on, on a quarter.
      let on = "0.70710678 0.70710678 0 0"
      let back = "0.70710678 -0.70710678 0 0"
      let turn = ["1 0 0 0", back, on, on, back, on, on]
      torso.element("body", ["name": footBody, "pos": Vector(0, 0, armFoot - 0.37)]) { foot in
        foot.shape(.cylinder(radius: 0.075, half: 0.07), at: Vector(0, 0, 0.07), "robot_body", .robot, mass: 2.5)
        link(1, "0 0 0.333", turn, in: &foot) { one in
          one.capsule(from: Vector(0, 0, -0.19), to: Vector(0, 0, 0), radius: 0.06, "robot_body", .robot, mass: 2.7)
          link(2, "0 0 0", turn, in: &one) { two in
            two.shape(.cylinder(radius: 0.062, half: 0.066), at: .zero, "robot_dark", mass: 0.4)
            two.capsule(from: .zero, to: Vector(0, -0.19, 0), radius: 0.055, "robot_body", .robot, mass: 2.6)
            link(3, "0 -0.316 0", turn, in: &two) { three in
              three.capsule(from: Vector(0, 0, -0.11), to: .zero, radius: 0.053, "robot_body", .robot, mass: 1.4)
              three.capsule(from: .zero, to: Vector(0.0825, 0, 0), radius: 0.05, "robot_body", .robot, mass: 1.2)
              link(4, "0.0825 0 0", turn, in: &three) { four in
                four.shape(.cylinder(radius: 0.056, half: 0.06), at: .zero, "robot_dark", mass: 0.4)
                four.capsule(from: .zero, to: Vector(-0.0825, 0.10, 0), radius: 0.049, "robot_body", .robot, mass: 2)
                link(5, "-0.0825 0.384 0", turn, in: &four) { five in
                  five.capsule(
                    from: Vector(0, 0, -0.26), to: Vector(0, 0, -0.02), radius: 0.045, "robot_body", .robot, mass: 2)
                  link(6, "0 0 0", turn, in: &five) { six in
                    six.shape(.cylinder(radius: 0.05, half: 0.055), at: .zero, "robot_dark", mass: 0.3)
                    six.capsule(from: .zero, to: Vector(0.088, 0, 0), radius: 0.044, "robot_body", .robot, mass: 1.2)
                    link(7, "0.088 0 0", turn, in: &six) { seven in
                      seven.shape(
                        .cylinder(radius: 0.042, half: 0.05), at: Vector(0, 0, 0.055), "robot_dark", .robot, mass: 0.6)
                      hand(in: &seven)
                    }
                  }
                }
              }
            }
          }
        }
      }
    }

    private static func link(
      _ number: Int, _ position: String, _ turns: [String], in parent: inout Markup, _ content: (inout Markup) -> Void
    ) {
      parent.element("body", ["name": "robot0_link\(number)", "pos": position, "quat": turns[number - 1]]) { body in
        let range = limits[number - 1]
        body.element(
          "joint", ["name": armJoints[number - 1], "class": "arm", "range": [range.lowerBound, range.upperBound]])
        content(&body)
      }
    }

    private static func hand(in flange: inout Markup) {
      // The Panda's hand stands an eighth of a turn askew on its flange.
      flange.element("body", ["name": "robot0_hand", "pos": "0 0 0.107", "quat": "0.92387953 0 0 -0.38268343"]) {
        hand in
        hand.shape(.box(Vector(0.026, 0.095, 0.028)), at: Vector(0, 0, 0.032), "robot_body", .robot, mass: 0.7)
        hand.shape(.box(Vector(0.027, 0.06, 0.008)), at: Vector(0, 0, 0.05), "robot_dark", mass: 0.05)
        hand.element("site", ["name": gripSite, "pos": "0 0 0.115", "class": "marker"])
        camera(
          cameras[2], in: &hand, at: Vector(-0.085, 0, 0.045), lookingAt: Vector(0.0, 0, 0.15), up: Vector(1, 0, 0),
          fieldOfView: 75)
        for (index, side) in [1.0, -1.0].enumerated() {
          hand.element("body", ["name": "robot0_finger\(index)", "pos": "0 0 0.054"]) { finger in
            // Joint positions of opposite sign, as robosuite's Panda gripper reports them.
            finger.element(
              "joint",
              [
                "name": fingerJoints[index], "class": "finger", "axis": "0 1 0",
                "range": side > 0 ? [0, fingerTravel] : [-fingerTravel, 0],
              ])
            finger.shape(
              .box(Vector(0.011, 0.007, 0.034)), at: Vector(0, side * 0.007, 0.034), "robot_finger", .robot, mass: 0.08,
              name: fingerGeoms[index])
            finger.shape(
              .box(Vector(0.0113, 0.004, 0.012)), at: Vector(0, side * 0.0035, 0.056), "robot_pad", mass: 0.01)
          }
        }
      }
    }

    private static func camera(
      _ name: String, in body: inout Markup, at position: Vector, lookingAt target: Vector,
      up: Vector = Vector(0, 0, 1), fieldOfView: Double
    ) {
      // A MuJoCo camera looks along its own -z; x is right and y is up in the image.
      let back = (position - target) / (position - target).length
      let right = up.cross(back) / up.cross(back).length
      let above = back.cross(right)
      body.element(
        "camera",
        [
          "name": name, "pos": position, "xyaxes": [right.x, right.y, right.z, above.x, above.y, above.z],
          "fovy": fieldOfView,
        ])
    }

    /// The default classes of the joints.
    static func writeDefaults(to markup: inout Markup) {
      let joints: KeyValuePairs<String, KeyValuePairs<String, any MarkupValue>> = [
        "base": ["damping": 5000, "limited": "true", "range": "-4 4"],
        "base_yaw": ["damping": 900, "limited": "true", "range": "-3.2 3.2"],
        "torso": ["damping": 4000, "limited": "true", "range": "0 0.3"],
        "arm": ["damping": 0.5, "armature": 0.08, "limited": "true"],
        "finger": ["type": "slide", "damping": 18, "armature": 0.02, "limited": "true"],
      ]
      for (name, attributes) in joints {
        markup.element("default", ["class": name]) { $0.element("joint", attributes) }
      }
      markup.element("default", ["class": "marker"]) { $0.element("site", ["group": 4, "size": 0.005]) }
    }

    /// The motors: torques for the arm, position servos for the rest.
    static func writeActuators(to markup: inout Markup) {
      for (joint, torque) in zip(armJoints, torques) {
        markup.element(
          "motor", ["name": joint, "joint": joint, "ctrllimited": "true", "ctrlrange": [-torque, torque]])
      }
      for joint in baseJoints {
        let stiffness = joint == baseJoints[2] ? 12000.0 : 60000.0
        markup.element("position", ["name": joint, "joint": joint, "kp": stiffness])
      }
      markup.element("position", ["name": torsoJoint, "joint": torsoJoint, "kp": 40000])
      for joint in fingerJoints {
        markup.element(
          "position", ["name": joint, "joint": joint, "kp": 900, "forcelimited": "true", "forcerange": "-35 35"])
      }
    }
  }
#endif
