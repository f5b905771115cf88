// The largest of windows, channels last.
#include "Dialect.h"
#include "Arguments.h"

KERNEL_PLAIN(cuda_max_pool, cuda_max_pool_arguments) {
  each(a.images * a.rows * a.columns * a.channels, [&](auto i) {
    auto pixel = i / a.channels, line = pixel / a.columns, image = line / a.rows;
    int channel = (int)(i - pixel * a.channels), column = (int)(pixel - line * a.columns), row = (int)(line - image * a.rows);
    const float *from = a.x + (long long)image * a.height * a.width * a.channels + channel;
    int top = row * a.stride - a.padding, left = column * a.stride - a.padding;
    int bottom = smaller_of(top + a.size, a.height), right = smaller_of(left + a.size, a.width);
    float best = 0;
    bool first = true;
    for (int y = larger_of(top, 0); y < bottom; y++)
      for (int x = larger_of(left, 0); x < right; x++) {
        float v = from[((long long)y * a.width + x) * a.channels];
        best = first || v > best ? v : best;
        first = false;
      }
    a.y[i] = best;
  });
}

KERNEL_PLAIN(cuda_max_pool_gradient, cuda_max_pool_gradient_arguments) {
  each(a.images * a.height * a.width * a.channels, [&](auto i) {
    auto pixel = i / a.channels, line = pixel / a.width, image = line / a.height;
    int channel = (int)(i - pixel * a.channels), x = (int)(pixel - line * a.width), y = (int)(line - image * a.height);
    const float *from = a.x + (long long)image * a.height * a.width * a.channels + channel;
    long long result = (long long)image * a.rows * a.columns * a.channels + channel;
    float own = a.x[i], sum = 0;
    // The windows over this pixel, in order.
    int last_row = smaller_of((y + a.padding) / a.stride, a.rows - 1), last_column = smaller_of((x + a.padding) / a.stride, a.columns - 1);
    for (int row = first_window(y + a.padding, a.size, a.stride); row <= last_row; row++)
      for (int column = first_window(x + a.padding, a.size, a.stride); column <= last_column; column++) {
        long long at = result + ((long long)row * a.columns + column) * a.channels;
        if (a.y[at] != own) continue;
        // Unless a pixel before it in the window is as large.
        int top = larger_of(row * a.stride - a.padding, 0), left = larger_of(column * a.stride - a.padding, 0);
        int right = smaller_of(column * a.stride - a.padding + a.size, a.width);
        bool is_first = true;
        for (int v = top; v <= y && is_first; v++)
          for (int u = left; u < (v == y ? x : right); u++)
            if (from[((long long)v * a.width + u) * a.channels] == own) {
              is_first = false;
              break;
            }
        if (is_first) sum += a.dy[at];
      }
    a.dx[i] = sum;
  });
}
