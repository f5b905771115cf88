// Gaussian splats blended into a tile of 16 x 16 pixels, front to back, and the backward pass (Kerbl et al. 2023). Constants as
// gsplat's: nothing below 1/255, no more than 0.99, and a ray ends before less than 1e-4 of it would be left.

INLINE vec choose(ivec mask, vec a, vec b) { return (vec)((mask & (ivec)a) | (~mask & (ivec)b)); }
INLINE vec positive_part(ivec mask, vec a) { return (vec)(mask & (ivec)a); }

// exp(x) of numbers from -80 to 0.
INLINE vec vector_exponential(vec x) {
  vec shifted = x * 1.44269504f + 12582912.0f;  // rounds to the nearest whole number, which then stands in the low bits
  vec k = shifted - 12582912.0f;
  vec r = x - k * 0.693359375f + k * 2.12194440e-4f;
  vec p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  return p * (vec)(((ivec)shifted << 23) + (127 << 23));
}

INLINE vec lane_numbers(void) {
  vec lanes;
  for (int i = 0; i < WIDTH; i++) lanes[i] = (float)i;
  return lanes;
}

INLINE float across(vec v) {
  float sum = 0;
  for (int i = 0; i < WIDTH; i++) sum += v[i];
  return sum;
}

// The pixels of a tile whose middles a splat's box covers: some rows, and columns in whole vectors, in one where it fits into one.
typedef struct { int top, bottom, left, right; } VARIANT(box);
INLINE VARIANT(box) covered(const ck_splat *s, int left, int top) {
  // Rounding must not lose a pixel on the edge.
  float x = s->x - (float)left - 0.5f, y = s->y - (float)top - 0.5f, width = s->half_width + 1e-3f, height = s->half_height + 1e-3f;
  int first_row = (int)__builtin_ceilf(y - height), first_column = (int)__builtin_ceilf(x - width);
  int last_row = (int)__builtin_floorf(y + height) + 1, last_column = (int)__builtin_floorf(x + width) + 1;
  VARIANT(box) box = {
      first_row < 0 ? 0 : first_row, last_row > CK_TILE ? CK_TILE : last_row, first_column < 0 ? 0 : first_column,
      last_column > CK_TILE ? CK_TILE : last_column};
  if (box.right - box.left <= WIDTH) {
    box.left = box.left < CK_TILE - WIDTH ? box.left : CK_TILE - WIDTH;
    box.right = box.right > box.left ? box.left + 1 : box.left;
  } else {
    box.left = box.left / WIDTH * WIDTH;
  }
  return box;
}

// How opaque a splat is at each of some pixels, and where that counts.
typedef struct { vec dx, falloff, raw, alpha; ivec counts; } VARIANT(opacity);
INLINE VARIANT(opacity) opacity_at(const ck_splat *s, vec x, float dy) {
  VARIANT(opacity) o;
  o.dx = s->x - x;
  vec sigma = 0.5f * (s->a * o.dx * o.dx + s->c * (dy * dy)) + s->b * dy * o.dx;
  o.falloff = vector_exponential(-__builtin_elementwise_min(sigma, splat(80.0f)));
  o.raw = s->opacity * o.falloff;
  o.alpha = __builtin_elementwise_min(o.raw, splat(0.99f));
  o.counts = (sigma >= 0.0f) & (o.alpha >= 1.0f / 255.0f);
  return o;
}

