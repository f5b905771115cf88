import Foundation
import Imitation

/// What training asks of one demo, array by array: `Demonstrations` refuses what these throw, `imitate inspect` lists it.
struct EpisodeCheck {
  let file: DemonstrationFile
  let demo: String

  private var hdf5: HDF5File { file.file(of: demo) }

  func refusal(_ key: String, _ reason: String) -> DemonstrationError {
    .unusable(file: file.path, demo: demo, key: key, reason: reason)
  }

  /// The shape of an array of actions, `[rows, width]`; one number a row counts as a width of 1.
  func actionShape(_ key: String) throws -> (rows: Int, width: Int) {
    let path = file.array(key, of: demo)
    let shape: [Int]
    do {
      shape = try hdf5.shape(path)
    } catch HDF5Error.group(_, _, let parts) {
      throw refusal(
        key,
        "is a group of parts, \(parts.joined(separator: ", ")); name the parts to learn, in their order: "
          + "actions: {from: [\(parts.map { "\(key)/\($0)" }.joined(separator: ", "))]}")
    }
    guard let rows = shape.first, shape.count <= 2, isNumeric(try hdf5.valueKind(path)) else {
      throw notAVector(key, try found(path))
    }
    guard rows > 0 else { throw DemonstrationError.noSteps(file: file.path, demo: demo) }
    return (rows, try width(key, shape))
  }

  /// An array of actions, all of it finite.
  func actions(_ key: String, width: Int) throws -> [Float] {
    let values = try hdf5.floats(file.array(key, of: demo))
    try check(values, key, width: width, first: 0)
    return values
  }

  /// The shape of an observation with as many rows as the actions have.
  private func shape(_ key: String, rows: Int) throws -> [Int] {
    let path = file.observation(key, of: demo)
    let shape: [Int]
    do {
      shape = try hdf5.shape(path)
    } catch HDF5Error.missing {
      let available = try file.observationKeys(demo)
      guard !available.isEmpty || file.layout == .act || hdf5.exists("\(file.group(demo))/obs") else {
        throw DemonstrationError.noObservations(file: file.path, demo: demo)
      }
      throw DemonstrationError.missingObservation(file: file.path, demo: demo, key: key, available: available)
    }
    guard shape.first == rows else {
      throw DemonstrationError.rows(file: file.path, demo: demo, key: key, expected: rows, found: shape.first ?? 0)
    }
    return shape
  }

  /// The size of a camera's frames.
  func image(_ key: String, rows: Int) throws -> ObservationSchema.ImageSize {
    let path = file.observation(key, of: demo)
    let shape = try shape(key, rows: rows)
    if let frame = try file.camera(key, of: demo) {
      return ObservationSchema.ImageSize(height: frame.height, width: frame.width)
    }
    let setting = try settingThatReads(path, shape)
    throw refusal(
      key, "is \(try found(path))\(setting.map { "; \($0)" } ?? ", not [rows, height, width, 3] of bytes")")
  }

  /// What would have to be said of an array to take it for images; nil when nothing helps.
  func settingThatReads(_ path: String, _ shape: [Int]) throws -> String? {
    let kind = try hdf5.valueKind(path)
    guard shape.count == 4, shape.dropFirst().allSatisfy({ $0 > 0 }), kind == .bytes || kind == .floats else {
      return nil
    }
    var settings: [(recipe: String, flag: String)] = []
    if kind == .floats, !file.format.isUnitRange { settings.append(("image_range: unit", "--unit-range")) }
    if shape[3] != 3 {
      guard shape[1] == 3 else { return nil }
      if !file.format.isChannelsFirst { settings.append(("image_order: channels_first", "--channels-first")) }
    }
    guard !settings.isEmpty else { return nil }
    return
      "if that is what it holds, say so: observations: {\(settings.map(\.recipe).joined(separator: ", "))} in the recipe, "
      + "\(settings.map(\.flag).joined(separator: " ")) for inspect, play and repack"
  }

