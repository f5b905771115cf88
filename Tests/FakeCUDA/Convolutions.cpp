// cuDNN's imperative convolutions: float32, channels last, the deterministic algorithms.

#include "Arithmetic.hpp"
#include "Machine.hpp"

#include <optional>

using namespace fake;

namespace {

struct Handle {
  Context *context;
  CUstream stream = nullptr;
};

/// Of a tensor, [images, height, width, channels], or a filter, [outputs, height, width, inputs].
struct Shape {
  bool set = false;
  size_t count = 0, height = 0, width = 0, channels = 0;
  size_t numbers() const { return count * height * width * channels; }
};

struct Convolution {
  bool set = false;
  int padHeight = 0, padWidth = 0, strideHeight = 1, strideWidth = 1, dilationHeight = 1, dilationWidth = 1;
  int math = CCUDA_DNN_MATH_DEFAULT;
};

struct Tensor : Shape {};
struct Filter : Shape {};

Live<Handle> handles;
Live<Tensor> tensors;
Live<Filter> filters;
Live<Convolution> convolutions;

int bad(const std::string &why) {
  Machine::shared().complain("cuDNN: " + why);
  return CCUDA_DNN_BAD_PARAMETER;
}

int unsupported(const std::string &why) {
  Machine::shared().complain("cuDNN: " + why);
  return CCUDA_DNN_NOT_SUPPORTED;
}

struct Problem {
  Shape x, w, y;
  Convolution convolution;

  int check() const {
    if (!x.set || !w.set || !y.set || !convolution.set) return bad("a description that was never set");
    auto out = [](size_t in, size_t kernel, int pad, int stride, int dilation) {
      long room = long(in) + 2 * pad - (long(kernel) - 1) * dilation - 1;
      return room < 0 ? 0 : size_t(room / stride + 1);
    };
    size_t height = out(x.height, w.height, convolution.padHeight, convolution.strideHeight, convolution.dilationHeight);
    size_t width = out(x.width, w.width, convolution.padWidth, convolution.strideWidth, convolution.dilationWidth);
    if (w.channels != x.channels) return bad("the filter takes other channels than x has");
    if (y.count != x.count || y.channels != w.count || y.height != height || y.width != width)
      return bad(
        "y is not [" + std::to_string(x.count) + ", " + std::to_string(height) + ", " + std::to_string(width) + ", "
        + std::to_string(w.count) + "]");
    return 0;
  }

  Rounding rounding() const {
    return convolution.math == CCUDA_DNN_MATH_FMA ? Rounding::none : Rounding::tf32;
  }

  size_t window() const { return w.height * w.width * w.channels; }

  /// Where number `l` of the window over output (row, column) of an image lies in x; none in the border.
  std::optional<size_t> place(size_t image, size_t row, size_t column, size_t l) const {
    size_t channel = l % w.channels, right = l / w.channels % w.width, down = l / w.channels / w.width;
    long i = long(row) * convolution.strideHeight - convolution.padHeight + long(down) * convolution.dilationHeight;
    long j = long(column) * convolution.strideWidth - convolution.padWidth + long(right) * convolution.dilationWidth;
    if (i < 0 || j < 0 || i >= long(x.height) || j >= long(x.width)) return std::nullopt;
    return ((image * x.height + size_t(i)) * x.width + size_t(j)) * x.channels + channel;
  }

  double patch(const float *px, size_t pixel, size_t l) const {
    size_t perImage = y.height * y.width;
    auto at = place(pixel / perImage, pixel % perImage / y.width, pixel % y.width, l);
    return at ? rounded(px[*at], rounding()) : 0;
  }

  void forward(float alpha, const float *px, const float *pw, float beta, float *py) const {
    size_t perImage = y.height * y.width;
    for (size_t image = 0; image < x.count; image++)
      multiply(
        perImage, w.count, window(), [&](size_t i, size_t l) { return patch(px, image * perImage + i, l); },
        [&](size_t l, size_t j) { return rounded(pw[j * window() + l], rounding()); },
        [&](size_t i, size_t j, double sum) {
          float &to = py[(image * perImage + i) * w.count + j];
          to = float(alpha * sum + (beta != 0 ? beta * to : 0));
        });
  }

