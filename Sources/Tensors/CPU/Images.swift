import CKernels

extension Kernel {
  static func images(
    _ pixels: ByteTensor, crop: (height: Int, width: Int), offsets: [(y: Int, x: Int)]
  ) -> Tensor {
    let (count, height, width) = (pixels.shape[0], pixels.shape[1], pixels.shape[2])
    return Tensor(shape: [count, crop.height, crop.width, 3]) { buffer in
      pixels.bytes.withUnsafeBufferPointer { pixels in
        nonisolated(unsafe) let (from, to) = (pixels, buffer)
        guard count > 0 else { return }
        let run = crop.width * 3
        parallel(count: count, grain: max(1, grain / (crop.height * run))) { range in
          for image in range {
            for row in 0..<crop.height {
              ck_bytes(
                from.baseAddress! + ((image * height + offsets[image].y + row) * width + offsets[image].x) * 3,
                1 / 255, to.baseAddress! + (image * crop.height + row) * run, run)
            }
          }
        }
      }
    }
  }
}
