// Loops over arrays of floats, which the compiler turns into vector code for each processor.

INLINE float from_bits(int32_t bits) { float f; memcpy(&f, &bits, 4); return f; }
INLINE int32_t to_bits(float f) { int32_t bits; memcpy(&bits, &f, 4); return bits; }

// exp by 2^k * e^r, |r| <= ln2/2, degree 6.
INLINE float exponential(float x) {
  x = x > 88.3762626f ? 88.3762626f : x;
  x = x < -87.3365479f ? -87.3365479f : x;
  float k = __builtin_rintf(x * 1.44269504f);
  float r = x - k * 0.693359375f;
  r = r + k * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  return p * from_bits(((int32_t)k + 127) << 23);
}
INLINE float logarithm(float x) {
  int32_t bits = to_bits(x);
  int32_t e = ((bits >> 23) & 255) - 126;
  float m = from_bits((bits & 0x007fffff) | 0x3f000000);
  int small = m < 0.707106781f;
  float f = (small ? m + m : m) - 1.0f;
  float k = (float)(small ? e - 1 : e);
  float z = f * f;
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  float y = f * z * p - 2.12194440e-4f * k - 0.5f * z;
  float r = f + y + 0.693359375f * k;
  r = x > 0 ? r : (x == 0 ? -__builtin_inff() : __builtin_nanf(""));
  return x > 3.4e38f ? x : r;
}
INLINE float hyperbolic_tangent(float x) {
  float a = x < 0 ? -x : x;
  float z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  float small = p * z * x + x;
  float e = exponential(2.0f * (a > 20.0f ? 20.0f : a));
  float large = 1.0f - 2.0f / (e + 1.0f);
  large = x < 0 ? -large : large;
  float y = a < 0.625f ? small : large;
  return x != x ? x : y;
}
INLINE float logistic(float x) {
  float e = exponential(x < 0 ? x : -x);
  float r = 1.0f / (1.0f + e);
  float y = x < 0 ? e * r : r;
  return x != x ? x : y;
}
// Abramowitz and Stegun 7.1.26 away from 0, the Taylor series near it.
INLINE float error_function(float x) {
  float a = x < 0 ? -x : x;
  float z = x * x;
  float s = -7.5757575757e-4f * 1.12837917f;
  s = 1.12837917f * (1.0f + z * (-0.333333333f + z * (0.1f + z * (-0.0238095238f + z * (4.62962963e-3f + z * (-7.57575758e-4f + z * 1.06837607e-4f))))));
  float t = 1.0f / (1.0f + 0.3275911f * a);
  float p = t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
  float large = 1.0f - p * exponential(-(z > 80.0f ? 80.0f : z));
  large = x < 0 ? -large : large;
  float y = a < 0.7f ? s * x : large;
  return x != x ? x : y;
}
INLINE float soft_plus(float x) {
  float a = x < 0 ? -x : x;
  float e = exponential(-a);
  float l = e < 1e-4f ? e - 0.5f * e * e : logarithm(1.0f + e);
  float y = (x > 0 ? x : 0) + l;
  return x != x ? x : y;
}

