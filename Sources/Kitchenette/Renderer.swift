#if Kitchenette
  import CMuJoCo
  import COffscreen
  import Imitation

  /// Where an image is taken from.
  package enum Viewpoint: Sendable, Equatable {
    /// One of the robot's cameras, without `_image`.
    case robot(String)
    /// `distance` meters from `target`, `azimuth` and `elevation` in degrees; azimuth 0 looks along +x, at the wall.
    case free(target: SIMD3<Double>, distance: Double, azimuth: Double, elevation: Double)
  }

  /// Draws a world in memory with MuJoCo's own renderer, always with the same settings.
  final class Renderer {
    private let screen: OpaquePointer
    private var context = mjrContext()
    private var drawing = mjvScene()
    private var options = mjvOption()
    private var perturbation = mjvPerturb()
    private var world: World?

    /// - Throws: `KitchenetteError.rendering` when there is no OSMesa context.
    init() throws {
      var message = [CChar](repeating: 0, count: 256)
      guard let created = offscreen_create(&message, Int32(message.count)) else {
        throw KitchenetteError.rendering(String(untilZero: message))
      }
      screen = created
      mjv_defaultOption(&options)
      mjv_defaultPerturb(&perturbation)
      mjr_defaultContext(&context)
      mjv_defaultScene(&drawing)
    }

    deinit {
      _ = offscreen_activate(screen)
      release()
      offscreen_destroy(screen)
    }

    private func release() {
      guard world != nil else { return }
      mjv_freeScene(&drawing)
      mjr_freeContext(&context)
      world = nil
    }

    /// Uploads the textures of another world.
    func show(_ world: World) throws {
      try activate()
      release()
      mjv_makeScene(world.physics.model, &drawing, 1000)
      mjr_makeContext(world.physics.model, &context, Int32(mjFONTSCALE_50.rawValue))
      self.world = world
      mjr_setBuffer(Int32(mjFB_OFFSCREEN.rawValue), &context)
      guard context.currentBuffer == Int32(mjFB_OFFSCREEN.rawValue) else {
        throw KitchenetteError.rendering("the driver has no framebuffer objects")
      }
    }

    private func activate() throws {
      guard offscreen_activate(screen) == 0 else {
        throw KitchenetteError.rendering("the OSMesa context cannot be made current")
      }
    }

    /// What one viewpoint shows: the image, and meters along the viewing axis a pixel, when asked for.
    struct Rendering {
      var image: Image
      var depth: [Float]
    }

    /// One image per viewpoint of the world as it is now.
    func renderings(
      from viewpoints: [Viewpoint], width: Int, height: Int, depth: Bool = false
    ) throws -> [Rendering] {
      guard let world else { throw KitchenetteError.notStarted }
      try activate()
      let model = world.physics.model
      if Int(context.offWidth) < width || Int(context.offHeight) < height {
        model.pointee.vis.global.offwidth = Int32(width)
        model.pointee.vis.global.offheight = Int32(height)
        try show(world)
      }
      world.paint()
      let renderings = viewpoints.enumerated().map { index, viewpoint in
        point(at: viewpoint, isFirst: index == 0, world)
        return draw(width: width, height: height, depth: depth, world)
      }
      // A lost context draws one color and reports nothing. A camera close before a flat front sees one color too, but then
      // another one does not.
      if !renderings.isEmpty, renderings.allSatisfy(\.image.isBlank) {
        point(at: .free(target: .zero, distance: 8, azimuth: 45, elevation: -30), isFirst: false, world)
        guard !draw(width: width, height: height, depth: false, world).image.isBlank else {
          throw KitchenetteError.rendering("the image is empty; use one environment per process")
        }
      }
      return renderings
    }

    private func point(at viewpoint: Viewpoint, isFirst: Bool, _ world: World) {
      var camera = mjvCamera()
      mjv_defaultCamera(&camera)
      switch viewpoint {
      case .robot(let name):
        camera.type = Int32(mjCAMERA_FIXED.rawValue)
        camera.fixedcamid = Int32(world.physics.camera(name))
      case .free(let target, let distance, let azimuth, let elevation):
        camera.type = Int32(mjCAMERA_FREE.rawValue)
        camera.lookat = (target.x, target.y, target.z)
        camera.distance = distance
        camera.azimuth = azimuth
        camera.elevation = elevation
      }
      if isFirst {
        mjv_updateScene(
          world.physics.model, world.physics.data, &options, &perturbation, &camera, Int32(mjCAT_ALL.rawValue), &drawing
        )
      } else {
        mjv_updateCamera(world.physics.model, world.physics.data, &camera, &drawing)
      }
    }

    private func draw(width: Int, height: Int, depth: Bool, _ world: World) -> Rendering {
      let view = mjrRect(left: 0, bottom: 0, width: Int32(width), height: Int32(height))
      mjr_render(view, &drawing, &context)
      var rows = [UInt8](repeating: 0, count: width * height * 3)
      var buffer = [Float](repeating: 0, count: depth ? width * height : 0)
      buffer.withUnsafeMutableBufferPointer { mjr_readPixels(&rows, depth ? $0.baseAddress : nil, view, &context) }
      // OpenGL's first row is the lowest.
      func upright<Value>(_ rows: [Value], stride: Int) -> [Value] {
        (0..<height).reversed().flatMap { rows[$0 * stride..<($0 + 1) * stride] }
      }
      return Rendering(
        image: Image(width: width, height: height, pixels: upright(rows, stride: width * 3)),
        depth: upright(world.physics.meters(buffer), stride: depth ? width : 0))
    }
  }
#endif
