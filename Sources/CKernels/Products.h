// Products of matrices. C is computed in tiles of ROWS x PANEL numbers that stay in registers: each step of `k` loads
// one row of a panel of B (PANEL numbers), and multiplies it with one number of each row of A. A is read where it lies,
// or, when it is transposed, from blocks of ROWS numbers.

typedef float vec __attribute__((vector_size(WIDTH * 4), aligned(4), may_alias));
enum { PANEL = 2 * WIDTH };
// How many steps of k at once. With AVX2 a panel of B and a copied block of A then share the nearest cache.
INLINE size_t deepest(int a_transposed) { return a_transposed && WIDTH <= 8 ? 512 : 1024; }

INLINE vec load(const float *p) { return *(const vec *)p; }
INLINE void store(float *p, vec v) { *(vec *)p = v; }
INLINE vec splat(float x) { return x - (vec){0}; }

// `rows` (a constant after inlining) rows of a tile. `packed`: A is [k][ROWS]; else rows are `as` numbers apart.
INLINE void tile(const int rows, const int packed, const int far, size_t k, const float *restrict a, size_t as, const float *restrict b, size_t bs, float *restrict c, size_t cs, const float *restrict bias, int accumulate) {
  vec s0[ROWS], s1[ROWS];
  if (accumulate) {
    _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) { s0[i] = load(c + i * cs); s1[i] = load(c + i * cs + WIDTH); }
  } else if (bias) {
    vec b0 = load(bias), b1 = load(bias + WIDTH);
    _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) { s0[i] = b0; s1[i] = b1; }
  } else {
    _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) { s0[i] = (vec){0}; s1[i] = (vec){0}; }
  }
  if (packed) {
    for (size_t p = 0; p < k; p++, b += bs, a += ROWS) {
      vec b0 = load(b), b1 = load(b + WIDTH);
      _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) { float x = a[i]; s0[i] += x * b0; s1[i] += x * b1; }
    }
  } else {
    // Five pointers and two distances reach every row, and fit into registers.
    const float *a0 = a, *a3 = a + 3 * as;
    #if ROWS > 6
    const float *a6 = a + 6 * as, *a9 = a + 9 * as, *a12 = a + 12 * as;
    #endif
    size_t one = as, two = 2 * as;
    #define ROW(I, FROM, AT) if (rows > I) { float x = FROM[AT]; s0[I] += x * b0; s1[I] += x * b1; }
    for (size_t p = 0; p < k; p++, b += bs) {
      // Rows far apart are on pages of their own, which the processor does not fetch ahead by itself.
      if (far) { __builtin_prefetch(b + 24 * bs); __builtin_prefetch(b + 24 * bs + 16); }
      vec b0 = load(b), b1 = load(b + WIDTH);
      ROW(0, a0, 0) ROW(1, a0, one) ROW(2, a0, two)
      ROW(3, a3, 0) ROW(4, a3, one) ROW(5, a3, two)
      #if ROWS > 6
      ROW(6, a6, 0) ROW(7, a6, one) ROW(8, a6, two)
      ROW(9, a9, 0) ROW(10, a9, one) ROW(11, a9, two)
      ROW(12, a12, 0) ROW(13, a12, one)
      a6++; a9++; a12++;
      #endif
      a0++; a3++;
    }
    #undef ROW
  }
  _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) { store(c + i * cs, s0[i]); store(c + i * cs + WIDTH, s1[i]); }
}
// Part of a row of a tile, to where it belongs. Steps of 4 and 1 are read back from the tile's vectors without a stall.
INLINE void keep(const float *restrict from, size_t width, const float *restrict bias, int accumulate, float *restrict to) {
  typedef float vec4 __attribute__((vector_size(16), aligned(4), may_alias));
  size_t j = 0;
  for (; j + 4 <= width; j += 4) {
    vec4 v = *(const vec4 *)(from + j);
    if (bias) v += *(const vec4 *)(bias + j);
    if (accumulate) v += *(const vec4 *)(to + j);
    *(vec4 *)(to + j) = v;
  }
  _Pragma("clang loop vectorize(disable)") for (; j < width; j++) {
    float v = from[j];
    if (bias) v += bias[j];
    if (accumulate) v += to[j];
    to[j] = v;
  }
}
INLINE void some_tiles(const int far, size_t rows, size_t k, const float *a, size_t as, const float *b, size_t bs, float *c, size_t cs, const float *bias, int accumulate) {
  #define TILE(R) case R: tile(R, 0, far, k, a, as, b, bs, c, cs, bias, accumulate); break;
  for (; rows >= ROWS; rows -= ROWS, a += ROWS * as, c += ROWS * cs) tile(ROWS, 0, far, k, a, as, b, bs, c, cs, bias, accumulate);
  switch (rows) {
    TILE(1) TILE(2) TILE(3) TILE(4) TILE(5)
    #if ROWS > 6
    TILE(6) TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12) TILE(13)
    #endif
  }
  #undef TILE
}
static __attribute__((noinline)) void VARIANT(tiles)(size_t rows, size_t k, const float *a, size_t as, const float *b, size_t bs, float *c, size_t cs, const float *bias, int accumulate) {
  some_tiles(0, rows, k, a, as, b, bs, c, cs, bias, accumulate);
}
static __attribute__((noinline)) void VARIANT(far_tiles)(size_t rows, size_t k, const float *a, size_t as, const float *b, size_t bs, float *c, size_t cs, const float *bias, int accumulate) {
  some_tiles(1, rows, k, a, as, b, bs, c, cs, bias, accumulate);
}
static __attribute__((noinline)) void VARIANT(packed_tiles)(size_t rows, size_t k, const float *a, const float *b, size_t bs, float *c, size_t cs, const float *bias, int accumulate) {
  for (; rows >= ROWS; rows -= ROWS, a += ROWS * k, c += ROWS * cs) tile(ROWS, 1, 0, k, a, 0, b, bs, c, cs, bias, accumulate);
  if (rows) {  // The block is filled up with zeros: work a whole tile out, keep the rows that are wanted.
    float whole[ROWS * PANEL];
    tile(ROWS, 1, 0, k, a, 0, b, bs, whole, PANEL, bias, 0);
    for (size_t i = 0; i < rows; i++) keep(whole + i * PANEL, PANEL, 0, accumulate, c + i * cs);
  }
}