#define UNARY(EXPRESSION) for (size_t i = 0; i < n; i++) { float v = x[i]; y[i] = (EXPRESSION); } break;
void VARIANT(ck_unary)(ck_unary_operation op, const float *restrict x, float *restrict y, size_t n) {
  switch (op) {
    case ck_negate: UNARY(-v)
    case ck_exp: UNARY(v != v ? v : exponential(v))
    case ck_log: UNARY(v != v ? v : logarithm(v))
    case ck_sqrt: UNARY(__builtin_sqrtf(v))
    case ck_square: UNARY(v * v)
    case ck_absolute: UNARY(v < 0 ? -v : v)
    case ck_sine: UNARY(__builtin_sinf(v))
    case ck_cosine: UNARY(__builtin_cosf(v))
    case ck_reciprocal: UNARY(1.0f / v)
    case ck_relu: UNARY(v < 0 ? 0 : v)
    case ck_gelu: UNARY(0.5f * v * (1.0f + error_function(v * 0.707106781f)))
    case ck_gelu_tanh: UNARY(0.5f * v * (1.0f + hyperbolic_tangent(0.797884561f * (v + 0.044715f * v * v * v))))
    case ck_silu: UNARY(v * logistic(v))
    case ck_mish: UNARY(v * hyperbolic_tangent(soft_plus(v)))
    case ck_softplus: UNARY(soft_plus(v))
    case ck_tanh: UNARY(hyperbolic_tangent(v))
    case ck_sigmoid: UNARY(logistic(v))
  }
}
#undef UNARY
INLINE float gelu_slope(float v) {
  float c = 0.5f * (1.0f + error_function(v * 0.707106781f));
  return c + v * 0.398942280f * exponential(-0.5f * v * v);
}
INLINE float gelu_tanh_slope(float v) {
  float t = hyperbolic_tangent(0.797884561f * (v + 0.044715f * v * v * v));
  return 0.5f * (1.0f + t) + 0.5f * v * (1.0f - t * t) * 0.797884561f * (1.0f + 0.134145f * v * v);
}
INLINE float mish_slope(float v) {
  float t = hyperbolic_tangent(soft_plus(v));
  return t + v * (1.0f - t * t) * logistic(v);
}
#define SLOPE(EXPRESSION) for (size_t i = 0; i < n; i++) { float v = x[i]; dx[i] = dy[i] * (EXPRESSION); } break;
void VARIANT(ck_unary_gradient)(ck_unary_operation op, const float *restrict x, const float *restrict dy, float *restrict dx, size_t n) {
  switch (op) {
    case ck_negate: SLOPE(-1.0f + 0 * v)
    case ck_exp: SLOPE(exponential(v))
    case ck_log: SLOPE(1.0f / v)
    case ck_sqrt: SLOPE(0.5f / __builtin_sqrtf(v))
    case ck_square: SLOPE(2.0f * v)
    case ck_absolute: SLOPE(v > 0 ? 1.0f : (v < 0 ? -1.0f : 0.0f))
    case ck_sine: SLOPE(__builtin_cosf(v))
    case ck_cosine: SLOPE(-__builtin_sinf(v))
    case ck_reciprocal: SLOPE(-1.0f / (v * v))
    case ck_relu: SLOPE(v > 0 ? 1.0f : 0.0f)
    case ck_gelu: SLOPE(gelu_slope(v))
    case ck_gelu_tanh: SLOPE(gelu_tanh_slope(v))
    case ck_silu: SLOPE(logistic(v) * (1.0f + v * (1.0f - logistic(v))))
    case ck_mish: SLOPE(mish_slope(v))
    case ck_softplus: SLOPE(logistic(v))
    case ck_tanh: SLOPE(1.0f - hyperbolic_tangent(v) * hyperbolic_tangent(v))
    case ck_sigmoid: SLOPE(logistic(v) * (1.0f - logistic(v)))
  }
}
#undef SLOPE
#define BINARY(A, B) \
  switch (op) { \
    case ck_add: for (size_t i = 0; i < n; i++) y[i] = A + B; break; \
    case ck_subtract: for (size_t i = 0; i < n; i++) y[i] = A - B; break; \
    case ck_multiply: for (size_t i = 0; i < n; i++) y[i] = A * B; break; \
    case ck_divide: for (size_t i = 0; i < n; i++) y[i] = A / B; break; \
    case ck_maximum: for (size_t i = 0; i < n; i++) y[i] = A > B ? A : B; break; \
    case ck_minimum: for (size_t i = 0; i < n; i++) y[i] = A < B ? A : B; break; \
  }
void VARIANT(ck_binary)(ck_binary_operation op, const float *restrict a, const float *restrict b, float *restrict y, size_t n) { BINARY(a[i], b[i]) }
void VARIANT(ck_binary_scalar)(ck_binary_operation op, const float *restrict a, float b, float *restrict y, size_t n) { BINARY(a[i], b) }
void VARIANT(ck_scalar_binary)(ck_binary_operation op, float a, const float *restrict b, float *restrict y, size_t n) { BINARY(a, b[i]) }
void VARIANT(ck_accumulate)(const float *restrict a, float *restrict y, size_t n) { for (size_t i = 0; i < n; i++) y[i] += a[i]; }
void VARIANT(ck_accumulate_scaled)(float s, const float *restrict a, float *restrict y, size_t n) { for (size_t i = 0; i < n; i++) y[i] += s * a[i]; }
void VARIANT(ck_accumulate_product)(const float *restrict a, const float *restrict b, float *restrict y, size_t n) { for (size_t i = 0; i < n; i++) y[i] += a[i] * b[i]; }

