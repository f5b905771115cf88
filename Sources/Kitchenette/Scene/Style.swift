#if Kitchenette
  /// The colors of one kitchen.
  struct Style: Sendable {
    /// Red, green, blue in 0...1.
    typealias Color = Vector

    let cabinet, counter, grain, tile, grout, wall, floor, floorAlternate, handle, appliance, accent: Color

    /// Styles 0 to 11 are for training, 12 to 15 are held out for evaluation.
    static let training = Array(0...11)
    static let evaluation = Array(12...15)

    // cabinet, counter, grain, tile, grout, wall, floor, floor alternate, handle, appliance, accent
    private static let palettes: [[UInt32]] = [
      [0xe9e4d8, 0xa87848, 0x8a5c30, 0xf2f2ee, 0xc9c6be, 0xdfe6e4, 0xd8cdb8, 0xb9a98a, 0x3a3d42, 0xc4c8cc, 0xd8342c],
      [0x5d7f8c, 0xc9a578, 0xab8656, 0xe6ece8, 0xb4bfba, 0xf0ead9, 0xcfcac0, 0x8f8a80, 0xe3c46a, 0xe8e8e6, 0xe07b28],
      [0x8a9a6b, 0xb98d5a, 0x976b3b, 0xf6efe0, 0xcfc4ac, 0xf2ecdd, 0xc7a77c, 0xa98556, 0x2f2f2f, 0xd5d2c8, 0xcf3b2f],
      [0xc9b08c, 0x57585c, 0x6b6d72, 0xd9e3ea, 0x9fb0bd, 0xe8e4dc, 0xe2e0da, 0x9aa0a6, 0x35302b, 0xb0b5ba, 0xdd4a2a],
      [0x39495e, 0xd9c29d, 0xbfa274, 0xf0f3f5, 0xb8c3cc, 0xdde3ea, 0xbfa37d, 0x9d7f58, 0xd9dde0, 0xcfd3d6, 0xe8552f],
      [0xd58f7c, 0xb07d4e, 0x905f34, 0xf7ebe4, 0xd3b8ac, 0xf5eee6, 0xd6cfc6, 0xa7998d, 0x454a50, 0xe6e1da, 0xb32d3a],
      [0xf0c75e, 0x9c6b3e, 0x7f5228, 0xf4f4f0, 0xc2c2ba, 0xe4eef0, 0xe0d9cb, 0x82929a, 0x40444a, 0xdadddf, 0xc9302a],
      [0x7b5137, 0xd4cdc2, 0xbcb3a5, 0xe8dfcf, 0xbfb199, 0xefe7d8, 0xb59d7e, 0x8d7556, 0xe0dcd2, 0xa9aeb3, 0xe2572b],
      [0xb8c9d6, 0xa57b50, 0x875d35, 0xfafafa, 0xccd3d8, 0xeef2f4, 0xcdd5da, 0x8497a5, 0x3c4652, 0xf0f0ee, 0xd93a36],
      [0x94b8a4, 0xc79d6d, 0xa77d4c, 0xeaf3ec, 0xb5c8ba, 0xf3f1e6, 0xd9c7a5, 0xb49c72, 0x4b3a2e, 0xdfe2df, 0xd4452b],
      [0x9b8fb0, 0xb58a5c, 0x956a3d, 0xf1edf5, 0xc3bad0, 0xece8ef, 0xd2ccd8, 0x948aa4, 0x2d2b33, 0xd7d6dc, 0xe06a2a],
      [0x4f6f55, 0xc8a87e, 0xa98a5d, 0xf3f0e4, 0xc6bfa6, 0xe9ecdf, 0xc4ab86, 0x9c8158, 0xe6d7a0, 0xcbcfcb, 0xe0482c],
      [0xdcd6ca, 0x8f6a45, 0x74502f, 0xdfe9e6, 0xadbfba, 0xf1efe8, 0xcbbb9f, 0x9d8b6c, 0x32363b, 0xd0d4d7, 0xd63b2b],
      [0x6f8fa8, 0xbd9566, 0x9c7446, 0xf4f0e8, 0xc8c0b0, 0xe6ebee, 0xd5d0c6, 0x958f84, 0xe8dcc0, 0xe2e3e2, 0xdc5a2c],
      [0xa3b08a, 0xa98157, 0x8b623a, 0xf1f2ea, 0xc4c8b6, 0xf4efe2, 0xcab490, 0xa58a60, 0x3b3733, 0xd9d8d0, 0xcd3430],
      [0xc98a5e, 0xd2c6b4, 0xb8aa94, 0xe9eef1, 0xb3bec6, 0xece9e2, 0xdbd6cd, 0x9a958c, 0x38332e, 0xc7ccd0, 0xd9402d],
    ]

    init(_ identifier: Int) {
      let colors = Style.palettes[identifier].map { Color(hexadecimal: $0) }
      cabinet = colors[0]
      counter = colors[1]
      grain = colors[2]
      tile = colors[3]
      grout = colors[4]
      wall = colors[5]
      floor = colors[6]
      floorAlternate = colors[7]
      handle = colors[8]
      appliance = colors[9]
      accent = colors[10]
    }

    /// The textures and materials of the kitchen and the robot.
    func write(to markup: inout Markup) {
      markup.element(
        "texture",
        [
          "name": "sky", "type": "skybox", "builtin": "gradient", "rgb1": Color(0.86, 0.91, 0.95),
          "rgb2": Color(0.62, 0.68, 0.74), "width": 32, "height": 192,
        ])
      // Streaks: dots stretched by an uneven repeat.
      texture("wood", "flat", counter, grain, mark: "random", density: 0.25, markColor: grain, size: 128, in: &markup)
      texture("tiles", "checker", tile, tile * 0.97, mark: "edge", markColor: grout, size: 64, in: &markup)
      texture("floor", "checker", floor, floorAlternate, mark: "edge", markColor: grout * 0.8, size: 64, in: &markup)
      texture(
        "plaster", "gradient", wall, wall * 0.94, mark: "random", density: 0.02, markColor: wall * 0.97, size: 64,
        in: &markup)
      texture("steel", "gradient", appliance, appliance * 0.86, size: 32, in: &markup)
      material("wood", "wood", repeats: "1 9", shine: 0.25, in: &markup)
      material("tiles", "tiles", repeats: "4 26", shine: 0.4, in: &markup)
      material("floor", "floor", repeats: "5 4", shine: 0.1, in: &markup)
      material("plaster", "plaster", repeats: "3 2", shine: 0, in: &markup)
      paint("cabinet", cabinet, shine: 0.15, in: &markup)
      paint("panel", cabinet * 0.93, shine: 0.15, in: &markup)
      paint("inset", cabinet * 0.80, shine: 0.1, in: &markup)
      paint("inside", cabinet * 0.55, shine: 0, in: &markup)
      paint("kick", cabinet * 0.35, shine: 0, in: &markup)
      paint("handle", handle, shine: 0.6, in: &markup)
      paint("appliance", appliance, shine: 0.5, in: &markup)
      paint("appliance_edge", appliance * 0.78, shine: 0.5, in: &markup)
      paint("sink", Color(0.72, 0.74, 0.76), shine: 0.6, in: &markup)
      paint("sink_floor", Color(0.56, 0.58, 0.61), shine: 0.6, in: &markup)
      paint("chrome", Color(0.86, 0.88, 0.90), shine: 0.9, in: &markup)
      paint("glass", Color(0.10, 0.11, 0.13), shine: 0.8, in: &markup)
      paint("burner", Color(0.20, 0.20, 0.22), shine: 0.3, in: &markup)
      paint("ring", Color(0.32, 0.32, 0.35), shine: 0.3, in: &markup)
      paint("knob", Color(0.16, 0.16, 0.18), shine: 0.4, in: &markup)
      paint("accent", accent, shine: 0.3, in: &markup)
      paint("leaf", Color(0.30, 0.55, 0.28), shine: 0.1, in: &markup)
      paint("clay", Color(0.76, 0.43, 0.30), shine: 0.1, in: &markup)
      paint("pane", Color(0.72, 0.86, 0.95), shine: 0.2, glow: 0.5, in: &markup)
      paint("paper", Color(0.95, 0.94, 0.90), shine: 0.1, in: &markup)
      paint("robot_body", Color(0.93, 0.94, 0.95), shine: 0.5, in: &markup)
      paint("robot_dark", Color(0.22, 0.24, 0.27), shine: 0.4, in: &markup)
      paint("robot_light", Color(0.25, 0.65, 0.95), shine: 0.4, glow: 0.6, in: &markup)
      paint("robot_finger", Color(0.34, 0.36, 0.40), shine: 0.3, in: &markup)
      paint("robot_pad", Color(0.98, 0.62, 0.10), shine: 0.1, in: &markup)
    }

    private func texture(
      _ name: String, _ pattern: String, _ first: Color, _ second: Color, mark: String = "none", density: Double = 0,
      markColor: Color = .zero, size: Int, in markup: inout Markup
    ) {
      markup.element(
        "texture",
        [
          "name": name, "type": "2d", "builtin": pattern, "rgb1": first, "rgb2": second, "mark": mark,
          "markrgb": markColor, "random": density, "width": size, "height": size,
        ])
    }

    private func material(
      _ name: String, _ texture: String, repeats: String, shine: Double, in markup: inout Markup
    ) {
      markup.element(
        "material",
        [
          "name": name, "texture": texture, "texrepeat": repeats, "specular": shine, "shininess": shine * 0.8,
        ])
    }

    private func paint(
      _ name: String, _ color: Color, shine: Double, glow: Double = 0, in markup: inout Markup
    ) {
      markup.element(
        "material",
        [
          "name": name, "rgba": [color.x, color.y, color.z, 1], "specular": shine, "shininess": shine * 0.8,
          "emission": glow,
        ])
    }
  }
#endif
