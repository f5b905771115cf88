#if Kitchenette
  /// The room and its furniture as MJCF. The front of the counter is the plane x = 0, the wall is at x = 0.62.
  struct Kitchen {
    let scene: Scene
    /// The largest image that will be drawn.
    let imageSize: (width: Int, height: Int)

    /// Seconds; twenty to a control period.
    static let timestep = 0.0025

    var mjcf: String {
      var markup = Markup()
      markup.element("mujoco", ["model": "kitchenette"]) { root in
        root.element("compiler", ["angle": "radian", "autolimits": "false"])
        root.element(
          "option", ["timestep": Kitchen.timestep, "cone": "elliptic", "impratio": 5, "iterations": 30])
        root.element("size", ["njmax": 1500, "nconmax": 250])
        root.element("visual") { visual in
          visual.element(
            "quality", ["shadowsize": 512, "offsamples": 0, "numslices": 16, "numstacks": 8, "numquads": 1])
          visual.element("global", ["offwidth": imageSize.width, "offheight": imageSize.height])
          visual.element("map", ["znear": 0.01, "zfar": 12])
          visual.element(
            "headlight", ["ambient": "0.42 0.42 0.42", "diffuse": "0.28 0.28 0.28", "specular": "0.05 0.05 0.05"])
        }
        root.element("statistic", ["extent": 1, "center": "0 0 0.9"])
        root.element("default") { defaults in
          writeDefaults(to: &defaults)
          RobotModel.writeDefaults(to: &defaults)
        }
        root.element("asset") { asset in
          Style(scene.styleIdentifier).write(to: &asset)
          if let object = scene.object {
            asset.element(
              "material",
              [
                "name": "object", "rgba": [object.rgb.x, object.rgb.y, object.rgb.z, 1], "specular": 0.3,
                "shininess": 0.3,
              ])
          }
        }
        root.element("worldbody") { world in
          world.element(
            "light",
            [
              "pos": "-1.2 0.8 3", "dir": "0.45 -0.25 -1", "directional": "true", "castshadow": "false",
              "diffuse": "0.5 0.49 0.46", "specular": "0.25 0.25 0.25",
            ])
          writeRoom(to: &world)
          for place in scene.layout.places { write(place, to: &world) }
          scene.object?.write(to: &world)
          RobotModel.write(to: &world)
        }
        root.element("actuator") { RobotModel.writeActuators(to: &$0) }
      }
      return markup.text
    }

    private func writeDefaults(to markup: inout Markup) {
      let classes: [(Surface, Int, Int, String)] = [
        (.decor, 0, 0, "1 0.005 0.0001"), (.furniture, 0, 1, "0.6 0.005 0.0001"), (.robot, 1, 0, "1.2 0.02 0.0002"),
        (.object, 1, 1, "1.2 0.02 0.002"),
      ]
      for (surface, type, affinity, friction) in classes {
        markup.element("default", ["class": surface.rawValue]) {
          $0.element(
            "geom",
            [
              "contype": type, "conaffinity": affinity, "friction": friction, "condim": surface == .object ? 6 : 3,
              "solref": "0.01 1",
            ])
        }
      }
    }

    private func writeRoom(to world: inout Markup) {
      let depth = Layout.depth
      let low = scene.layout.extent.lowerBound
      let high = scene.layout.extent.upperBound
      world.line(
        "<geom class=\"furniture\" type=\"plane\" size=\"3.2 3.6 0.1\" pos=\"-1.4 0 0\" material=\"floor\"/>")
      // Walls: thin boxes whose own z looks into the room, so that textures lie flat on them.
      world.shape(
        .box(Vector(1.5, 3.4, 0.02)), at: Vector(depth + 0.02, 0, 1.4), "plaster", .furniture, axis: Vector(-1, 0, 0))
      world.shape(
        .box(Vector(0.3, (high - low) / 2, 0.006)), at: Vector(depth - 0.004, (low + high) / 2, 1.2), "tiles",
        axis: Vector(-1, 0, 0))
      // Skirting and a shelf line where the tiles end.
      world.block(from: Vector(depth - 0.025, low, 1.49), to: Vector(depth, high, 1.51), "paper")
    }

    private func write(_ place: Layout.Place, to world: inout Markup) {
      switch place.fixture {
      case .drawers: writeDrawers(at: place.center, to: &world)
      case .stove: writeStove(at: place.center, to: &world)
      case .sink: writeSink(at: place.center, to: &world)
      case .cupboard: writeCupboard(at: place.center, to: &world)
      case .fridge: writeFridge(at: place.center, to: &world)
      }
    }
  }
#endif