// Few rows and many columns: the product is as fast as B is read. Two panels at once read longer runs.
INLINE void wide_tile(const int rows, size_t k, const float *restrict a, size_t as, const float *restrict b, size_t bs, float *restrict c, size_t cs, const float *restrict bias, int accumulate) {
  vec s[4][4];
  _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) _Pragma("clang loop unroll(full)") for (int v = 0; v < 4; v++)
    s[i][v] = accumulate ? load(c + i * cs + v * WIDTH) : bias ? load(bias + v * WIDTH) : (vec){0};
  const float *a0 = a, *a1 = a + (rows > 1) * as, *a2 = a + 2 * (rows > 2) * as, *a3 = a + 3 * (rows > 3) * as;
  for (size_t p = 0; p < k; p++, b += bs) {
    _Pragma("clang loop unroll(full)") for (int v = 0; v < 4 * WIDTH; v += 16) __builtin_prefetch(b + 32 * bs + v);
    vec x[4];
    _Pragma("clang loop unroll(full)") for (int v = 0; v < 4; v++) x[v] = load(b + v * WIDTH);
    float f[4] = {a0[p], a1[p], a2[p], a3[p]};
    _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) _Pragma("clang loop unroll(full)") for (int v = 0; v < 4; v++) s[i][v] += f[i] * x[v];
  }
  _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) _Pragma("clang loop unroll(full)") for (int v = 0; v < 4; v++) store(c + i * cs + v * WIDTH, s[i][v]);
}
static __attribute__((noinline)) void VARIANT(wide_tiles)(size_t rows, size_t k, const float *a, size_t as, const float *b, size_t bs, float *c, size_t cs, const float *bias, int accumulate) {
  #define TILE(R) case R: wide_tile(R, k, a, as, b, bs, c, cs, bias, accumulate); break;
  switch (rows) { TILE(1) TILE(2) TILE(3) TILE(4) }
  #undef TILE
}

