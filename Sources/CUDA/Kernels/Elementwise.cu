// Number by number. Formulas as in CKernels/Loops.h, with the exact functions in place of their approximations there.
#include "Dialect.h"
#include "Arguments.h"

// Half of erfc keeps its digits where 1 + erf loses them.
DEVICE float normal_share(float v) { return 0.5f * erfcf(v * -0.707106781f); }
// (1 + tanh u) / 2 is sigmoid(2u).
DEVICE float tanh_argument(float v) { return 0.797884561f * (v + 0.044715f * v * v * v); }
DEVICE float tanh_share(float v) { return 1.0f / (1.0f + expf(-2.0f * tanh_argument(v))); }

KERNEL_PLAIN(cuda_unary, cuda_unary_arguments) {
#define UNARY(EXPRESSION) map(a.x, a.y, a.count, [](float v) -> float { return EXPRESSION; }); break
  switch (a.operation) {
    case cuda_exp: UNARY(expf(v));
    case cuda_log: UNARY(logf(v));
    case cuda_sqrt: UNARY(sqrtf(v));
    case cuda_square: UNARY(v * v);
    case cuda_absolute: UNARY(v < 0 ? -v : v);
    case cuda_sine: UNARY(sinf(v));
    case cuda_cosine: UNARY(cosf(v));
    case cuda_reciprocal: UNARY(1.0f / v);
    case cuda_relu: UNARY(v < 0 ? 0 : v);
    case cuda_gelu: UNARY(v * normal_share(v));
    case cuda_gelu_tanh: UNARY(v * tanh_share(v));
    case cuda_silu: UNARY(v * logistic(v));
    case cuda_mish: UNARY(v * mish_factor(v));
    case cuda_softplus: UNARY((v < 0 ? 0 : v) + log1pf(expf(v < 0 ? v : -v)));
    case cuda_tanh: UNARY(tanhf(v));
    case cuda_sigmoid: UNARY(logistic(v));
  }
#undef UNARY
}

DEVICE float gelu_slope(float v) { return normal_share(v) + v * 0.398942280f * small_exponential(-0.5f * v * v); }
DEVICE float gelu_tanh_slope(float v) {
  float share = tanh_share(v);
  return share + v * 2.0f * share * (1.0f - share) * 0.797884561f * (1.0f + 0.134145f * v * v);
}
// 1 - t^2 without losing the digits of t near 1.
DEVICE float tanh_slope(float v) {
  float e = expf(-2.0f * (v < 0 ? -v : v)), d = 1.0f + e;
  return 4.0f * e / (d * d);
}
DEVICE float sigmoid_slope(float v) {
  float e = expf(v < 0 ? v : -v), d = 1.0f + e;
  return e / (d * d);
}

KERNEL_PLAIN(cuda_unary_gradient, cuda_unary_gradient_arguments) {
#define SLOPE(EXPRESSION) map(a.x, a.dy, a.dx, a.count, [](float v, float above) -> float { return above * (EXPRESSION); }); break
  switch (a.operation) {
    case cuda_exp: SLOPE(expf(v));
    case cuda_log: SLOPE(1.0f / v);
    case cuda_sqrt: SLOPE(0.5f / sqrtf(v));
    case cuda_square: SLOPE(2.0f * v);
    case cuda_absolute: SLOPE(v > 0 ? 1.0f : (v < 0 ? -1.0f : 0.0f));
    case cuda_sine: SLOPE(cosf(v));
    case cuda_cosine: SLOPE(-sinf(v));
    case cuda_reciprocal: SLOPE(-1.0f / (v * v));
    case cuda_relu: SLOPE(v > 0 ? 1.0f : 0.0f);
    case cuda_gelu: SLOPE(gelu_slope(v));
    case cuda_gelu_tanh: SLOPE(gelu_tanh_slope(v));
    case cuda_silu: SLOPE(silu_slope(v));
    case cuda_mish: SLOPE(mish_slope(v));
    case cuda_softplus: SLOPE(logistic(v));
    case cuda_tanh: SLOPE(tanh_slope(v));
    case cuda_sigmoid: SLOPE(sigmoid_slope(v));
  }
#undef SLOPE
}

