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
// tanh(log(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2).
INLINE float mish_factor(float x) {
  float e = exponential(x > 20.0f ? 20.0f : x);
  float n = e * (e + 2.0f);
  return x != x ? x : n / (n + 2.0f);
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
    case ck_exp: UNARY(v != v ? v : exponential(v))
    case ck_log: UNARY(v != v ? v : logarithm(v))
    case ck_sqrt: UNARY(__builtin_elementwise_sqrt(v))
    case ck_square: UNARY(v * v)
    case ck_absolute: UNARY(v < 0 ? -v : v)
    case ck_sine: UNARY(__builtin_sinf(v))
    case ck_cosine: UNARY(__builtin_cosf(v))
    case ck_reciprocal: UNARY(1.0f / v)
    case ck_relu: UNARY(v < 0 ? 0 : v)
    case ck_gelu: UNARY(0.5f * v * (1.0f + error_function(v * 0.707106781f)))
    case ck_gelu_tanh: UNARY(0.5f * v * (1.0f + hyperbolic_tangent(0.797884561f * (v + 0.044715f * v * v * v))))
    case ck_silu: UNARY(v * logistic(v))
    case ck_mish: UNARY(v * mish_factor(v))
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
  float t = mish_factor(v);
  return t + v * (1.0f - t * t) * logistic(v);
}
#define SLOPE(EXPRESSION) for (size_t i = 0; i < n; i++) { float v = x[i]; dx[i] = dy[i] * (EXPRESSION); } break;
void VARIANT(ck_unary_gradient)(ck_unary_operation op, const float *restrict x, const float *restrict dy, float *restrict dx, size_t n) {
  switch (op) {
    case ck_exp: SLOPE(exponential(v))
    case ck_log: SLOPE(1.0f / v)
    case ck_sqrt: SLOPE(0.5f / __builtin_elementwise_sqrt(v))
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
void VARIANT(ck_bytes)(const uint8_t *restrict x, float scale, float *restrict y, size_t n) { for (size_t i = 0; i < n; i++) y[i] = (float)x[i] * scale; }
INLINE void adamw(float *restrict p, const float *restrict g, float *restrict m, float *restrict v, float *restrict mean, size_t n, float scale, float rate, float beta1, float beta2, float epsilon, float decay, float correction1, float correction2, float share) {
  float step = rate / correction1, root = 1.0f / __builtin_elementwise_sqrt(correction2), keep = 1.0f - rate * decay;
  for (size_t i = 0; i < n; i++) {
    float d = g[i] * scale;
    float first = beta1 * m[i] + (1.0f - beta1) * d;
    float second = beta2 * v[i] + (1.0f - beta2) * d * d;
    float value = p[i] * keep - step * first / (__builtin_elementwise_sqrt(second) * root + epsilon);
    m[i] = first;
    v[i] = second;
    p[i] = value;
    if (mean) mean[i] += (value - mean[i]) * share;
  }
}
void VARIANT(ck_adamw)(float *p, const float *g, float *m, float *v, float *mean, size_t n, float scale, float rate, float beta1, float beta2, float epsilon, float decay, float correction1, float correction2, float share) {
  if (mean) adamw(p, g, m, v, mean, n, scale, rate, beta1, beta2, epsilon, decay, correction1, correction2, share);
  else adamw(p, g, m, v, 0, n, scale, rate, beta1, beta2, epsilon, decay, correction1, correction2, share);
}
void VARIANT(ck_mix)(const float *restrict b, float share, float *restrict y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] += (b[i] - y[i]) * share;
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
// Applies to z and, in the backward pass, to z and the gradient above it.
INLINE float finished(ck_finish finish, float z) {
  switch (finish) {
    case ck_no_finish: return z;
    case ck_finish_relu: return z < 0 ? 0 : z;
    case ck_finish_mish: return z * mish_factor(z);
    case ck_finish_silu: return z * logistic(z);
  }
}
INLINE float finish_slope(ck_finish finish, float z) {
  switch (finish) {
    case ck_no_finish: return 1;
    case ck_finish_relu: return z > 0 ? 1.0f : 0.0f;
    case ck_finish_mish: return mish_slope(z);
    case ck_finish_silu: return logistic(z) * (1.0f + z * (1.0f - logistic(z)));
  }
}
INLINE void channel_affine(ck_finish finish, const float *restrict x, const float *restrict a, const float *restrict b, const float *restrict r, float *restrict y, size_t pixels, size_t c) {
  for (size_t p = 0; p < pixels; p++, x += c, y += c) {
    if (b && r) { for (size_t i = 0; i < c; i++) y[i] = finished(finish, x[i] * a[i] + b[i] + r[i]); }
    else if (b) { for (size_t i = 0; i < c; i++) y[i] = finished(finish, x[i] * a[i] + b[i]); }
    else if (r) { for (size_t i = 0; i < c; i++) y[i] = finished(finish, x[i] * a[i] + r[i]); }
    else { for (size_t i = 0; i < c; i++) y[i] = finished(finish, x[i] * a[i]); }
    if (r) r += c;
  }
}
void VARIANT(ck_channel_affine)(ck_finish finish, const float *x, const float *a, const float *b, const float *r, float *y, size_t pixels, size_t c) {
  switch (finish) {
    case ck_no_finish: return channel_affine(ck_no_finish, x, a, b, r, y, pixels, c);
    case ck_finish_relu: return channel_affine(ck_finish_relu, x, a, b, r, y, pixels, c);
    case ck_finish_mish: return channel_affine(ck_finish_mish, x, a, b, r, y, pixels, c);
    case ck_finish_silu: return channel_affine(ck_finish_silu, x, a, b, r, y, pixels, c);
  }
}
INLINE void channel_upstream(ck_finish finish, const float *restrict x, const float *restrict a, const float *restrict b, const float *restrict r, const float *restrict dy, const float *restrict mean, float *restrict dz, float *restrict sums, float *restrict dots, size_t pixels, size_t c) {
  for (size_t p = 0; p < pixels; p++, x += c, dy += c, dz += c) {
    for (size_t i = 0; i < c; i++) {
      float d = dy[i];
      if (finish != ck_no_finish) d *= finish_slope(finish, x[i] * a[i] + (b ? b[i] : 0) + (r ? r[i] : 0));
      dz[i] = d;
      sums[i] += d;
      dots[i] += d * (mean ? x[i] - mean[i] : x[i]);
    }
    if (r) r += c;
  }
}
void VARIANT(ck_channel_upstream)(ck_finish finish, const float *x, const float *a, const float *b, const float *r, const float *dy, const float *mean, float *dz, float *sums, float *dots, size_t pixels, size_t c) {
  #define UPSTREAM(FINISH) \
    if (b && r) channel_upstream(FINISH, x, a, b, r, dy, mean, dz, sums, dots, pixels, c); \
    else if (b && mean) channel_upstream(FINISH, x, a, b, 0, dy, mean, dz, sums, dots, pixels, c); \
    else if (b) channel_upstream(FINISH, x, a, b, 0, dy, 0, dz, sums, dots, pixels, c); \
    else channel_upstream(FINISH, x, a, b, r, dy, mean, dz, sums, dots, pixels, c); \
    return;
  switch (finish) {
    case ck_no_finish: UPSTREAM(ck_no_finish)
    case ck_finish_relu: UPSTREAM(ck_finish_relu)
    case ck_finish_mish: UPSTREAM(ck_finish_mish)
    case ck_finish_silu: UPSTREAM(ck_finish_silu)
  }
  #undef UPSTREAM
}
void VARIANT(ck_channel_gradient)(const float *restrict x, const float *dz, const float *restrict a, const float *restrict b, const float *restrict d, float *dx, size_t pixels, size_t c) {
  for (size_t p = 0; p < pixels; p++, x += c, dz += c, dx += c) {
    _Pragma("clang loop vectorize(assume_safety)") for (size_t i = 0; i < c; i++) dx[i] = dz[i] * a[i] + x[i] * b[i] + d[i];
  }
}
void VARIANT(ck_channel_scale)(const float *dz, const float *restrict a, float *dx, size_t pixels, size_t c) {
  for (size_t p = 0; p < pixels; p++, dz += c, dx += c) {
    _Pragma("clang loop vectorize(assume_safety)") for (size_t i = 0; i < c; i++) dx[i] = dz[i] * a[i];
  }
}
void VARIANT(ck_max_pool)(const float *image, int height, int width, size_t c, int size, int stride, int padding, int row, int columns, float *y) {
  int top = row * stride - padding, bottom = top + size < height ? top + size : height;
  for (int column = 0; column < columns; column++, y += c) {
    int left = column * stride - padding, right = left + size < width ? left + size : width, first = 1;
    for (int v = top < 0 ? 0 : top; v < bottom; v++) for (int u = left < 0 ? 0 : left; u < right; u++) {
      const float *restrict from = image + ((size_t)v * width + u) * c;
      float *restrict to = y;
      if (first) for (size_t i = 0; i < c; i++) to[i] = from[i];
      else for (size_t i = 0; i < c; i++) to[i] = from[i] > to[i] ? from[i] : to[i];
      first = 0;
    }
  }
}
// The gradient goes to the first pixel of the window that holds the largest number; `rest` is scratch, c numbers.
void VARIANT(ck_max_pool_gradient)(const float *image, const float *y, const float *dy, int height, int width, size_t c, int size, int stride, int padding, int row, int columns, float *rest, float *dx) {
  int top = row * stride - padding, bottom = top + size < height ? top + size : height;
  for (int column = 0; column < columns; column++, y += c, dy += c) {
    int left = column * stride - padding, right = left + size < width ? left + size : width;
    for (size_t i = 0; i < c; i++) rest[i] = dy[i];
    for (int v = top < 0 ? 0 : top; v < bottom; v++) for (int u = left < 0 ? 0 : left; u < right; u++) {
      const float *restrict from = image + ((size_t)v * width + u) * c, *restrict largest = y;
      float *restrict to = dx + ((size_t)v * width + u) * c, *restrict left_over = rest;
      for (size_t i = 0; i < c; i++) {
        float share = from[i] == largest[i] ? left_over[i] : 0;
        to[i] += share;
        left_over[i] -= share;
      }
    }
  }
}
void VARIANT(ck_row_normalize)(const float *restrict x, float mean, float factor, const float *restrict scale, const float *restrict bias, float *restrict y, size_t n) {
  if (scale && bias) for (size_t i = 0; i < n; i++) y[i] = (x[i] - mean) * factor * scale[i] + bias[i];
  else if (scale) for (size_t i = 0; i < n; i++) y[i] = (x[i] - mean) * factor * scale[i];
  else if (bias) for (size_t i = 0; i < n; i++) y[i] = (x[i] - mean) * factor + bias[i];
  else for (size_t i = 0; i < n; i++) y[i] = (x[i] - mean) * factor;
}
void VARIANT(ck_row_normalize_gradient)(const float *restrict x, float mean, float factor, const float *restrict scale, const float *restrict dy, int centered, float *restrict dx, size_t n) {
  for (size_t i = 0; i < n; i++) dx[i] = scale ? dy[i] * scale[i] : dy[i];
  float shift = 0, slope;
  if (centered) { REDUCE(float, dx[j]) shift = lanes[0] / (float)n; }
  { REDUCE(float, dx[j] * ((x[j] - mean) * factor)) slope = lanes[0] / (float)n; }
  for (size_t i = 0; i < n; i++) dx[i] = factor * (dx[i] - shift - (x[i] - mean) * factor * slope);
}
void VARIANT(ck_row_normalize_parameters)(const float *restrict x, float mean, float factor, const float *restrict dy, float *restrict dscale, float *restrict dbias, size_t n) {
  for (size_t i = 0; i < n; i++) {
    dscale[i] += dy[i] * ((x[i] - mean) * factor);
    dbias[i] += dy[i];
  }
}
// One row of attention's probabilities, in place; returns the logarithm of the sum, from which they can be found again.
float VARIANT(ck_attention_row)(float *restrict s, const float *restrict mask, float scale, size_t n) {
  if (mask) for (size_t i = 0; i < n; i++) s[i] = s[i] * scale + mask[i];
  else for (size_t i = 0; i < n; i++) s[i] *= scale;
  float largest = VARIANT(ck_largest)(s, n);
  for (size_t i = 0; i < n; i++) s[i] = exponential(s[i] - largest);
  float sum = VARIANT(ck_sum)(s, n), factor = 1.0f / sum;
  for (size_t i = 0; i < n; i++) s[i] *= factor;
  return largest + logarithm(sum);
}
void VARIANT(ck_attention_again)(float *restrict s, const float *restrict mask, float scale, float total, size_t n) {
  if (mask) for (size_t i = 0; i < n; i++) s[i] = exponential(s[i] * scale + mask[i] - total);
  else for (size_t i = 0; i < n; i++) s[i] = exponential(s[i] * scale - total);
}
void VARIANT(ck_attention_gradient)(const float *restrict p, float *restrict dp, float dot, float scale, size_t n) {
  for (size_t i = 0; i < n; i++) dp[i] = p[i] * (dp[i] - dot) * scale;
}
// Philox4x32-10 of (key, block); see Tensors/Random.swift. Sixteen blocks at a time for the vector units.
void VARIANT(ck_dropout)(const float *x, float *y, size_t n, uint64_t key, uint64_t first, float rate) {
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
