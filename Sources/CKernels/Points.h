// Distances between points in space. x, y and z are arrays of their own.

typedef int32_t ivec __attribute__((vector_size(WIDTH * 4), aligned(4), may_alias));

// d becomes the smaller of itself and the squared distance to p; returns the place of the largest, the first of equals.
size_t VARIANT(ck_farthest)(const float *restrict x, const float *restrict y, const float *restrict z, float px, float py, float pz, float *restrict d, size_t n) {
  enum { BLOCK = 256 };
  size_t found = 0;
  int32_t largest = -1;
  for (size_t first = 0; first < n; first += BLOCK) {
    size_t end = first + BLOCK < n ? first + BLOCK : n;
    // Numbers that are not negative are in the order of their bits, and a maximum of whole numbers needs no care.
    int32_t here = -1;
    for (size_t i = first; i < end; i++) {
      float dx = x[i] - px, dy = y[i] - py, dz = z[i] - pz;
      float new = dx * dx + dy * dy + dz * dz;
      float old = d[i];
      new = new < old ? new : old;
      d[i] = new;
      int32_t bits = to_bits(new);
      here = bits > here ? bits : here;
    }
    if (here > largest) {
      largest = here;
      found = first;
    }
  }
  for (size_t i = found; i < n; i++)
    if (to_bits(d[i]) == largest) return i;
  return 0;
}

// The squared distances of n points to p, each axis counted by its weight.
void VARIANT(ck_distances)(const float *restrict p, const float *restrict weights, const float *restrict x, const float *restrict y, const float *restrict z, size_t n, float *restrict to) {
  float px = p[0], py = p[1], pz = p[2], wx = weights[0], wy = weights[1], wz = weights[2];
  for (size_t i = 0; i < n; i++) {
    float dx = x[i] - px, dy = y[i] - py, dz = z[i] - pz;
    to[i] = wx * dx * dx + wy * dy * dy + wz * dz * dz;
  }
}

// For each of n points a the squared distance to the nearest of m points b, and its place, the first of equals.
void VARIANT(ck_nearest)(const float *ax, const float *ay, const float *az, size_t n, const float *bx, const float *by, const float *bz, size_t m, float *distance, int32_t *place) {
  size_t i = 0;
  for (; i + 2 * WIDTH <= n; i += 2 * WIDTH) {
    vec x0 = load(ax + i), y0 = load(ay + i), z0 = load(az + i);
    vec x1 = load(ax + i + WIDTH), y1 = load(ay + i + WIDTH), z1 = load(az + i + WIDTH);
    vec best0 = splat(__builtin_inff()), best1 = best0;
    ivec place0 = {0}, place1 = {0};
    for (size_t j = 0; j < m; j++) {
      vec x = splat(bx[j]), y = splat(by[j]), z = splat(bz[j]);
      ivec number = (int32_t)j - (ivec){0};
      vec dx0 = x0 - x, dy0 = y0 - y, dz0 = z0 - z, dx1 = x1 - x, dy1 = y1 - y, dz1 = z1 - z;
      vec d0 = dx0 * dx0 + dy0 * dy0 + dz0 * dz0, d1 = dx1 * dx1 + dy1 * dy1 + dz1 * dz1;
      ivec nearer0 = d0 < best0, nearer1 = d1 < best1;
      best0 = (vec)((nearer0 & (ivec)d0) | (~nearer0 & (ivec)best0));
      best1 = (vec)((nearer1 & (ivec)d1) | (~nearer1 & (ivec)best1));
      place0 = (nearer0 & number) | (~nearer0 & place0);
      place1 = (nearer1 & number) | (~nearer1 & place1);
    }
    store(distance + i, best0);
    store(distance + i + WIDTH, best1);
    *(ivec *)(place + i) = place0;
    *(ivec *)(place + i + WIDTH) = place1;
  }
  for (; i < n; i++) {
    distance[i] = __builtin_inff();
    place[i] = 0;
    for (size_t j = 0; j < m; j++) {
      float dx = ax[i] - bx[j], dy = ay[i] - by[j], dz = az[i] - bz[j];
      float d = dx * dx + dy * dy + dz * dz;
      if (d < distance[i]) {
        distance[i] = d;
        place[i] = (int32_t)j;
      }
    }
  }
}