// One loop for each operation: `run` takes the function.
template <class Run> DEVICE void with_operation(int operation, Run run) {
  switch (operation) {
    case cuda_add: run([](float x, float y) -> float { return x + y; }); break;
    case cuda_subtract: run([](float x, float y) -> float { return x - y; }); break;
    case cuda_multiply: run([](float x, float y) -> float { return x * y; }); break;
    case cuda_divide: run([](float x, float y) -> float { return x / y; }); break;
    case cuda_maximum: run([](float x, float y) -> float { return x > y ? x : y; }); break;
    case cuda_minimum: run([](float x, float y) -> float { return x < y ? x : y; }); break;
  }
}

KERNEL_PLAIN(cuda_binary_scalar, cuda_binary_scalar_arguments) {
  float number = a.number;
  with_operation(a.operation, [&](auto f) {
    map(a.x, a.y, a.count, [=](float v) { return f(v, number); });
  });
}

struct Offsets {
  long long left, right;
};
// Where the factors of a result's number lie.
template <class Index> DEVICE Offsets offsets(const cuda_binary_arguments &a, Index i) {
  Index left = 0, right = 0;
  along_axes(a, i, [&](int axis, Index place) {
    left += place * (Index)a.left[axis];
    right += place * (Index)a.right[axis];
  });
  return {(long long)left, (long long)right};
}

DEVICE float4 four_at(const float *from, long long offset, bool moves) {
  if (moves) return *(const float4 *)(from + offset);
  float v = from[offset];
  return {v, v, v, v};
}

KERNEL_PLAIN(cuda_binary, cuda_binary_arguments) {
  if (a.axes == 0) {
    with_operation(a.operation, [&](auto f) { map(a.a, a.b, a.y, a.count, f); });
    return;
  }
  // Fours lie within one run of the innermost axis, and begin at whole fours there.
  bool moves_left = a.left[0] == 1, moves_right = a.right[0] == 1, in_fours = a.sizes[0] % 4 == 0 && aligned(a.y) && a.count < 1ll << 32;
  if (!(moves_left ? aligned(a.a) : a.left[0] == 0) || !(moves_right ? aligned(a.b) : a.right[0] == 0)) in_fours = false;
  UNROLL for (int axis = 1; axis < cuda_axes; axis++) {
    if (axis >= a.axes) break;
    if ((moves_left && a.left[axis] % 4 != 0) || (moves_right && a.right[axis] % 4 != 0)) in_fours = false;
  }
  with_operation(a.operation, [&](auto f) {
    if (in_fours) {
      each(a.count / 4, [&](auto i) {
        Offsets at = offsets(a, i * 4);
        float4 x = four_at(a.a, at.left, moves_left), z = four_at(a.b, at.right, moves_right), y;
        y.x = f(x.x, z.x); y.y = f(x.y, z.y); y.z = f(x.z, z.z); y.w = f(x.w, z.w);
        ((float4 *)a.y)[i] = y;
      });
    } else {
      each(a.count, [&](auto i) {
        Offsets at = offsets(a, i);
        a.y[i] = f(a.a[at.left], a.b[at.right]);
      });
    }
  });
}

KERNEL_PLAIN(cuda_mask, cuda_mask_arguments) {
  each(a.count, [&](auto i) {
    float x = a.a[i], z = a.b[i];
    a.mask[i] = (a.smaller ? x <= z : x >= z) ? 1.0f : 0.0f;
  });
}

KERNEL_PLAIN(cuda_clamp_gradient, cuda_clamp_gradient_arguments) {
  float low = a.low, high = a.high;
  map(a.x, a.dy, a.dx, a.count, [=](float v, float above) { return v >= low && v <= high ? above : 0.0f; });
}

KERNEL_PLAIN(cuda_fill, cuda_fill_arguments) {
  each_four(
      aligned(a.y), a.count, [&](long long i) { ((float4 *)a.y)[i] = {a.value, a.value, a.value, a.value}; },
      [&](long long i) { a.y[i] = a.value; });
}

KERNEL_PLAIN(cuda_accumulate, cuda_accumulate_arguments) {
  map(a.y, a.a, a.y, a.count, [](float sum, float v) { return sum + v; });
}

KERNEL_PLAIN(cuda_mix, cuda_mix_arguments) {
  float share = a.share;
  map(a.y, a.b, a.y, a.count, [=](float y, float b) { return y + (b - y) * share; });
}
