#pragma once

// Products in double, with factors rounded as tensor cores round them.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace fake {

inline uint32_t bits(float value) {
  uint32_t result;
  memcpy(&result, &value, 4);
  return result;
}

inline float number(uint32_t bits) {
  float result;
  memcpy(&result, &bits, 4);
  return result;
}

/// 10 bits of mantissa; to the nearest, ties away from zero.
inline float roundedToTF32(float value) {
  return std::isfinite(value) ? number((bits(value) + 0x1000u) & ~0x1FFFu) : value;
}

/// 7 bits of mantissa; to the nearest, ties to even.
inline uint16_t bfloat16(float value) {
  if (std::isnan(value)) return 0x7FC0;
  uint32_t b = bits(value);
  return uint16_t((b + 0x7FFFu + (b >> 16 & 1)) >> 16);
}

inline float fromBFloat16(uint16_t value) { return number(uint32_t(value) << 16); }

enum class Rounding { none, tf32, bfloat16 };

inline double rounded(float value, Rounding rounding) {
  switch (rounding) {
    case Rounding::none: return value;
    case Rounding::tf32: return roundedToTF32(value);
    case Rounding::bfloat16: return fromBFloat16(bfloat16(value));
  }
  return value;
}

/// `put(i, j, sum over l of a(i, l) b(l, j))` for all i < m, j < n: in order of l, so the result depends on nothing else.
template <class A, class B, class Put> void multiply(size_t m, size_t n, size_t k, A a, B b, Put put) {
  typedef double Four __attribute__((vector_size(32)));
  size_t panels = (n + 3) / 4;
  std::vector<double> right(panels * 4 * k, 0.0), left(4 * k);
  for (size_t l = 0; l < k; l++)
    for (size_t j = 0; j < n; j++) right[(j / 4 * k + l) * 4 + j % 4] = b(l, j);
  for (size_t i = 0; i < m; i += 4) {
    size_t rows = std::min<size_t>(4, m - i);
    for (size_t r = 0; r < 4; r++)
      for (size_t l = 0; l < k; l++) left[4 * l + r] = r < rows ? a(i + r, l) : 0;
    for (size_t p = 0; p < panels; p++) {
      const double *from = &right[p * k * 4], *with = left.data();
      Four sums[4] = {};
      for (size_t l = 0; l < k; l++, from += 4, with += 4) {
        Four row;
        memcpy(&row, from, sizeof row);
        for (int r = 0; r < 4; r++) sums[r] += row * with[r];
      }
      for (size_t r = 0; r < rows; r++)
        for (size_t j = 4 * p; j < std::min(n, 4 * p + 4); j++) put(i + r, j, sums[r][j % 4]);
    }
  }
}

}  // namespace fake
