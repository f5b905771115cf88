// Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2016, points 0, 1, -1, 2, -2): a 6x6 tile of pixels gives a
// 4x4 tile of a 3x3 convolution with 36 multiplications a channel instead of 144. Channels come in multiples of 16.

// Bᵀ d along one axis.
INLINE void winograd_data(const vec *d, size_t s, vec *t, size_t ts) {
  vec d0 = d[0], d1 = d[s], d2 = d[2 * s], d3 = d[3 * s], d4 = d[4 * s], d5 = d[5 * s];
  vec a = d4 - 4 * d2, b = d3 - 4 * d1, e = d4 - d2, f = 2 * (d3 - d1);
  t[0] = 4 * d0 - 5 * d2 + d4;
  t[ts] = a + b;
  t[2 * ts] = a - b;
  t[3 * ts] = e + f;
  t[4 * ts] = e - f;
  t[5 * ts] = 4 * d1 - 5 * d3 + d5;
}
// Aᵀ m along one axis.
INLINE void winograd_result(const vec *m, size_t s, vec *t, size_t ts) {
  vec p = m[s] + m[2 * s], q = m[s] - m[2 * s], r = m[3 * s] + m[4 * s], u = m[3 * s] - m[4 * s];
  t[0] = m[0] + p + r;
  t[ts] = q + 2 * u;
  t[2 * ts] = p + 4 * r;
  t[3 * ts] = q + 8 * u + m[5 * s];
}
// A y along one axis, the transpose of winograd_result.
INLINE void winograd_result_transposed(const vec *y, size_t s, vec *t, size_t ts) {
  vec y0 = y[0], y1 = y[s], y2 = y[2 * s], y3 = y[3 * s];
  vec even = y0 + y2, odd = y1 + y3, even4 = y0 + 4 * y2, odd4 = 2 * y1 + 8 * y3;
  t[0] = y0;
  t[ts] = even + odd;
  t[2 * ts] = even - odd;
  t[3 * ts] = even4 + odd4;
  t[4 * ts] = even4 - odd4;
  t[5 * ts] = y3;
}
// G g along one axis.
INLINE void winograd_weight(const vec *g, size_t s, vec *t, size_t ts) {
  vec g0 = g[0], g1 = g[s], g2 = g[2 * s];
  vec a = (g0 + g2) * (-1.0f / 6), b = g1 * (1.0f / 6), e = g0 * (1.0f / 24) + g2 * (1.0f / 6), f = g1 * (1.0f / 12);
  t[0] = g0 * 0.25f;
  t[ts] = a - b;
  t[2 * ts] = a + b;
  t[3 * ts] = e + f;
  t[4 * ts] = e - f;
  t[5 * ts] = g2;
}
// Gᵀ s along one axis.
INLINE void winograd_weight_transposed(const vec *s, size_t step, vec *t, size_t ts) {
  vec p = (s[step] + s[2 * step]) * (-1.0f / 6), q = (s[2 * step] - s[step]) * (1.0f / 6);
  vec r = s[3 * step] + s[4 * step], u = s[3 * step] - s[4 * step];
  t[0] = s[0] * 0.25f + p + r * (1.0f / 24);
  t[ts] = q + u * (1.0f / 12);
  t[2 * ts] = p + r * (1.0f / 6) + s[5 * step];
}
INLINE int clip(int low, int value, int high) { return value < low ? low : (value > high ? high : value); }