  void backwardData(float alpha, const float *pw, const float *pdy, float beta, float *pdx) const {
    size_t perImage = y.height * y.width, numbers = x.height * x.width * x.channels;
    std::vector<double> sums(numbers);
    for (size_t image = 0; image < x.count; image++) {
      std::fill(sums.begin(), sums.end(), 0);
      multiply(
        perImage, window(), w.count,
        [&](size_t i, size_t l) { return rounded(pdy[(image * perImage + i) * w.count + l], rounding()); },
        [&](size_t l, size_t j) { return rounded(pw[l * window() + j], rounding()); },
        [&](size_t i, size_t j, double sum) {
          if (auto at = place(0, i / y.width, i % y.width, j)) sums[*at] += sum;
        });
      for (size_t i = 0; i < numbers; i++) {
        float &to = pdx[image * numbers + i];
        to = float(alpha * sums[i] + (beta != 0 ? beta * to : 0));
      }
    }
  }

  void backwardFilter(float alpha, const float *px, const float *pdy, float beta, float *pdw) const {
    std::vector<double> sums(w.numbers());
    size_t perImage = y.height * y.width;
    for (size_t image = 0; image < x.count; image++)
      multiply(
        w.count, window(), perImage,
        [&](size_t i, size_t l) { return rounded(pdy[(image * perImage + l) * w.count + i], rounding()); },
        [&](size_t l, size_t j) { return patch(px, image * perImage + l, j); },
        [&](size_t i, size_t j, double sum) { sums[i * window() + j] += sum; });
    for (size_t i = 0; i < sums.size(); i++) pdw[i] = float(alpha * sums[i] + (beta != 0 ? beta * pdw[i] : 0));
  }

  /// Some, so that a caller's workspace is used; the precomputed offsets of the real one take about as much.
  size_t workspace() const { return 1024 + 16 * window(); }
};

std::optional<Problem> problem(
  cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w, cudnnTensorDescriptor_t y, cudnnConvolutionDescriptor_t c) {
  auto dx = tensors.find(x), dy = tensors.find(y);
  auto dw = filters.find(w);
  auto dc = convolutions.find(c);
  if (!dx || !dw || !dy || !dc) return std::nullopt;
  return Problem{*dx, *dw, *dy, *dc};
}

int workspaceSize(
  cudnnHandle_t handle, const std::optional<Problem> &asked, int algorithm, size_t *bytes) {
  if (!handles.find(handle) || !asked || !bytes) return bad("a handle that is not alive");
  if (int status = asked->check()) return status;
  if (algorithm != 1) return unsupported("only algorithm 1, which is on tensor cores and deterministic");
  *bytes = asked->workspace();
  return 0;
}

int choose(
  cudnnHandle_t handle, const std::optional<Problem> &asked, int wanted, int *found, ccuda_dnn_choice *choices) {
  if (!handles.find(handle) || !asked || wanted < 1 || !found || !choices) return bad("a handle that is not alive");
  if (int status = asked->check()) return status;
  choices[0] = {};
  choices[0].algorithm = 1;
  choices[0].time = -1;
  choices[0].memory = asked->workspace();
  choices[0].determinism = 1;
  choices[0].math = asked->convolution.math;
  *found = 1;
  return 0;
}

/// Checks what all three share, and enqueues `work`.
int convolve(
  cudnnHandle_t handle, const std::optional<Problem> &asked, int algorithm, void *workspace, size_t bytes,
  const void *alpha, const void *beta, std::vector<std::pair<const void *, size_t>> memory,
  std::function<void(const Problem &, float, float)> work) {
  Machine &machine = Machine::shared();
  Handle *one = handles.find(handle);
  if (!one || !asked || !alpha || !beta) return bad("a handle that is not alive");
  if (one->context != current()) return CCUDA_DNN_NOT_INITIALIZED;
  if (!one->stream) return bad("no stream was set: the fake has no default stream");
  if (int status = asked->check()) return status;
  if (algorithm != 1) return unsupported("only algorithm 1, which is on tensor cores and deterministic");
  auto stream = machine.stream(one->stream);
  if (!stream) return bad("its stream was destroyed");
  size_t needed = asked->workspace();
  if (bytes < needed || !workspace || uintptr_t(workspace) % 16) return bad("the workspace is too small or not aligned");
  for (auto &[address, _] : memory)
    if (uintptr_t(address) % 16) return bad("an address that is not aligned to 16 bytes");
  memory.push_back({workspace, needed});
  auto reachable = [=, &machine] {
    for (auto &[address, size] : memory)
      if (!machine.reachable(uintptr_t(address), size, "a convolution")) return false;
    return true;
  };
  if (!reachable()) return CCUDA_DNN_BAD_PARAMETER;
  float alphaValue, betaValue;
  memcpy(&alphaValue, alpha, 4);
  memcpy(&betaValue, beta, 4);
  Problem made = *asked;
  int code = machine.enqueue(stream, {Operation::kernel, [=] {
    if (!reachable()) return int(CCUDA_ILLEGAL_ADDRESS);
    memset(workspace, 0xFF, needed);
    work(made, alphaValue, betaValue);
    return 0;
  }});
  return code ? CCUDA_DNN_EXECUTION_FAILED : 0;
}

const float *numbers(const void *pointer) { return static_cast<const float *>(pointer); }
float *numbers(void *pointer) { return static_cast<float *>(pointer); }

int setShape(Shape *shape, int format, int type, int count, int channels, int height, int width) {
  if (!shape) return bad("no such description");
  if (count < 1 || channels < 1 || height < 1 || width < 1) return bad("a size below 1");
  if (format != CCUDA_DNN_NHWC || type != CCUDA_DNN_FLOAT32) return unsupported("the fake knows float32, channels last");
  *shape = {true, size_t(count), size_t(height), size_t(width), size_t(channels)};
  return 0;
}

}  // namespace

