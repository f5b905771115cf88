// Random numbers: the processor's bits, see Sources/Tensors/Random.swift.
#include "Dialect.h"
#include "Arguments.h"

KERNEL_PLAIN(cuda_dropout, cuda_dropout_arguments) {
  unsigned limit = dropout_limit(a.rate);
  float keep = 1.0f / (1.0f - a.rate);
  unsigned long long key = *a.key;
  // Four neighbors share a block of words.
  long long blocks = (a.count + 3) / 4, step = (long long)gridDim.x * blockDim.x;
  bool in_fours = aligned(a.x) && aligned(a.y);
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < blocks; i += step) {
    Words words = philox(key, a.first / 4 + i);
    if (in_fours && 4 * i + 4 <= a.count) {
      float4 v = ((const float4 *)a.x)[i];
      v.x = words.word[0] >= limit ? v.x * keep : 0.0f;
      v.y = words.word[1] >= limit ? v.y * keep : 0.0f;
      v.z = words.word[2] >= limit ? v.z * keep : 0.0f;
      v.w = words.word[3] >= limit ? v.w * keep : 0.0f;
      ((float4 *)a.y)[i] = v;
    } else {
      UNROLL for (int k = 0; k < 4; k++) {
        if (4 * i + k < a.count) a.y[4 * i + k] = words.word[k] >= limit ? a.x[4 * i + k] * keep : 0.0f;
      }
    }
  }
}

KERNEL_PLAIN(cuda_images, cuda_images_arguments) {
  each(a.images * a.crop_height * a.crop_width * a.to_channels, [&](auto i) {
    auto pixel = i / a.to_channels, row = pixel / a.crop_width, image = row / a.crop_height;
    int channel = (int)(i - pixel * a.to_channels), x = (int)(pixel - row * a.crop_width), y = (int)(row - image * a.crop_height);
    if (a.offsets) {
      y += a.offsets[2 * image];
      x += a.offsets[2 * image + 1];
    }
    long long from = (((long long)image * a.height + y) * a.width + x) * a.channels + channel;
    a.to[i] = channel < a.channels ? (float)a.pixels[from] * (1.0f / 255.0f) : 0.0f;
  });
}
