// AdamW over all parameters at once, and the sum of squares that clips the gradients.
#include "Dialect.h"
#include "Arguments.h"

KERNEL_PLAIN(cuda_adamw, cuda_adamw_arguments) {
  cuda_adamw_piece piece = a.pieces[blockIdx.x];
  cuda_adamw_group group = a.groups[piece.group];
  float scale = *a.scale;
  if (scale != scale) return;
  float step = group.rate / group.correction1, root = 1.0f / sqrtf(group.correction2), keep = 1.0f - group.rate * group.decay;
  float beta1 = a.beta1, beta2 = a.beta2, epsilon = a.epsilon;
  auto update = [=](float &value, float &first, float &second, float gradient) {
    float d = gradient * scale;
    first = beta1 * first + (1.0f - beta1) * d;
    second = beta2 * second + (1.0f - beta2) * d * d;
    value = value * keep - step * first / (sqrtf(second) * root + epsilon);
  };
  bool in_fours = aligned(piece.values) && aligned(piece.first) && aligned(piece.second) && aligned(piece.gradient) && aligned(piece.average);
  int fours = in_fours ? piece.count / 4 : 0;
  for (int i = threadIdx.x; i < fours; i += 256) {
    float4 value = ((float4 *)piece.values)[i], first = ((float4 *)piece.first)[i], second = ((float4 *)piece.second)[i];
    float4 gradient = ((const float4 *)piece.gradient)[i];
    update(value.x, first.x, second.x, gradient.x);
    update(value.y, first.y, second.y, gradient.y);
    update(value.z, first.z, second.z, gradient.z);
    update(value.w, first.w, second.w, gradient.w);
    ((float4 *)piece.values)[i] = value;
    ((float4 *)piece.first)[i] = first;
    ((float4 *)piece.second)[i] = second;
    if (piece.average) {
      float4 mean = ((float4 *)piece.average)[i];
      mean.x += (value.x - mean.x) * group.share;
      mean.y += (value.y - mean.y) * group.share;
      mean.z += (value.z - mean.z) * group.share;
      mean.w += (value.w - mean.w) * group.share;
      ((float4 *)piece.average)[i] = mean;
    }
  }
  for (int i = 4 * fours + threadIdx.x; i < piece.count; i += 256) {
    float value = piece.values[i], first = piece.first[i], second = piece.second[i];
    update(value, first, second, piece.gradient[i]);
    piece.values[i] = value;
    piece.first[i] = first;
    piece.second[i] = second;
    if (piece.average) piece.average[i] += (value - piece.average[i]) * group.share;
  }
}

KERNEL_BOUNDS(cuda_sum_of_squares, cuda_sum_of_squares_arguments, 256, 4) {
  SHARED(double, parts, [8]);
  cuda_squares_piece piece = a.pieces[blockIdx.x];
  double sum = 0, second = 0;
  long long i = threadIdx.x;
  for (; i + 256 < piece.count; i += 512) {
    double v = piece.values[i], w = piece.values[i + 256];
    sum += v * v;
    second += w * w;
  }
  if (i < piece.count) {
    double v = piece.values[i];
    sum += v * v;
  }
  double all = block_sum(sum + second, parts);
  if (threadIdx.x == 0) a.sums[blockIdx.x] = all;
}

KERNEL_BOUNDS(cuda_total, cuda_total_arguments, 256, 1) {
  SHARED(double, parts, [8]);
  double sum = 0;
  for (long long i = threadIdx.x; i < a.count; i += 256) sum += a.sums[i];
  double all = block_sum(sum, parts);
  if (threadIdx.x == 0) *a.total = all;
}

KERNEL_BOUNDS(cuda_clip, cuda_clip_arguments, 256, 1) {
  SHARED(double, parts, [8]);
  double sum = 0;
  for (long long i = threadIdx.x; i < a.count; i += 256) sum += a.sums[i];
  double all = block_sum(sum, parts);
  if (threadIdx.x != 0) return;
  float norm = (float)sqrt(all), loss = *a.loss;
  a.log[2 * *a.row] = loss;
  a.log[2 * *a.row + 1] = norm;
  float *failed = &a.log[2 * a.rows];
  if (!is_finite(loss) || !is_finite(norm)) *failed = 1;
  *a.factor = *failed != 0 ? NAN : smaller_of(1.0f, a.maximum / (norm + 1e-6f));
}