  /// The width of a vector observation, and its shape without rows and lengths of 1. Every value is read, a part at a time, and
  /// must be finite; those of narrow ones are kept.
  ///
  /// - Parameter keep: the widest vector whose values are returned.
  func vector(_ key: String, rows: Int, keep: Int) throws -> (width: Int, shape: [Int], values: [Float]?) {
    let path = file.observation(key, of: demo)
    let shape = try shape(key, rows: rows)
    let kind = try hdf5.valueKind(path)
    let isDepth = CameraKeys.isDepth(key, width: shape.dropFirst().reduce(1, *))
    // Depth images, and matrices (a pose a row, say) as their values row by row; a gray image is neither.
    let isImage = shape.count == 4 && shape[3] == 1 && (isDepth || kind == .floats)
    let isVector = shape.count <= 2 || shape.count == 3 && (isDepth || kind != .bytes) || isImage
    guard isVector, isNumeric(kind) else { throw notAVector(key, try found(path)) }
    let width = try width(key, shape)
    if isDepth, kind != .floats { throw wrongDepth(key, "integers (millimeters, as a camera gives them?)") }
    if key.hasSuffix(CameraKeys.calibrationEnding), width != CameraCalibration.width {
      throw noCalibration(key, "has \(width) values a row, not \(CameraCalibration.width)")
    }
    var kept: [Float] = []
    for block in (0..<rows).blocks(of: (1 << 22) / width) {
      let values = try hdf5.floats(path, rows: block)
      try check(values, key, width: width, first: block.lowerBound)
      for row in 0..<values.count / width where CameraKeys.isGeometry(key, width: width) {
        try check(geometry: values[row * width..<(row + 1) * width], key, row: block.lowerBound + row)
      }
      if width <= keep { kept += values }
    }
    return (width, shape.dropFirst().filter { $0 != 1 }, width <= keep ? kept : nil)
  }

  /// Depths are meters along the view, a calibration is a camera: whatever else it is, geometry from it would be wrong.
  private func check(geometry values: ArraySlice<Float>, _ key: String, row: Int) throws {
    guard !CameraKeys.isDepth(key, width: values.count) else {
      // Behind a table there may be sky, but not nearly everywhere; in millimeters or centimeters everything is far away.
      let far = values.count { $0 > 25 }
      guard far * 10 <= values.count * 9, values.contains(where: { $0 > 0 }) else {
        let mean = values.reduce(0) { $0 + Double($1) } / Double(values.count)
        throw wrongDepth(key, String(format: "values around %.0f in row %d", mean, row))
      }
      return
    }
    if let reason = CameraCalibration(Array(values)).whatIsWrong {
      throw noCalibration(key, "\(reason) in row \(row)")
    }
  }

  private func wrongDepth(_ key: String, _ found: String) -> DemonstrationError {
    refusal(key, "holds \(found); depths must be floats in meters")
  }

  private func noCalibration(_ key: String, _ found: String) -> DemonstrationError {
    refusal(
      key,
      "\(found); a calibration is fx, fy, cx, cy in pixels and the 3x4 matrix from the camera to the robot's base in meters"
    )
  }

  private func notAVector(_ key: String, _ found: String) -> DemonstrationError {
    refusal(key, "is \(found), not [rows, width] of numeric values")
  }

  private func isNumeric(_ kind: HDF5File.ValueKind) -> Bool { [.bytes, .integers, .floats].contains(kind) }

  /// Values of a row.
  private func width(_ key: String, _ shape: [Int]) throws -> Int {
    let width = shape.dropFirst().reduce(1, *)
    guard width > 0 else { throw refusal(key, "is 0 wide: leave it out of the recipe") }
    return width
  }

  private func check(_ values: [Float], _ key: String, width: Int, first: Int) throws {
    if let bad = values.firstIndex(where: { !$0.isFinite }) {
      let width = max(width, 1)
      throw DemonstrationError.notANumber(
        file: file.path, demo: demo, key: key, row: first + bad / width, column: bad % width)
    }
  }

  /// Shape and type in words.
  func found(_ path: String) throws -> String {
    let kind =
      switch try hdf5.valueKind(path) {
      case .bytes: "bytes"
      case .integers: "integers"
      case .floats: "floats"
      case .text: "text"
      case .other: "lists, records or references"
      }
    return "\(try hdf5.shape(path)) of \(kind)"
  }
}