// Thirty-two running sums in a fixed order, so that the compiler may use vectors and every processor adds alike.
#define LANES 32
#define REDUCE(TYPE, EXPRESSION) \
  TYPE lanes[LANES] = {0}; \
  size_t i = 0; \
  for (; i + LANES <= n; i += LANES) for (size_t l = 0; l < LANES; l++) { size_t j = i + l; lanes[l] += (EXPRESSION); } \
  for (; i < n; i++) { size_t j = i; lanes[i % LANES] += (EXPRESSION); } \
  for (size_t w = LANES / 2; w > 0; w /= 2) for (size_t l = 0; l < w; l++) lanes[l] += lanes[l + w];
float VARIANT(ck_sum)(const float *x, size_t n) { REDUCE(float, x[j]) return lanes[0]; }
double VARIANT(ck_sum_of_squares)(const float *x, size_t n) { REDUCE(double, (double)x[j] * x[j]) return lanes[0]; }
float VARIANT(ck_dot)(const float *a, const float *b, size_t n) { REDUCE(float, a[j] * b[j]) return lanes[0]; }
float VARIANT(ck_largest)(const float *x, size_t n) {
  float lanes[LANES];
  for (size_t l = 0; l < LANES; l++) lanes[l] = x[0];
  size_t i = 0;
  for (; i + LANES <= n; i += LANES) for (size_t l = 0; l < LANES; l++) lanes[l] = x[i + l] > lanes[l] ? x[i + l] : lanes[l];
  for (; i < n; i++) lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
  for (size_t l = 1; l < LANES; l++) lanes[0] = lanes[l] > lanes[0] ? lanes[l] : lanes[0];
  return lanes[0];
}
float VARIANT(ck_exponentials)(const float *restrict x, float largest, float *restrict y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = exponential(x[i] - largest);
  REDUCE(float, y[j])
  return lanes[0];
}
void VARIANT(ck_moments)(const float *x, size_t n, float *mean, float *variance) {
  float m;
  { REDUCE(float, x[j]) m = lanes[0] / (float)n; }
  REDUCE(float, (x[j] - m) * (x[j] - m))
  *mean = m;
  *variance = lanes[0] / (float)n;
}
void VARIANT(ck_standardize)(const float *restrict x, float mean, float factor, float *restrict y, size_t n) { for (size_t i = 0; i < n; i++) y[i] = (x[i] - mean) * factor; }
void VARIANT(ck_bytes)(const uint8_t *restrict x, float scale, float *restrict y, size_t n) { for (size_t i = 0; i < n; i++) y[i] = (float)x[i] * scale; }
void VARIANT(ck_adamw)(const float *restrict p, const float *restrict g, const float *restrict m, const float *restrict v, float *restrict np, float *restrict nm, float *restrict nv, size_t n, float scale, float rate, float beta1, float beta2, float epsilon, float decay, float correction1, float correction2) {
  float step = rate / correction1, root = 1.0f / __builtin_sqrtf(correction2), keep = 1.0f - rate * decay;
  for (size_t i = 0; i < n; i++) {
    float d = g[i] * scale;
    float first = beta1 * m[i] + (1.0f - beta1) * d;
    float second = beta2 * v[i] + (1.0f - beta2) * d * d;
    nm[i] = first;
    nv[i] = second;
    np[i] = p[i] * keep - step * first / (__builtin_sqrtf(second) * root + epsilon);
  }
}
void VARIANT(ck_mix)(const float *restrict a, const float *restrict b, float share, float *restrict y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = a[i] + (b[i] - a[i]) * share;
}
void VARIANT(ck_scale)(float s, float *y, size_t n) { for (size_t i = 0; i < n; i++) y[i] *= s; }
void VARIANT(ck_softmax_gradient)(const float *restrict y, const float *restrict dy, float dot, float *restrict dx, size_t n) {
  for (size_t i = 0; i < n; i++) dx[i] = y[i] * (dy[i] - dot);
}
void VARIANT(ck_channel_sums)(const float *restrict x, size_t pixels, size_t c, float *restrict sums) {
  for (size_t p = 0; p < pixels; p++) for (size_t i = 0; i < c; i++) sums[i] += x[p * c + i];
}
void VARIANT(ck_channel_squares)(const float *restrict x, const float *restrict mean, size_t pixels, size_t c, float *restrict sums) {
  for (size_t p = 0; p < pixels; p++) for (size_t i = 0; i < c; i++) { float d = x[p * c + i] - mean[i]; sums[i] += d * d; }
}
void VARIANT(ck_channel_affine)(const float *restrict x, const float *restrict a, const float *restrict b, float *restrict y, size_t pixels, size_t c) {
  for (size_t p = 0; p < pixels; p++) for (size_t i = 0; i < c; i++) y[p * c + i] = x[p * c + i] * a[i] + b[i];
}
void VARIANT(ck_channel_dots)(const float *restrict x, const float *restrict mean, const float *restrict dy, size_t pixels, size_t c, float *restrict sums, float *restrict dots) {
  for (size_t p = 0; p < pixels; p++) for (size_t i = 0; i < c; i++) {
    float d = dy[p * c + i];
    sums[i] += d;
    dots[i] += d * (x[p * c + i] - mean[i]);
  }
}
void VARIANT(ck_channel_gradient)(const float *restrict x, const float *restrict dy, const float *restrict a, const float *restrict b, const float *restrict d, float *restrict dx, size_t pixels, size_t c) {
  for (size_t p = 0; p < pixels; p++) for (size_t i = 0; i < c; i++) dx[p * c + i] = dy[p * c + i] * a[i] + x[p * c + i] * b[i] + d[i];
}
void VARIANT(ck_row_normalize)(const float *restrict x, float mean, float factor, const float *restrict scale, const float *restrict bias, float *restrict y, size_t n) {
  if (scale && bias) for (size_t i = 0; i < n; i++) y[i] = (x[i] - mean) * factor * scale[i] + bias[i];
  else if (scale) for (size_t i = 0; i < n; i++) y[i] = (x[i] - mean) * factor * scale[i];
  else if (bias) for (size_t i = 0; i < n; i++) y[i] = (x[i] - mean) * factor + bias[i];
  else for (size_t i = 0; i < n; i++) y[i] = (x[i] - mean) * factor;
}
void VARIANT(ck_row_normalize_gradient)(const float *restrict x, float mean, float factor, const float *restrict scale, const float *restrict dy, int centred, float *restrict dx, size_t n) {
  for (size_t i = 0; i < n; i++) dx[i] = scale ? dy[i] * scale[i] : dy[i];
  float shift = 0, slope;
  if (centred) { REDUCE(float, dx[j]) shift = lanes[0] / (float)n; }
  { REDUCE(float, dx[j] * ((x[j] - mean) * factor)) slope = lanes[0] / (float)n; }
  for (size_t i = 0; i < n; i++) dx[i] = factor * (dx[i] - shift - (x[i] - mean) * factor * slope);
}
void VARIANT(ck_row_normalize_parameters)(const float *restrict x, float mean, float factor, const float *restrict dy, float *restrict dscale, float *restrict dbias, size_t n) {
  for (size_t i = 0; i < n; i++) {
    dscale[i] += dy[i] * ((x[i] - mean) * factor);
    dbias[i] += dy[i];
  }
}
// Philox4x32-10 of (key, block); see Tensors/Random.swift. Sixteen blocks at a time for the vector units.
void VARIANT(ck_dropout)(const float *restrict x, float *restrict y, size_t n, uint64_t key, uint64_t first, float rate) {
  enum { W = 16 };
  float keep = 1.0f / (1.0f - rate);
  uint32_t limit = (uint32_t)((double)rate * 4294967296.0);
  for (size_t start = 0; start < n; start += 4 * W) {
    uint32_t c0[W], c1[W], c2[W], c3[W], k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int w = 0; w < W; w++) {
      uint64_t block = (first + start) / 4 + (uint64_t)w;
      c0[w] = (uint32_t)block; c1[w] = (uint32_t)(block >> 32); c2[w] = 0; c3[w] = 0;
    }
    for (int r = 0; r < 10; r++) {
      for (int w = 0; w < W; w++) {
        uint64_t p0 = 0xd2511f53ull * c0[w], p1 = 0xcd9e8d57ull * c2[w];
        c0[w] = (uint32_t)(p1 >> 32) ^ c1[w] ^ k0; c1[w] = (uint32_t)p1;
        c2[w] = (uint32_t)(p0 >> 32) ^ c3[w] ^ k1; c3[w] = (uint32_t)p0;
      }
      k0 += 0x9e3779b9; k1 += 0xbb67ae85;
    }
    uint32_t words[4 * W];
    for (int w = 0; w < W; w++) { words[4 * w] = c0[w]; words[4 * w + 1] = c1[w]; words[4 * w + 2] = c2[w]; words[4 * w + 3] = c3[w]; }
    size_t m = n - start < 4 * W ? n - start : 4 * W;
    for (size_t i = 0; i < m; i++) y[start + i] = words[i] >= limit ? x[start + i] * keep : 0;
  }
}