// The 6x6 pixels at (y, x) of an image, zeros outside, to 36 rows of `channels` numbers, `step` apart.
void VARIANT(ck_winograd_data)(const float *image, int height, int width, size_t channels, int y, int x, float *to, size_t step) {
  vec d[36], t[36];
  int top = clip(0, -y, 6), bottom = clip(0, height - y, 6), left = clip(0, -x, 6), right = clip(0, width - x, 6);
  int inside = top == 0 && bottom == 6 && left == 0 && right == 6;
  if (!inside) for (int i = 0; i < 36; i++) d[i] = (vec){0};
  for (size_t c = 0; c < channels; c += WIDTH) {
    const float *from = image + ((ptrdiff_t)y * width + x) * (ptrdiff_t)channels + c;
    if (inside) {
      for (int i = 0; i < 6; i++) for (int j = 0; j < 6; j++) d[i * 6 + j] = load(from + (size_t)(i * width + j) * channels);
    } else {
      for (int i = top; i < bottom; i++) for (int j = left; j < right; j++) d[i * 6 + j] = load(from + (size_t)(i * width + j) * channels);
    }
    for (int j = 0; j < 6; j++) winograd_data(d + j, 6, t + j, 6);
    for (int i = 0; i < 6; i++) {
      vec row[6];
      winograd_data(t + i * 6, 1, row, 1);
      for (int j = 0; j < 6; j++) store(to + (size_t)(i * 6 + j) * step + c, row[j]);
    }
  }
}
// 36 rows to the 4x4 pixels at (y, x) of an image, those inside it.
void VARIANT(ck_winograd_result)(const float *from, size_t step, float *image, int height, int width, size_t channels, int y, int x, const float *bias) {
  int rows = clip(0, height - y, 4), columns = clip(0, width - x, 4);
  for (size_t c = 0; c < channels; c += WIDTH) {
    vec m[36], t[24];
    for (int i = 0; i < 36; i++) m[i] = load(from + (size_t)i * step + c);
    for (int j = 0; j < 6; j++) winograd_result(m + j, 6, t + j, 6);
    vec plus = bias ? load(bias + c) : (vec){0};
    float *to = image + ((size_t)y * width + x) * channels + c;
    for (int i = 0; i < rows; i++) {
      vec row[4];
      winograd_result(t + i * 6, 1, row, 1);
      for (int j = 0; j < columns; j++) store(to + (size_t)(i * width + j) * channels, row[j] + plus);
    }
  }
}
// The 4x4 pixels at (y, x) of the output gradient to 36 rows.
void VARIANT(ck_winograd_upstream)(const float *image, int height, int width, size_t channels, int y, int x, float *to, size_t step) {
  int rows = clip(0, height - y, 4), columns = clip(0, width - x, 4);
  vec d[16], t[24];
  for (int i = 0; i < 16; i++) d[i] = (vec){0};
  for (size_t c = 0; c < channels; c += WIDTH) {
    const float *from = image + ((size_t)y * width + x) * channels + c;
    for (int i = 0; i < rows; i++) for (int j = 0; j < columns; j++) d[i * 4 + j] = load(from + (size_t)(i * width + j) * channels);
    for (int j = 0; j < 4; j++) winograd_result_transposed(d + j, 4, t + j, 4);
    for (int i = 0; i < 6; i++) {
      vec row[6];
      winograd_result_transposed(t + i * 4, 1, row, 1);
      for (int j = 0; j < 6; j++) store(to + (size_t)(i * 6 + j) * step + c, row[j]);
    }
  }
}
// Rows `first`..<`last` of [3, 3, inputs, outputs] to 36 packed matrices of [inputs, outputs].
void VARIANT(ck_winograd_weights)(const float *weight, size_t inputs, size_t outputs, size_t first, size_t last, float *to) {
  size_t size = VARIANT(ck_packed_size)(inputs, outputs);
  for (size_t i = first; i < last; i++) for (size_t o = 0; o < outputs; o += WIDTH) {
    vec g[9], t[18];
    for (int k = 0; k < 9; k++) g[k] = load(weight + ((size_t)k * inputs + i) * outputs + o);
    for (int j = 0; j < 3; j++) winograd_weight(g + j, 3, t + j, 3);
    for (int r = 0; r < 6; r++) {
      vec row[6];
      winograd_weight(t + r * 3, 1, row, 1);
      for (int j = 0; j < 6; j++) store(to + (size_t)(r * 6 + j) * size + o / PANEL * PANEL * inputs + i * PANEL + o % PANEL, row[j]);
    }
  }
}
// 36 matrices of `count` numbers each to the 9 of the weight's gradient, of which this is part `first`..<`last`.
void VARIANT(ck_winograd_weight_gradient)(const float *from, size_t count, size_t first, size_t last, float *to) {
  for (size_t o = first; o < last; o += WIDTH) {
    vec s[36], t[18];
    for (int i = 0; i < 36; i++) s[i] = load(from + (size_t)i * count + o);
    for (int j = 0; j < 6; j++) winograd_weight_transposed(s + j, 6, t + j, 6);
    for (int r = 0; r < 3; r++) {
      vec row[3];
      winograd_weight_transposed(t + r * 6, 1, row, 1);
      for (int j = 0; j < 3; j++) store(to + (size_t)(r * 3 + j) * count + o, row[j]);
    }
  }
}
