import Foundation
import GaussianWorld
import Tensors
import Training

/// Many arrays of one shape in memory.
final class SightStore {
  let shape: [Int]
  private var values: [Float]
  private let size: Int

  init(count: Int, shape: [Int]) {
    self.shape = shape
    size = shape.reduce(1, *)
    values = [Float](repeating: 0, count: count * size)
  }

  /// Whether the recipe allows so many in memory; if not, it is told that `what` is worked out again and again.
  /// - Throws: `CommandFailure` when it does and the machine has not as much.
  static func fits(count: Int, shape: [Int], _ data: DataSettings, _ what: String) throws -> Bool {
    let bytes = Double(count * shape.reduce(1, *) * MemoryLayout<Float>.size)
    let (allowed, free) = (data.memoryGigabytes * 1e9, Double(MachineMemory.free))
    func gigabytes(_ bytes: Double) -> String { String(format: "%.1f GB", bytes / 1e9) }
    guard bytes > allowed else {
      // By the recipe alone, not by what happens to be free: a stage that goes on has to go on in the same way.
      guard bytes < free else {
        throw CommandFailure(
          "\(what) would take \(gigabytes(bytes)) of memory and \(gigabytes(free)) is free; with a lower data.memory_gigabytes "
            + "they are worked out as they are needed")
      }
      return true
    }
    tell(
      "note: \(what) would take \(gigabytes(bytes)) of memory, data.memory_gigabytes allows \(gigabytes(allowed)): worked out as "
        + "they are needed")
    return false
  }

  func set(_ tensor: Tensor, at place: Int) {
    tensor.withUnsafeBufferPointer { from in
      values.withUnsafeMutableBufferPointer {
        ($0.baseAddress! + place * size).update(from: from.baseAddress!, count: from.count)
      }
    }
  }

  /// `[places.count] + shape`.
  func rows(_ places: [Int]) -> Tensor {
    Tensor(shape: [places.count] + shape) { buffer in
      values.withUnsafeBufferPointer { from in
        for (number, place) in places.enumerated() {
          (buffer.baseAddress! + number * size).update(from: from.baseAddress! + place * size, count: size)
        }
      }
    }
  }
}

/// What the frozen lift makes of frames: worked out once and kept where all have room in memory, otherwise whenever it is
/// asked for.
struct Sights {
  private let data: WorldData
  private let model: WorldModel
  private var store: SightStore?
  private var places: [WorldData.Frame: Int] = [:]

  /// - Throws: `CommandFailure` when `interruption` asked to stop.
  init(_ data: WorldData, _ model: WorldModel, _ recipe: WorldRecipe, _ interruption: Interruption) throws {
    (self.data, self.model) = (data, model)
    let frames = data.frames(of: data.training + data.heldOut)
    guard try SightStore.fits(count: frames.count, shape: model.sightShape, recipe.data, "all frames, lifted,") else {
      return
    }
    let store = SightStore(count: frames.count, shape: model.sightShape)
    let bar = ProgressBar("lift frames", total: frames.count, unit: "frames")
    for start in stride(from: 0, to: frames.count, by: 32) {
      try interruption.check()
      let some = Array(frames[start..<min(frames.count, start + 32)])
      store.set(model.sight(try data.views(some)), at: start)
      bar.update(start + some.count)
    }
    bar.finish()
    for (place, frame) in frames.enumerated() { places[frame] = place }
    self.store = store
  }

  /// See `WorldModel.sight`: `[frames.count, rows, width]`.
  func callAsFunction(_ frames: [WorldData.Frame]) throws -> Tensor {
    if let store { return store.rows(frames.map { places[$0]! }) }
    return model.sight(try data.views(frames))
  }
}
