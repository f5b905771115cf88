// The windows of a convolution as rows of a matrix, and back. Only what lies inside the image is read.

// `count` numbers; may write up to WIDTH - 1 more, which the next run or the end of the buffer takes.
INLINE void copy_over(const float *from, size_t count, float *to, const float *end) {
  size_t i = 0;
  for (; i + WIDTH <= count; i += WIDTH) store(to + i, load(from + i));
  if (i < count) {
    if (from + i + WIDTH <= end) store(to + i, load(from + i));
    else for (; i < count; i++) to[i] = from[i];
  }
}
INLINE void clear_over(size_t count, float *to) { for (size_t i = 0; i < count; i += WIDTH) store(to + i, (vec){0}); }

void VARIANT(ck_gather)(const ck_window *w, const float *image, size_t first, size_t last, float *to) {
  const float *end = image + (size_t)w->height * w->width * w->channels;
  size_t run = (size_t)w->kernel_width * w->channels;
  for (size_t pixel = first; pixel < last; pixel++) {
    int y0 = (int)(pixel / w->columns) * w->stride_y - w->padding_y, x0 = (int)(pixel % w->columns) * w->stride_x - w->padding_x;
    int left = x0 < 0 ? -x0 : 0, right = w->width - x0 < w->kernel_width ? w->width - x0 : w->kernel_width;
    size_t before = (size_t)left * w->channels, inside = right > left ? (size_t)(right - left) * w->channels : 0;
    for (int ky = 0; ky < w->kernel_height; ky++, to += run) {
      int y = y0 + ky;
      if (y < 0 || y >= w->height || inside == 0) { clear_over(run, to); continue; }
      if (before) clear_over(before, to);
      copy_over(image + ((size_t)y * w->width + (size_t)(x0 + left)) * w->channels, inside, to + before, end);
      if (before + inside < run) clear_over(run - before - inside, to + before + inside);
    }
  }
}
void VARIANT(ck_scatter)(const ck_window *w, const float *rows, size_t first, size_t last, float *image) {
  size_t run = (size_t)w->kernel_width * w->channels;
  for (size_t pixel = first; pixel < last; pixel++, rows += run * w->kernel_height) {
    int y0 = (int)(pixel / w->columns) * w->stride_y - w->padding_y, x0 = (int)(pixel % w->columns) * w->stride_x - w->padding_x;
    int left = x0 < 0 ? -x0 : 0, right = w->width - x0 < w->kernel_width ? w->width - x0 : w->kernel_width;
    if (left >= right) continue;
    for (int ky = 0; ky < w->kernel_height; ky++) {
      int y = y0 + ky;
      if (y < 0 || y >= w->height) continue;
      VARIANT(ck_accumulate)(rows + ky * run + (size_t)left * w->channels, image + ((size_t)y * w->width + (size_t)(x0 + left)) * w->channels, (size_t)(right - left) * w->channels);
    }
  }
}