// Few columns and long sums: a tile of PANEL columns would be mostly zeros. Each number is a sum along k in WIDTH parts, and as
// many rows of A at once share B as registers allow.
enum { NARROW = 8 };
INLINE void narrow_tile(const int rows, const int n, size_t k, const float *restrict a, size_t as, const float *restrict b, size_t bs, float *restrict c, size_t cs, const float *restrict bias, int accumulate) {
  vec s[NARROW][NARROW];
  _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) _Pragma("clang loop unroll(full)") for (int j = 0; j < n; j++) s[i][j] = (vec){0};
  size_t p = 0;
  for (; p + WIDTH <= k; p += WIDTH) {
    vec x[NARROW];
    _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) x[i] = load(a + i * as + p);
    _Pragma("clang loop unroll(full)") for (int j = 0; j < n; j++) {
      vec y = load(b + j * bs + p);
      _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) s[i][j] += x[i] * y;
    }
  }
  _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) _Pragma("clang loop unroll(full)") for (int j = 0; j < n; j++) {
    float sum = 0;
    for (int w = 0; w < WIDTH; w++) sum += s[i][j][w];
    for (size_t q = p; q < k; q++) sum += a[i * as + q] * b[j * bs + q];
    c[i * cs + j] = sum + (accumulate ? c[i * cs + j] : bias ? bias[j] : 0);
  }
}
void VARIANT(ck_product_narrow)(size_t m, size_t n, size_t k, const float *a, size_t as, const float *b, size_t bs, float *c, size_t cs, const float *bias, int accumulate) {
  // Sums, the rows of A and one of B.
  enum { SUMS = ROWS > 6 ? 24 : 12 };
  #define COLUMNS(N) case N: { \
    enum { AT_ONCE = SUMS / N < 4 ? SUMS / N : 4 }; \
    for (; m >= AT_ONCE; m -= AT_ONCE, a += AT_ONCE * as, c += AT_ONCE * cs) narrow_tile(AT_ONCE, N, k, a, as, b, bs, c, cs, bias, accumulate); \
    for (; m > 0; m--, a += as, c += cs) narrow_tile(1, N, k, a, as, b, bs, c, cs, bias, accumulate); \
    break; }
  switch (n) { COLUMNS(1) COLUMNS(2) COLUMNS(3) COLUMNS(4) COLUMNS(5) COLUMNS(6) COLUMNS(7) COLUMNS(8) }
  #undef COLUMNS
}

// One panel of columns of the product. `width` < PANEL at the right edge only.
INLINE void panel(size_t m, size_t width, size_t k, const float *a, size_t as, int packed, const float *b, size_t bs, float *c, size_t cs, const float *bias, int accumulate) {
  if (width == PANEL) {
    if (packed) VARIANT(packed_tiles)(m, k, a, b, bs, c, cs, bias, accumulate);
    else if (bs > 256) VARIANT(far_tiles)(m, k, a, as, b, bs, c, cs, bias, accumulate);
    else VARIANT(tiles)(m, k, a, as, b, bs, c, cs, bias, accumulate);
    return;
  }
  float part[ROWS * PANEL];
  for (size_t i = 0; i < m; i += ROWS) {
    size_t rows = m - i < ROWS ? m - i : ROWS;
    if (packed) VARIANT(packed_tiles)(rows, k, a + i * k, b, bs, part, PANEL, 0, 0);
    else VARIANT(tiles)(rows, k, a + i * as, as, b, bs, part, PANEL, 0, 0);
    for (size_t r = 0; r < rows; r++) keep(part + r * PANEL, width, bias, accumulate, c + (i + r) * cs);
  }
}