void VARIANT(ck_splat_blend)(const ck_splat *splats, const int32_t *list, size_t count, int left, int top, float *remaining, float *sums, int32_t *last) {
  enum { PIXELS = CK_TILE * CK_TILE };
  int32_t live[PIXELS];
  for (int i = 0; i < PIXELS; i++) { remaining[i] = 1; last[i] = 0; live[i] = -1; }
  for (int i = 0; i < CK_SPLAT_COLOURS * PIXELS; i++) sums[i] = 0;
  vec lanes = lane_numbers();
  for (size_t n = 0; n < count; n++) {
    const ck_splat *s = &splats[list[n]];
    VARIANT(box) box = covered(s, left, top);
    for (int row = box.top; row < box.bottom; row++) {
      float dy = s->y - ((float)(top + row) + 0.5f);
      for (int column = box.left; column < box.right; column += WIDTH) {
        int at = row * CK_TILE + column;
        VARIANT(opacity) o = opacity_at(s, lanes + ((float)(left + column) + 0.5f), dy);
        vec now = load(remaining + at);
        ivec *alive = (ivec *)(live + at);
        ivec takes = o.counts & *alive;
        vec weight = o.alpha * now;
        ivec ends = takes & (now - weight <= 1e-4f);
        if (__builtin_expect(__builtin_reduce_or(ends) != 0, 0)) {
          *alive &= ~ends;
          takes &= ~ends;
        }
        weight = positive_part(takes, weight);
        store(remaining + at, now - weight);
        for (int c = 0; c < CK_SPLAT_COLOURS; c++) store(sums + c * PIXELS + at, load(sums + c * PIXELS + at) + weight * s->color[c]);
        ivec *place = (ivec *)(last + at);
        *place = __builtin_elementwise_max(*place, takes & ((int32_t)n + 1));
      }
    }
  }
}

void VARIANT(ck_splat_blend_gradient)(const ck_splat *splats, const int32_t *list, size_t count, int left, int top, const float *remaining, const int32_t *last, const float *output_gradient, const float *background, float *gradients) {
  enum { PIXELS = CK_TILE * CK_TILE };
  float behind[CK_SPLAT_COLOURS * PIXELS], through[PIXELS], rest[PIXELS];
  for (int i = 0; i < CK_SPLAT_COLOURS * PIXELS; i++) behind[i] = 0;
  for (int i = 0; i < PIXELS; i++) {
    through[i] = remaining[i];
    // What the light that is left at the end is worth: alpha less the background.
    float worth = output_gradient[CK_SPLAT_COLOURS * PIXELS + i];
    for (int c = 0; c < 3; c++) worth -= background[c] * output_gradient[c * PIXELS + i];
    rest[i] = remaining[i] * worth;
  }
  vec lanes = lane_numbers();
  for (size_t n = count; n-- > 0;) {
    const ck_splat *s = &splats[list[n]];
    VARIANT(box) box = covered(s, left, top);
    vec vx = {0}, vy = {0}, va = {0}, vb = {0}, vc = {0}, vo = {0}, colors[CK_SPLAT_COLOURS] = {{0}};
    for (int row = box.top; row < box.bottom; row++) {
      float dy = s->y - ((float)(top + row) + 0.5f);
      for (int column = box.left; column < box.right; column += WIDTH) {
        int at = row * CK_TILE + column;
        VARIANT(opacity) o = opacity_at(s, lanes + ((float)(left + column) + 0.5f), dy);
        ivec takes = o.counts & (*(const ivec *)(last + at) > (int32_t)n);
        vec again = 1.0f / (1.0f - o.alpha);
        vec now = choose(takes, load(through + at) * again, load(through + at));
        store(through + at, now);
        vec weight = positive_part(takes, o.alpha * now);
        vec v_alpha = load(rest + at) * again;
        for (int c = 0; c < CK_SPLAT_COLOURS; c++) {
          vec g = load(output_gradient + c * PIXELS + at), hidden = load(behind + c * PIXELS + at);
          colors[c] += weight * g;
          v_alpha += (s->color[c] * now - hidden * again) * g;
          store(behind + c * PIXELS + at, hidden + weight * s->color[c]);
        }
        // Where the cap bites nothing flows through the opacity.
        v_alpha = positive_part(takes & (o.raw <= 0.99f), v_alpha);
        vo += o.falloff * v_alpha;
        vec v_sigma = -o.raw * v_alpha;
        va += v_sigma * (0.5f * o.dx * o.dx);
        vb += v_sigma * (o.dx * dy);
        vc += v_sigma * (0.5f * dy * dy);
        vx += v_sigma * (s->a * o.dx + s->b * dy);
        vy += v_sigma * (s->b * o.dx + s->c * dy);
      }
    }
    float *g = gradients + n * CK_SPLAT_GRADIENTS;
    g[0] = across(vx); g[1] = across(vy); g[2] = across(va); g[3] = across(vb); g[4] = across(vc); g[5] = across(vo);
    for (int c = 0; c < CK_SPLAT_COLOURS; c++) g[6 + c] = across(colors[c]);
  }
}