#define FAKE_DNN_CALL FAKE_LIBRARY_CALL(context, CCUDA_DNN_NOT_INITIALIZED)

extern "C" {

int cudnnCreate(cudnnHandle_t *handle) {
  FAKE_DNN_CALL
  *handle = handles.add(std::make_unique<Handle>(Handle{current()}));
  return 0;
}

int cudnnDestroy(cudnnHandle_t handle) {
  FAKE_DNN_CALL
  return handles.remove(handle) ? 0 : bad("no such handle");
}

int cudnnSetStream(cudnnHandle_t handle, CUstream stream) {
  FAKE_DNN_CALL
  Handle *one = handles.find(handle);
  if (!one || !Machine::shared().stream(stream)) return bad("no such handle or stream");
  one->stream = stream;
  return 0;
}

size_t cudnnGetVersion(void) { return 91400; }

const char *cudnnGetErrorString(int status) {
  switch (status) {
    case CCUDA_DNN_SUCCESS: return "CUDNN_STATUS_SUCCESS";
    case CCUDA_DNN_NOT_INITIALIZED: return "CUDNN_STATUS_NOT_INITIALIZED";
    case CCUDA_DNN_BAD_PARAMETER: return "CUDNN_STATUS_BAD_PARAM";
    case CCUDA_DNN_NOT_SUPPORTED: return "CUDNN_STATUS_NOT_SUPPORTED";
    case CCUDA_DNN_EXECUTION_FAILED: return "CUDNN_STATUS_EXECUTION_FAILED";
  }
  return "CUDNN_UNKNOWN_STATUS";
}

int cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t *descriptor) {
  FAKE_DNN_CALL
  *descriptor = tensors.add(std::make_unique<Tensor>());
  return 0;
}

int cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t descriptor) {
  FAKE_DNN_CALL
  return tensors.remove(descriptor) ? 0 : bad("no such tensor description");
}

int cudnnSetTensor4dDescriptor(
  cudnnTensorDescriptor_t descriptor, int format, int dataType, int images, int channels, int height, int width) {
  FAKE_DNN_CALL
  return setShape(tensors.find(descriptor), format, dataType, images, channels, height, width);
}

