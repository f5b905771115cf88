// Windows of images as rows of a matrix, and back. Filters change their layout by cuda_transpose.
#include "Dialect.h"
#include "Arguments.h"

template <class Index> DEVICE void patches(const cuda_patches_arguments &a, Index i, Index run) {
  // `run` numbers side by side: one, or four of the channels.
  Index channels = (Index)a.channels / run;
  Index tap = i / channels, pixel = tap / (Index)(a.kernel_height * a.kernel_width);
  int channel = (int)(i - tap * channels) * (int)run, in_window = (int)(tap - pixel * (Index)(a.kernel_height * a.kernel_width));
  Index line = pixel / (Index)a.columns, image = line / (Index)a.rows;
  int y = (int)(line - image * (Index)a.rows) * a.stride_y - a.padding_y + in_window / a.kernel_width;
  int x = (int)(pixel - line * (Index)a.columns) * a.stride_x - a.padding_x + in_window % a.kernel_width;
  bool inside = y >= 0 && y < a.height && x >= 0 && x < a.width;
  const float *from = a.from + (((long long)image * a.height + y) * a.width + x) * a.channels + channel;
  if (run == 4) ((float4 *)a.to)[i] = inside ? *(const float4 *)from : float4{0, 0, 0, 0};
  else a.to[i] = inside ? *from : 0.0f;
}

KERNEL_PLAIN(cuda_patches, cuda_patches_arguments) {
  long long count = a.images * a.rows * a.columns * a.kernel_height * a.kernel_width * a.channels;
  if (a.channels % 4 == 0 && aligned(a.from) && aligned(a.to)) each(count / 4, [&](auto i) { patches(a, i, (decltype(i))4); });
  else each(count, [&](auto i) { patches(a, i, (decltype(i))1); });
}

template <class Index> DEVICE void patches_back(const cuda_patches_back_arguments &a, Index i, Index run) {
  Index channels = (Index)a.channels / run;
  Index pixel = i / channels, line = pixel / (Index)a.width, image = line / (Index)a.height;
  int channel = (int)(i - pixel * channels) * (int)run;
  int y = (int)(line - image * (Index)a.height) + a.padding_y, x = (int)(pixel - line * (Index)a.width) + a.padding_x;
  int last_row = smaller_of(y / a.stride_y, a.rows - 1), last_column = smaller_of(x / a.stride_x, a.columns - 1);
  float4 sum = {0, 0, 0, 0};
  for (int row = first_window(y, a.kernel_height, a.stride_y); row <= last_row; row++)
    for (int column = first_window(x, a.kernel_width, a.stride_x); column <= last_column; column++) {
      long long window = ((long long)image * a.rows + row) * a.columns + column;
      int tap = (y - row * a.stride_y) * a.kernel_width + x - column * a.stride_x;
      const float *from = a.from + (window * a.kernel_height * a.kernel_width + tap) * a.channels + channel;
      if (run == 4) {
        float4 v = *(const float4 *)from;
        sum.x += v.x; sum.y += v.y; sum.z += v.z; sum.w += v.w;
      } else {
        sum.x += *from;
      }
    }
  if (run == 4) ((float4 *)a.to)[i] = sum;
  else a.to[i] = sum.x;
}

KERNEL_PLAIN(cuda_patches_back, cuda_patches_back_arguments) {
  long long count = a.images * a.height * a.width * a.channels;
  if (a.channels % 4 == 0 && aligned(a.to) && aligned(a.from)) each(count / 4, [&](auto i) { patches_back(a, i, (decltype(i))4); });
  else each(count, [&](auto i) { patches_back(a, i, (decltype(i))1); });
}
