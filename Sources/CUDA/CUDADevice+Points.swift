import CCUDA
import Tensors

extension CUDADevice {
  func integers(_ memory: CUDAMemory, count: Int) -> [Int32] {
    [Int32](unsafeUninitializedCapacity: count) { buffer, written in
      buffer.initialize(repeating: 0)
      if let base = buffer.baseAddress { read(memory.address, into: base, bytes: count * 4) }
      written = count
    }
  }

  package func farthestPoints(_ x: Tensor, choosing count: Int) -> IndexTensor {
    let (batch, points) = (x.shape[0], x.shape[1])
    return choose([batch, count], below: points) { places in
      withScratch(floats: batch * points) { distances in
        launch(
          "Points", "cuda_farthest_points",
          cuda_farthest_points_arguments(
            points: at(x), places: places, distances: distances, n: Int32(points), count: Int32(count)),
          grid: (batch, 1, 1), block: 1024)
      }
    }
  }

  package func nearest(_ x: Tensor, in others: Tensor) -> IndexTensor {
    let (batch, count) = (x.shape[0], x.shape[1])
    return choose([batch, count], below: others.shape[1]) { places in
      launch(
        "Points", "cuda_nearest",
        cuda_nearest_arguments(
          a: at(x), b: at(others), places: places, distances: nil, batch: Int64(batch), n: Int32(count),
          m: Int32(others.shape[1])), grid: (batch * ((count + 255) / 256), 1, 1), block: 256)
    }
  }

  package func squaredDistances(_ x: Tensor, to points: Tensor, weights: Tensor) -> Tensor {
    let (batch, rows, count) = (x.shape[0], x.shape[1], points.shape[1])
    return make([batch, rows, count]) { result in
      launch(
        "Points", "cuda_distances",
        cuda_distances_arguments(
          places: at(x), points: at(points), weights: at(weights), to: result, batch: Int64(batch), rows: Int32(rows),
          n: Int32(count)), grid: (batch * ((rows + 15) / 16) * ((count + 255) / 256), 1, 1), block: 256)
    }
  }

  // MARK: Spherical harmonics

  package func sphericalHarmonicColors(_ means: Tensor, _ coefficients: Tensor, from camera: SIMD3<Float>) -> Tensor {
    let count = coefficients.shape[0]
    return make([count, 3]) { colors in
      launch(
        "Harmonics", "cuda_harmonic_colors",
        cuda_harmonic_colors_arguments(
          means: at(means), coefficients: at(coefficients), colors: colors, count: Int64(count),
          terms: Int32(coefficients.shape[1]), camera: (camera.x, camera.y, camera.z)),
        grid: ((count + 255) / 256, 1, 1), block: 256)
    }
  }

  package func sphericalHarmonicCoefficientGradient(
    _ means: Tensor, terms: Int, colors: Tensor, from camera: SIMD3<Float>, _ outputGradient: Tensor
  ) -> Tensor {
    let count = colors.shape[0]
    return make([count, terms, 3]) { coefficients in
      launch(
        "Harmonics", "cuda_harmonic_coefficient_gradient",
        cuda_harmonic_coefficient_gradient_arguments(
          means: at(means), colors: at(colors), dcolors: at(outputGradient), dcoefficients: coefficients,
          count: Int64(count), terms: Int32(terms), camera: (camera.x, camera.y, camera.z)),
        grid: ((count + 255) / 256, 1, 1), block: 256)
    }
  }

  package func sphericalHarmonicMeanGradient(
    _ means: Tensor, _ coefficients: Tensor, colors: Tensor, from camera: SIMD3<Float>, _ outputGradient: Tensor
  ) -> Tensor {
    let count = colors.shape[0]
    return make([count, 3]) { dmeans in
      launch(
        "Harmonics", "cuda_harmonic_mean_gradient",
        cuda_harmonic_mean_gradient_arguments(
          means: at(means), coefficients: at(coefficients), colors: at(colors), dcolors: at(outputGradient),
          dmeans: dmeans, count: Int64(count), terms: Int32(coefficients.shape[1]),
          camera: (camera.x, camera.y, camera.z)), grid: ((count + 255) / 256, 1, 1), block: 256)
    }
  }
}
