// Colors of Gaussians by direction: see Sources/Tensors/CPU/SphericalHarmonics.swift.
#include "Dialect.h"
#include "Arguments.h"

struct Vector {
  float x, y, z;
};
DEVICE Vector at(const float *from, long long i) { return {from[3 * i], from[3 * i + 1], from[3 * i + 2]}; }
DEVICE void put(float *to, long long i, Vector v) {
  to[3 * i] = v.x;
  to[3 * i + 1] = v.y;
  to[3 * i + 2] = v.z;
}
DEVICE void add(Vector &sum, float factor, float x, float y, float z) {
  sum.x += factor * x;
  sum.y += factor * y;
  sum.z += factor * z;
}

// Of degree 0: the same in all directions.
DEVICE float flat() { return 0.28209479177387814f; }

// The direction from the camera, and 1 by the distance; both 0 where there is none.
struct Direction {
  Vector way;
  float closeness;
};
DEVICE Direction direction(const float *means, long long i, const float *camera) {
  Vector way = {means[3 * i] - camera[0], means[3 * i + 1] - camera[1], means[3 * i + 2] - camera[2]};
  float squared = way.x * way.x + way.y * way.y + way.z * way.z;
  if (squared < 1.17549435e-38f) return {{0, 0, 0}, 0};
  float closeness = 1.0f / sqrtf(squared);
  return {{way.x * closeness, way.y * closeness, way.z * closeness}, closeness};
}

// Calls `each` with the number and the value of every harmonic below `terms`.
template <class Each> DEVICE void harmonics(Vector d, int terms, Each each_harmonic) {
  float x = d.x, y = d.y, z = d.z;
  each_harmonic(0, flat());
  if (terms <= 1) return;
  each_harmonic(1, -0.4886025119029199f * y);
  each_harmonic(2, 0.4886025119029199f * z);
  each_harmonic(3, -0.4886025119029199f * x);
  if (terms <= 4) return;
  float xx = x * x, yy = y * y, zz = z * z;
  each_harmonic(4, 1.0925484305920792f * (x * y));
  each_harmonic(5, -1.0925484305920792f * (y * z));
  each_harmonic(6, 0.31539156525252005f * (2 * zz - xx - yy));
  each_harmonic(7, -1.0925484305920792f * (x * z));
  each_harmonic(8, 0.5462742152960396f * (xx - yy));
  if (terms <= 9) return;
  each_harmonic(9, -0.5900435899266435f * (y * (3 * xx - yy)));
  each_harmonic(10, 2.890611442640554f * (x * y * z));
  each_harmonic(11, -0.4570457994644658f * (y * (4 * zz - xx - yy)));
  each_harmonic(12, 0.3731763325901154f * (z * (2 * zz - 3 * xx - 3 * yy)));
  each_harmonic(13, -0.4570457994644658f * (x * (4 * zz - xx - yy)));
  each_harmonic(14, 1.445305721320277f * (z * (xx - yy)));
  each_harmonic(15, -0.5900435899266435f * (x * (xx - 3 * yy)));
}

DEVICE long long gaussian() { return (long long)blockIdx.x * 256 + threadIdx.x; }

KERNEL_PLAIN(cuda_harmonic_colors, cuda_harmonic_colors_arguments) {
  long long i = gaussian();
  if (i >= a.count) return;
  Vector color = {0.5f, 0.5f, 0.5f};
  harmonics(direction(a.means, i, a.camera).way, a.terms, [&](int term, float value) {
    Vector c = at(a.coefficients, i * a.terms + term);
    add(color, value, c.x, c.y, c.z);
  });
  put(a.colors, i, {color.x < 0 ? 0 : color.x, color.y < 0 ? 0 : color.y, color.z < 0 ? 0 : color.z});
}

// What arrives at a color passes unless it was clamped.
DEVICE Vector passed(const float *dcolors, const float *colors, long long i) {
  Vector above = at(dcolors, i), color = at(colors, i);
  return {color.x <= 0 ? 0 : above.x, color.y <= 0 ? 0 : above.y, color.z <= 0 ? 0 : above.z};
}

KERNEL_PLAIN(cuda_harmonic_coefficient_gradient, cuda_harmonic_coefficient_gradient_arguments) {
  long long i = gaussian();
  if (i >= a.count) return;
  Vector above = passed(a.dcolors, a.colors, i);
  harmonics(direction(a.means, i, a.camera).way, a.terms, [&](int term, float value) {
    put(a.dcoefficients, i * a.terms + term, {value * above.x, value * above.y, value * above.z});
  });
}

KERNEL_PLAIN(cuda_harmonic_mean_gradient, cuda_harmonic_mean_gradient_arguments) {
  long long i = gaussian();
  if (i >= a.count) return;
  Direction d = direction(a.means, i, a.camera);
  Vector above = passed(a.dcolors, a.colors, i), sum = {0, 0, 0};
  // How much the gradient of each polynomial counts.
  auto weight = [&](int term, float constant) {
    Vector c = at(a.coefficients, i * a.terms + term);
    return constant * (above.x * c.x + above.y * c.y + above.z * c.z);
  };
  float x = d.way.x, y = d.way.y, z = d.way.z;
  if (a.terms > 1) {
    add(sum, weight(1, -0.4886025119029199f), 0, 1, 0);
    add(sum, weight(2, 0.4886025119029199f), 0, 0, 1);
    add(sum, weight(3, -0.4886025119029199f), 1, 0, 0);
  }
  if (a.terms > 4) {
    add(sum, weight(4, 1.0925484305920792f), y, x, 0);
    add(sum, weight(5, -1.0925484305920792f), 0, z, y);
    add(sum, 2 * weight(6, 0.31539156525252005f), -x, -y, 2 * z);
    add(sum, weight(7, -1.0925484305920792f), z, 0, x);
    add(sum, 2 * weight(8, 0.5462742152960396f), x, -y, 0);
  }
  if (a.terms > 9) {
    float xx = x * x, yy = y * y, zz = z * z, xy = x * y, yz = y * z, xz = x * z;
    add(sum, 3 * weight(9, -0.5900435899266435f), 2 * xy, xx - yy, 0);
    add(sum, weight(10, 2.890611442640554f), yz, xz, xy);
    add(sum, weight(11, -0.4570457994644658f), -2 * xy, 4 * zz - xx - 3 * yy, 8 * yz);
    add(sum, 3 * weight(12, 0.3731763325901154f), -2 * xz, -2 * yz, 2 * zz - xx - yy);
    add(sum, weight(13, -0.4570457994644658f), 4 * zz - 3 * xx - yy, -2 * xy, 8 * xz);
    add(sum, weight(14, 1.445305721320277f), 2 * xz, -2 * yz, xx - yy);
    add(sum, 3 * weight(15, -0.5900435899266435f), xx - yy, -2 * xy, 0);
  }
  // Nothing along the direction.
  float along = sum.x * x + sum.y * y + sum.z * z;
  put(a.dmeans, i, {d.closeness * (sum.x - along * x), d.closeness * (sum.y - along * y), d.closeness * (sum.z - along * z)});
}