// An 8 x 8 block, transposed.
typedef float vec8 __attribute__((vector_size(32), aligned(4), may_alias));
INLINE void transpose8(const float *from, size_t fs, float *to, size_t ts) {
  vec8 r[8], t[8];
  for (int i = 0; i < 8; i++) r[i] = *(const vec8 *)(from + i * fs);
  for (int i = 0; i < 8; i += 2) {
    t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
    t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  }
  for (int i = 0; i < 8; i += 4) for (int j = 0; j < 2; j++) {
    r[i + j] = __builtin_shufflevector(t[i + j], t[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
    r[i + j + 2] = __builtin_shufflevector(t[i + j], t[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
  }
  for (int j = 0; j < 4; j++) {
    *(vec8 *)(to + j * ts) = __builtin_shufflevector(r[j], r[j + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    *(vec8 *)(to + (j + 4) * ts) = __builtin_shufflevector(r[j], r[j + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}
void VARIANT(ck_transpose)(size_t rows, size_t columns, const float *from, size_t fs, float *to, size_t ts) {
  size_t i = 0;
  for (; i + 8 <= rows; i += 8) {
    size_t j = 0;
    for (; j + 8 <= columns; j += 8) transpose8(from + i * fs + j, fs, to + j * ts + i, ts);
    for (; j < columns; j++) for (size_t r = i; r < i + 8; r++) to[j * ts + r] = from[r * fs + j];
  }
  for (; i < rows; i++) for (size_t j = 0; j < columns; j++) to[j * ts + i] = from[i * fs + j];
}

// Columns `width` of B, at most a panel, as [k][PANEL], filled up with zeros.
INLINE void pack_panel(size_t k, size_t width, const float *b, size_t bs, int transposed, float *to) {
  if (width < PANEL) for (size_t i = 0; i < k * PANEL; i++) to[i] = 0;
  if (transposed) VARIANT(ck_transpose)(width, k, b, bs, to, PANEL);
  else if (width == PANEL) for (size_t p = 0; p < k; p++) { store(to + p * PANEL, load(b + p * bs)); store(to + p * PANEL + WIDTH, load(b + p * bs + WIDTH)); }
  else for (size_t p = 0; p < k; p++) keep(b + p * bs, width, 0, 0, to + p * PANEL);
}

// Panels of B that are copied together. Where rows are far apart each is on a page of its own, and of a panel of AVX2 only one
// line of the cache: four at once find the pages a quarter as often. The processor does not look ahead from page to page.
enum { TOGETHER = WIDTH <= 8 ? 4 : 1, ROWS_FOR_TOGETHER = 16, LINE = 16, LINES_AHEAD = 8 };
INLINE void pack_panels(size_t k, const float *b, size_t bs, float *to) {
  for (size_t p = 0; p < k; p++, b += bs, to += PANEL) {
    if (TOGETHER > 1) for (size_t v = 0; v < TOGETHER * PANEL; v += LINE) __builtin_prefetch(b + LINES_AHEAD * bs + v);
    _Pragma("clang loop unroll(full)") for (size_t v = 0; v < 2 * TOGETHER; v++) store(to + v / 2 * k * PANEL + v % 2 * WIDTH, load(b + v * WIDTH));
  }
}
size_t VARIANT(ck_packed_size)(size_t k, size_t n) { return (n + PANEL - 1) / PANEL * PANEL * k; }
void VARIANT(ck_pack)(size_t k, size_t n, const float *b, size_t bs, int transposed, float *to) {
  for (size_t j = 0; j < n; j += PANEL) pack_panel(k, n - j < PANEL ? n - j : PANEL, transposed ? b + j * bs : b + j, bs, transposed, to + j * k);
}
void VARIANT(ck_product_packed)(size_t m, size_t n, size_t k, const float *a, size_t as, const float *packed, size_t depth, float *c, size_t cs, const float *bias, int accumulate) {
  for (size_t j = 0; j < n; j += PANEL) panel(m, n - j < PANEL ? n - j : PANEL, k, a, as, 0, packed + j * depth, PANEL, c + j, cs, bias ? bias + j : 0, accumulate);
}

// The rows of a transposed A in blocks of ROWS, [k][ROWS] each, filled up with zeros. Several blocks at once: a row of k is
// far from the next, on a page of its own, and has the numbers of all of them.
INLINE void pack_rows(size_t m, size_t k, const float *a, size_t as, float *to) {
  enum { BLOCKS = ROWS > 6 ? 1 : 8, TAIL = (ROWS + WIDTH - 1) / WIDTH * WIDTH };
  size_t i = 0;
  // Whole vectors where more columns follow: what is too much is overwritten by the next row, or by the next block.
  for (; i + (BLOCKS - 1) * ROWS + TAIL <= m; i += BLOCKS * ROWS) {
    const float *from = a + i;
    float *block = to + i * k;
    for (size_t q = 0; q + 1 < k; q++, from += as, block += ROWS) {
      if (BLOCKS > 1) for (size_t v = 0; v <= BLOCKS * ROWS; v += LINE) __builtin_prefetch(from + LINES_AHEAD * as + v);
      _Pragma("clang loop unroll(full)") for (size_t b = 0; b < BLOCKS; b++)
        _Pragma("clang loop unroll(full)") for (size_t r = 0; r < ROWS; r += WIDTH) store(block + b * ROWS * k + r, load(from + b * ROWS + r));
    }
    for (size_t b = 0; b < BLOCKS; b++) for (size_t r = 0; r < ROWS; r++) block[b * ROWS * k + r] = from[b * ROWS + r];
  }
  for (; i < m; i += ROWS) {
    size_t count = m - i < ROWS ? m - i : ROWS;
    float *block = to + i * k;
    const float *from = a + i;
    if (count < ROWS) for (size_t q = 0; q < k * ROWS; q++) block[q] = 0;
    if (i + TAIL <= m)
      for (size_t q = 0; q < k; q++, from += as) for (size_t r = 0; r < ROWS; r += WIDTH) store(block + q * ROWS + r, load(from + r));
    else
      for (size_t q = 0; q < k; q++, from += as) for (size_t r = 0; r < count; r++) block[q * ROWS + r] = from[r];
  }
}

size_t VARIANT(ck_product_scratch)(size_t m, size_t k, int a_transposed) {
  size_t most = deepest(a_transposed), depth = k < most ? k : most;
  return depth * PANEL * TOGETHER + (a_transposed ? (m + ROWS - 1) / ROWS * ROWS * depth + WIDTH : 0);
}
void VARIANT(ck_product)(size_t m, size_t n, size_t k, const float *a, size_t as, int a_transposed, const float *b, size_t bs, int b_transposed, float *c, size_t cs, const float *bias, int accumulate, float *scratch) {
  size_t most = deepest(a_transposed), blocks = (k + most - 1) / most, depth = (k + blocks - 1) / blocks;
  float *columns = scratch, *rows = scratch + depth * PANEL * TOGETHER;
  for (size_t p = 0; p < k; p += depth) {
    size_t now = k - p < depth ? k - p : depth;
    const float *left = a_transposed ? rows : a + p;
    if (a_transposed) pack_rows(m, now, a + p * as, as, rows);
    for (size_t j = 0, panels; j < n; j += panels * PANEL) {
      size_t width = n - j < PANEL ? n - j : PANEL;
      panels = 1;
      const float *right = b_transposed ? b + j * bs + p : b + p * bs + j;
      size_t step = bs;
      if (m <= 4 && !a_transposed && !b_transposed && n - j >= 2 * PANEL) {
        VARIANT(wide_tiles)(m, now, left, as, right, bs, c + j, cs, bias && p == 0 ? bias + j : 0, accumulate || p > 0);
        panels = 2;
        continue;
      }
      // Packing pays when several tiles read the panel; with few rows it is read once, where it lies.
      if (b_transposed || width < PANEL || m > ROWS) {
        if (!b_transposed && m >= ROWS_FOR_TOGETHER && n - j >= TOGETHER * PANEL) pack_panels(now, right, bs, columns), panels = TOGETHER;
        else pack_panel(now, width, right, bs, b_transposed, columns);
        right = columns;
        step = PANEL;
      }
      for (size_t i = 0, at = j; i < panels; i++, at += PANEL)
        panel(m, width, now, left, as, a_transposed, right + i * now * PANEL, step, c + at, cs, bias && p == 0 ? bias + at : 0, accumulate || p > 0);
    }
  }
}