int cudnnCreateFilterDescriptor(cudnnFilterDescriptor_t *descriptor) {
  FAKE_DNN_CALL
  *descriptor = filters.add(std::make_unique<Filter>());
  return 0;
}

int cudnnDestroyFilterDescriptor(cudnnFilterDescriptor_t descriptor) {
  FAKE_DNN_CALL
  return filters.remove(descriptor) ? 0 : bad("no such filter description");
}

int cudnnSetFilter4dDescriptor(
  cudnnFilterDescriptor_t descriptor, int dataType, int format, int outputs, int inputs, int height, int width) {
  FAKE_DNN_CALL
  return setShape(filters.find(descriptor), format, dataType, outputs, inputs, height, width);
}

int cudnnCreateConvolutionDescriptor(cudnnConvolutionDescriptor_t *descriptor) {
  FAKE_DNN_CALL
  *descriptor = convolutions.add(std::make_unique<Convolution>());
  return 0;
}

int cudnnDestroyConvolutionDescriptor(cudnnConvolutionDescriptor_t descriptor) {
  FAKE_DNN_CALL
  return convolutions.remove(descriptor) ? 0 : bad("no such convolution description");
}

int cudnnSetConvolution2dDescriptor(
  cudnnConvolutionDescriptor_t descriptor, int padHeight, int padWidth, int strideHeight, int strideWidth,
  int dilationHeight, int dilationWidth, int mode, int computeType) {
  FAKE_DNN_CALL
  Convolution *one = convolutions.find(descriptor);
  if (!one) return bad("no such convolution description");
  if (padHeight < 0 || padWidth < 0 || strideHeight < 1 || strideWidth < 1 || dilationHeight < 1 || dilationWidth < 1)
    return bad("a pad below 0, or a stride or dilation below 1");
  if (mode != CCUDA_DNN_CROSS_CORRELATION) return unsupported("the fake knows the cross-correlation");
  if (computeType != CCUDA_DNN_FLOAT32) return unsupported("sums are float32");
  *one = {true, padHeight, padWidth, strideHeight, strideWidth, dilationHeight, dilationWidth, one->math};
  return 0;
}

int cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t descriptor, int math) {
  FAKE_DNN_CALL
  Convolution *one = convolutions.find(descriptor);
  if (!one || math < 0 || math > 3) return bad("no such convolution description or math type");
  if (math == CCUDA_DNN_MATH_CONVERSION) return unsupported("the fake converts nothing");
  one->math = math;
  return 0;
}

int cudnnGetConvolutionForwardAlgorithm_v7(
  cudnnHandle_t handle, cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w, cudnnConvolutionDescriptor_t convolution,
  cudnnTensorDescriptor_t y, int wanted, int *found, ccuda_dnn_choice *choices) {
  FAKE_DNN_CALL
  return choose(handle, problem(x, w, y, convolution), wanted, found, choices);
}

int cudnnGetConvolutionBackwardDataAlgorithm_v7(
  cudnnHandle_t handle, cudnnFilterDescriptor_t w, cudnnTensorDescriptor_t dy, cudnnConvolutionDescriptor_t convolution,
  cudnnTensorDescriptor_t dx, int wanted, int *found, ccuda_dnn_choice *choices) {
  FAKE_DNN_CALL
  return choose(handle, problem(dx, w, dy, convolution), wanted, found, choices);
}

int cudnnGetConvolutionBackwardFilterAlgorithm_v7(
  cudnnHandle_t handle, cudnnTensorDescriptor_t x, cudnnTensorDescriptor_t dy, cudnnConvolutionDescriptor_t convolution,
  cudnnFilterDescriptor_t dw, int wanted, int *found, ccuda_dnn_choice *choices) {
  FAKE_DNN_CALL
  return choose(handle, problem(x, dw, dy, convolution), wanted, found, choices);
}

int cudnnGetConvolutionForwardWorkspaceSize(
  cudnnHandle_t handle, cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w, cudnnConvolutionDescriptor_t convolution,
  cudnnTensorDescriptor_t y, int algorithm, size_t *bytes) {
  FAKE_DNN_CALL
  return workspaceSize(handle, problem(x, w, y, convolution), algorithm, bytes);
}

