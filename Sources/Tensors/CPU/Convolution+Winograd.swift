import CKernels

// 3x3 windows at every pixel, by Winograd's F(4x4, 3x3): see CKernels/Winograd.h. An image is cut into tiles of 4x4
// result pixels; each of the 36 numbers of a transformed tile is one product over the channels.
extension Kernel {
  private struct Tiles {
    let plan: ConvolutionPlan
    var down: Int { (plan.outputHeight + 3) / 4 }
    var across: Int { (plan.outputWidth + 3) / 4 }
    var count: Int { plan.images * down * across }

    /// The image and the top left result pixel of a tile.
    func place(_ tile: Int) -> (image: Int, y: Int, x: Int) {
      (tile / (down * across), tile / across % down * 4, tile % across * 4)
    }

    func data(_ tile: Int, _ x: UnsafePointer<Float>, to: UnsafeMutablePointer<Float>, step: Int) {
      let place = place(tile)
      ck_winograd_data(
        x + place.image * plan.inputPixels * plan.inputs, Int32(plan.height), Int32(plan.width), plan.inputs,
        Int32(place.y - plan.paddingY), Int32(place.x - plan.paddingX), to, step)
    }
  }

  static func winograd(_ plan: ConvolutionPlan, _ x: Tensor, _ weight: Tensor, bias: Tensor?) -> Tensor {
    let (inputs, outputs) = (plan.inputs, plan.outputs)
    let tiles = Tiles(plan: plan)
    let size = ck_packed_size(inputs, outputs)
    return Tensor(shape: [plan.images, plan.outputHeight, plan.outputWidth, outputs]) { buffer in
      guard buffer.count > 0 else { return }
      withScratch(36 * size) { filters in
        nonisolated(unsafe) let (from, to, filters) = (x.storage.pointer, buffer.baseAddress!, filters)
        parallel(count: inputs, grain: max(1, 16_384 / outputs)) {
          ck_winograd_weights(weight.storage.pointer, inputs, outputs, $0.lowerBound, $0.upperBound, filters)
        }
        // Tiles of which data and results stay in the second-level cache.
        let block = max(14, min(112, 160_000 / (36 * (inputs + outputs)) / 14 * 14))
        parallel(count: tiles.count, grain: block) { range in
          withScratch(36 * block * (inputs + outputs)) { data in
            let results = data + 36 * block * inputs
            for tile in range {
              tiles.data(tile, from, to: data + (tile - range.lowerBound) * inputs, step: block * inputs)
            }
            for part in 0..<36 {
              ck_product_packed(
                range.count, outputs, inputs, data + part * block * inputs, inputs, filters + part * size, inputs,
                results + part * block * outputs, outputs, nil, 0)
            }
            for tile in range {
              let place = tiles.place(tile)
              ck_winograd_result(
                results + (tile - range.lowerBound) * outputs, block * outputs,
                to + place.image * plan.outputPixels * outputs, Int32(plan.outputHeight), Int32(plan.outputWidth),
                outputs, Int32(place.y), Int32(place.x), bias?.storage.pointer)
            }
          }
        }
      }
    }
  }

  /// The transposed algorithm: both sides' tiles are transformed, multiplied over all tiles, and transformed back.
  static func winogradWeightGradient(_ plan: ConvolutionPlan, _ x: Tensor, _ outputGradient: Tensor) -> Tensor {
    let (inputs, outputs) = (plan.inputs, plan.outputs)
    let tiles = Tiles(plan: plan)
    // Tiles of which both sides stay in the third-level cache.
    let block = max(64, min(tiles.count, 2_000_000 / (36 * (inputs + outputs))))
    return Tensor(shape: [3, 3, inputs, outputs]) { buffer in
      withScratch(36 * (block * (inputs + outputs) + inputs * outputs)) { scratch in
        nonisolated(unsafe) let (to, left, right, sums) = (
          buffer.baseAddress!, scratch, scratch + 36 * block * inputs, scratch + 36 * block * (inputs + outputs)
        )
        for start in stride(from: 0, to: tiles.count, by: block) {
          let count = min(block, tiles.count - start)
          parallel(count: count, grain: 32) { range in
            for tile in range {
              tiles.data(start + tile, x.storage.pointer, to: left + tile * inputs, step: block * inputs)
              let place = tiles.place(start + tile)
              ck_winograd_upstream(
                outputGradient.storage.pointer + place.image * plan.outputPixels * outputs, Int32(plan.outputHeight),
                Int32(plan.outputWidth), outputs, Int32(place.y), Int32(place.x), right + tile * outputs,
                block * outputs)
            }
          }
          parallel(count: 36, grain: 1) { range in
            withScratch(ck_product_scratch(inputs, count, 1)) { scratch in
              for part in range {
                product(
                  inputs, outputs, count, Matrix(left + part * block * inputs, step: inputs, transposed: true),
                  Matrix(right + part * block * outputs, step: outputs), to: sums + part * inputs * outputs,
                  step: outputs, accumulating: start > 0, scratch: scratch)
              }
            }
          }
        }
        parallel(count: inputs * outputs, grain: 4096) {
          ck_winograd_weight_gradient(sums, inputs * outputs, $0.lowerBound, $0.upperBound, to)
        }
      }
    }
  }

  /// The kernel turned around, inputs and outputs exchanged: `[kernel, kernel, outputs, inputs]`.
  static func turned(_ weight: Tensor) -> Tensor {
    let (area, inputs, outputs) = (weight.shape[0] * weight.shape[1], weight.shape[2], weight.shape[3])
    return Tensor(shape: [weight.shape[0], weight.shape[1], outputs, inputs]) { buffer in
      nonisolated(unsafe) let (from, to) = (weight.storage.pointer, buffer.baseAddress!)
      let size = inputs * outputs
      parallel(count: area, grain: max(1, grain / size)) { range in
        for place in range {
          ck_transpose(inputs, outputs, from + (area - 1 - place) * size, outputs, to + place * size, inputs)
        }
      }
    }
  }
}
