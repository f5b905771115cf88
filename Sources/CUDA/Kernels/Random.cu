// Random numbers: the processor's bits, see Sources/Tensors/Random.swift.
#include "Dialect.h"
#include "Arguments.h"

KERNEL_PLAIN(cuda_dropout, cuda_dropout_arguments) {
  unsigned long long key = a.key_at ? *a.key_at : a.key;
  unsigned limit = dropout_limit(a.rate);
  float keep = 1.0f / (1.0f - a.rate);
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

// Word number `place` of the stream.
DEVICE unsigned long long word(unsigned long long key, unsigned long long place) {
  Words words = philox(key, place >> 1);
  return place & 1 ? (unsigned long long)words.word[3] << 32 | words.word[2] : (unsigned long long)words.word[1] << 32 | words.word[0];
}

// The host rounds every step, so nothing may be contracted here: each operation by its name.
DEVICE double plus(double x, double y) { return __dadd_rn(x, y); }
DEVICE double minus(double x, double y) { return __dsub_rn(x, y); }
DEVICE double times(double x, double y) { return __dmul_rn(x, y); }
DEVICE double over(double x, double y) { return __ddiv_rn(x, y); }

struct Ratio {
  double above[8], below[8];
};
DEVICE double quotient(double x, const Ratio &c) {
  double above = 0, below = 0;
  UNROLL for (int i = 7; i >= 0; i--) {
    above = plus(times(above, x), c.above[i]);
    below = plus(times(below, x), c.below[i]);
  }
  return over(above, below);
}

DEVICE double logarithm(double value) {
  long long bits = __double_as_longlong(value);
  double exponent = (double)((bits >> 52 & 2047) - 1023);
  double mantissa = __longlong_as_double((bits & 0x000fffffffffffffll) | 0x3ff0000000000000ll);
  if (mantissa > 1.4142135623730951) {
    mantissa = times(mantissa, 0.5);
    exponent = plus(exponent, 1);
  }
  double s = over(minus(mantissa, 1), plus(mantissa, 1)), square = times(s, s), sum = 0;
  UNROLL for (int k = 29; k >= 1; k -= 2) sum = plus(times(sum, square), 1.0 / k);
  return plus(times(exponent, 0.6931471805599453), times(times(2, s), sum));
}

// Algorithm AS 241 (Wichura 1988).
DEVICE double normal_quantile(double p) {
  const Ratio center = {
      {3.3871328727963666080, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
       4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3},
      {1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
       2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3}};
  const Ratio middle = {
      {1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, 3.64784832476320460504,
       1.27045825245236838258, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4},
      {1.0, 2.05319162663775882187, 1.67638483018380384940, 6.89767334985100004550e-1,
       1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9}};
  const Ratio far = {
      {6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580, 2.96560571828504891230e-1,
       2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7},
      {1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
       7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15}};
  double q = minus(p, 0.5);
  if ((q < 0 ? -q : q) <= 0.425) return times(q, quotient(minus(0.180625, times(q, q)), center));
  double tail = __dsqrt_rn(-logarithm(q < 0 ? p : minus(1, p)));
  double size = tail <= 5 ? quotient(minus(tail, 1.6), middle) : quotient(minus(tail, 5), far);
  return q < 0 ? -size : size;
}

KERNEL_PLAIN(cuda_normal, cuda_normal_arguments) {
  unsigned long long key = a.state_at ? a.state_at[0] : a.key, counter = a.state_at ? a.state_at[1] : a.counter;
  each(a.count, [&](auto i) {
    double p = times(plus((double)(word(key, counter + i) >> 12), 0.5), 0x1p-52);
    a.y[i] = __fadd_rn(a.mean, __fmul_rn(a.deviation, (float)normal_quantile(p)));
  });
}

KERNEL_PLAIN(cuda_uniform, cuda_uniform_arguments) {
  unsigned long long key = a.state_at ? a.state_at[0] : a.key, counter = a.state_at ? a.state_at[1] : a.counter;
  each(a.count, [&](auto i) {
    double u = times((double)(word(key, counter + i) >> 11), 0x1p-53);
    a.y[i] = __fadd_rn(a.low, __fmul_rn(a.extent, (float)u));
  });
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