int cudnnGetConvolutionBackwardDataWorkspaceSize(
  cudnnHandle_t handle, cudnnFilterDescriptor_t w, cudnnTensorDescriptor_t dy, cudnnConvolutionDescriptor_t convolution,
  cudnnTensorDescriptor_t dx, int algorithm, size_t *bytes) {
  FAKE_DNN_CALL
  return workspaceSize(handle, problem(dx, w, dy, convolution), algorithm, bytes);
}

int cudnnGetConvolutionBackwardFilterWorkspaceSize(
  cudnnHandle_t handle, cudnnTensorDescriptor_t x, cudnnTensorDescriptor_t dy, cudnnConvolutionDescriptor_t convolution,
  cudnnFilterDescriptor_t dw, int algorithm, size_t *bytes) {
  FAKE_DNN_CALL
  return workspaceSize(handle, problem(x, dw, dy, convolution), algorithm, bytes);
}

int cudnnConvolutionForward(
  cudnnHandle_t handle, const void *alpha, cudnnTensorDescriptor_t layoutX, const void *x,
  cudnnFilterDescriptor_t layoutW, const void *w, cudnnConvolutionDescriptor_t convolution, int algorithm,
  void *workspace, size_t bytes, const void *beta, cudnnTensorDescriptor_t layoutY, void *y) {
  FAKE_LIBRARY_CALL(context, CCUDA_DNN_EXECUTION_FAILED)
  auto asked = problem(layoutX, layoutW, layoutY, convolution);
  if (!asked) return bad("a description that is not alive");
  return convolve(
    handle, asked, algorithm, workspace, bytes, alpha, beta,
    {{x, 4 * asked->x.numbers()}, {w, 4 * asked->w.numbers()}, {y, 4 * asked->y.numbers()}},
    [=](const Problem &problem, float alpha, float beta) {
      problem.forward(alpha, numbers(x), numbers(w), beta, numbers(y));
    });
}

int cudnnConvolutionBackwardData(
  cudnnHandle_t handle, const void *alpha, cudnnFilterDescriptor_t layoutW, const void *w,
  cudnnTensorDescriptor_t layoutDY, const void *dy, cudnnConvolutionDescriptor_t convolution, int algorithm,
  void *workspace, size_t bytes, const void *beta, cudnnTensorDescriptor_t layoutDX, void *dx) {
  FAKE_LIBRARY_CALL(context, CCUDA_DNN_EXECUTION_FAILED)
  auto asked = problem(layoutDX, layoutW, layoutDY, convolution);
  if (!asked) return bad("a description that is not alive");
  return convolve(
    handle, asked, algorithm, workspace, bytes, alpha, beta,
    {{dx, 4 * asked->x.numbers()}, {w, 4 * asked->w.numbers()}, {dy, 4 * asked->y.numbers()}},
    [=](const Problem &problem, float alpha, float beta) {
      problem.backwardData(alpha, numbers(w), numbers(dy), beta, numbers(dx));
    });
}

int cudnnConvolutionBackwardFilter(
  cudnnHandle_t handle, const void *alpha, cudnnTensorDescriptor_t layoutX, const void *x,
  cudnnTensorDescriptor_t layoutDY, const void *dy, cudnnConvolutionDescriptor_t convolution, int algorithm,
  void *workspace, size_t bytes, const void *beta, cudnnFilterDescriptor_t layoutDW, void *dw) {
  FAKE_LIBRARY_CALL(context, CCUDA_DNN_EXECUTION_FAILED)
  auto asked = problem(layoutX, layoutDW, layoutDY, convolution);
  if (!asked) return bad("a description that is not alive");
  return convolve(
    handle, asked, algorithm, workspace, bytes, alpha, beta,
    {{x, 4 * asked->x.numbers()}, {dw, 4 * asked->w.numbers()}, {dy, 4 * asked->y.numbers()}},
    [=](const Problem &problem, float alpha, float beta) {
      problem.backwardFilter(alpha, numbers(x), numbers(dy), beta, numbers(dw));
    });
}

}  // extern "C"
