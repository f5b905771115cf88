// cuBLASLt: matrix products, as strict as its documentation.

#include "Arithmetic.hpp"
#include "Machine.hpp"

#include <optional>

using namespace fake;

namespace {

struct Handle {
  Context *context;
};

struct Description {
  int compute = 0, scale = 0;
  int transposeA = 0, transposeB = 0;
  unsigned epilogue = CCUDA_BLAS_EPILOGUE_NONE;
  uint64_t bias = 0;
  int biasType = -1;  // D's
};

struct Layout {
  int type;
  uint64_t rows, columns;
  int64_t leading;
  int order = 0;
  int batches = 1;
  int64_t stride = 0;

  size_t width() const { return type == CCUDA_BLAS_FLOAT32 ? 4 : 2; }
  size_t bytes() const {
    return ((columns - 1) * uint64_t(leading) + rows + uint64_t(batches - 1) * uint64_t(stride)) * width();
  }
};

struct Preference {
  size_t workspace = 0;
  unsigned reductions = 7;
  unsigned alignments[4] = {256, 256, 256, 256};  // of A, B, C, D
};

Live<Handle> handles;
Live<Description> descriptions;
Live<Layout> layouts;
Live<Preference> preferences;

constexpr uint64_t algorithmMagic = 0x46414B45414C474FULL;

int invalid(const std::string &why) {
  Machine::shared().complain("cuBLASLt: " + why);
  return CCUDA_BLAS_INVALID_VALUE;
}

int unsupported(const std::string &why) {
  Machine::shared().complain("cuBLASLt: " + why);
  return CCUDA_BLAS_NOT_SUPPORTED;
}

template <class T> bool get(T &to, const void *value, size_t bytes) {
  if (!value || bytes != sizeof(T)) return false;
  memcpy(&to, value, sizeof(T));
  return true;
}

struct Problem {
  Description description;
  Layout a, b, c, d;
  uint64_t m, n, k;

  /// 0, or the status of a product that cannot be.
  int check() {
    m = d.rows;
    n = d.columns;
    uint64_t rowsA = description.transposeA ? a.columns : a.rows, columnsA = description.transposeA ? a.rows : a.columns;
    uint64_t rowsB = description.transposeB ? b.columns : b.rows, columnsB = description.transposeB ? b.rows : b.columns;
    k = columnsA;
    if (rowsA != m || rowsB != k || columnsB != n)
      return invalid(
        "op(A) is " + std::to_string(rowsA) + "x" + std::to_string(columnsA) + ", op(B) " + std::to_string(rowsB) + "x"
        + std::to_string(columnsB) + ", D " + std::to_string(m) + "x" + std::to_string(n));
    if (c.rows != m || c.columns != n || c.type != d.type) return invalid("C is not like D");
    if (a.type != b.type) return unsupported("A and B are of different types");
    if (a.type == CCUDA_BLAS_FLOAT32 && d.type != CCUDA_BLAS_FLOAT32) return unsupported("float32 factors give float32");
    bool narrow = description.compute == CCUDA_BLAS_COMPUTE_TF32 || description.compute == CCUDA_BLAS_COMPUTE_BFLOAT16;
    if (narrow && a.type != CCUDA_BLAS_FLOAT32) return unsupported("the fast float32 types take float32 factors");
    if (a.batches != d.batches || b.batches != d.batches || c.batches != d.batches)
      return invalid("different numbers of batches");
    for (auto layout : {&a, &b, &c, &d}) {
      if (layout->order != 0) return unsupported("only the order by columns");
      if (layout->stride < 0) return invalid("a negative stride");
    }
    if (d.batches > 1 && uint64_t(d.stride) < (n - 1) * uint64_t(d.leading) + m) return invalid("batches of D overlap");
    return 0;
  }

  uint64_t shape() const {
    uint64_t value = 14695981039346656037ull;
    auto add = [&](uint64_t word) { value = (value ^ word) * 1099511628211ull; };
    for (auto layout : {&a, &b, &c, &d})
      for (uint64_t word :
           {uint64_t(layout->type), layout->rows, layout->columns, uint64_t(layout->leading), uint64_t(layout->batches),
            uint64_t(layout->stride)})
        add(word);
    for (uint64_t word :
         {uint64_t(description.compute), uint64_t(description.transposeA), uint64_t(description.transposeB),
          uint64_t(description.epilogue)})
      add(word);
    return value;
  }

  /// Long sums ask for room, if they are given any: so that callers' workspaces are used.
  size_t workspace(size_t most) const { return k >= 64 && most >= 65536 ? 65536 : 0; }

  double at(const Layout &layout, const void *base, uint64_t index, Rounding rounding) const {
    return layout.type == CCUDA_BLAS_FLOAT32 ? rounded(static_cast<const float *>(base)[index], rounding)
                                             : fromBFloat16(static_cast<const uint16_t *>(base)[index]);
  }

  void compute(float alpha, const void *pa, const void *pb, float beta, const void *pc, void *pd) const {
    Rounding rounding = description.compute == CCUDA_BLAS_COMPUTE_TF32 ? Rounding::tf32
      : description.compute == CCUDA_BLAS_COMPUTE_BFLOAT16             ? Rounding::bfloat16
                                                                       : Rounding::none;
    const void *bias = reinterpret_cast<const void *>(description.bias);
    Layout biases = d;
    if (description.biasType >= 0) biases.type = description.biasType;
    for (uint64_t batch = 0; batch < uint64_t(d.batches); batch++) {
      uint64_t startA = batch * uint64_t(a.stride), startB = batch * uint64_t(b.stride);
      uint64_t startC = batch * uint64_t(c.stride), startD = batch * uint64_t(d.stride);
      // What is stored by columns is read along them: the product is made transposed.
      multiply(
        n, m, k,
        [&](uint64_t j, uint64_t l) {
          return at(b, pb, startB + (description.transposeB ? l * b.leading + j : j * b.leading + l), rounding);
        },
        [&](uint64_t l, uint64_t i) {
          return at(a, pa, startA + (description.transposeA ? i * a.leading + l : l * a.leading + i), rounding);
        },
        [&](uint64_t j, uint64_t i, double sum) {
          double value = alpha * sum;
          // With beta 0, C is not read: it may hold NaN.
          if (beta != 0) value += beta * at(c, pc, startC + j * c.leading + i, Rounding::none);
          if (description.epilogue == CCUDA_BLAS_EPILOGUE_BIAS) value += at(biases, bias, i, Rounding::none);
          uint64_t to = startD + j * d.leading + i;
          if (d.type == CCUDA_BLAS_FLOAT32) static_cast<float *>(pd)[to] = float(value);
          else static_cast<uint16_t *>(pd)[to] = bfloat16(float(value));
        });
    }
  }
};

std::optional<Problem> problem(
  cublasLtMatmulDesc_t descriptor, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
  cublasLtMatrixLayout_t d) {
  auto description = descriptions.find(descriptor);
  auto la = layouts.find(a), lb = layouts.find(b), lc = layouts.find(c), ld = layouts.find(d);
  if (!description || !la || !lb || !lc || !ld) return std::nullopt;
  return Problem{*description, *la, *lb, *lc, *ld, 0, 0, 0};
}

}  // namespace

extern "C" {

int cublasLtCreate(cublasLtHandle_t *handle) {
  FAKE_LIBRARY_CALL(context, CCUDA_BLAS_NOT_INITIALIZED)
  *handle = handles.add(std::make_unique<Handle>(Handle{current()}));
  return 0;
}

int cublasLtDestroy(cublasLtHandle_t handle) {
  FAKE_LIBRARY_CALL(context, CCUDA_BLAS_NOT_INITIALIZED)
  return handles.remove(handle) ? 0 : CCUDA_BLAS_NOT_INITIALIZED;
}

size_t cublasLtGetVersion(void) { return 130100; }

int cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *descriptor, int computeType, int scaleType) {
  FAKE_LIBRARY_CALL(nothing, CCUDA_BLAS_NOT_INITIALIZED)
  switch (computeType) {
    case CCUDA_BLAS_COMPUTE_FLOAT32:
    case CCUDA_BLAS_COMPUTE_FLOAT32_PEDANTIC:
    case CCUDA_BLAS_COMPUTE_BFLOAT16:
    case CCUDA_BLAS_COMPUTE_TF32: break;
    default: return invalid("compute type " + std::to_string(computeType) + " is not in the fake");
  }
  if (scaleType != CCUDA_BLAS_FLOAT32) return invalid("the scale type is float32");
  auto made = std::make_unique<Description>();
  made->compute = computeType;
  made->scale = scaleType;
  *descriptor = descriptions.add(std::move(made));
  return 0;
}

int cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t descriptor) {
  FAKE_LIBRARY_CALL(nothing, CCUDA_BLAS_NOT_INITIALIZED)
  return descriptions.remove(descriptor) ? 0 : invalid("no such description");
}

int cublasLtMatmulDescSetAttribute(
  cublasLtMatmulDesc_t descriptor, int attribute, const void *value, size_t bytes) {
  FAKE_LIBRARY_CALL(nothing, CCUDA_BLAS_NOT_INITIALIZED)
  Description *description = descriptions.find(descriptor);
  if (!description) return invalid("no such description");
  switch (attribute) {
    case CCUDA_BLAS_TRANSPOSE_A:
    case CCUDA_BLAS_TRANSPOSE_B: {
      int operation;
      if (!get(operation, value, bytes) || operation < 0 || operation > 1) return invalid("a transpose is an int, 0 or 1");
      (attribute == CCUDA_BLAS_TRANSPOSE_A ? description->transposeA : description->transposeB) = operation;
      return 0;
    }
    case CCUDA_BLAS_EPILOGUE: {
      unsigned epilogue;
      if (!get(epilogue, value, bytes)) return invalid("an epilogue is 4 bytes");
      if (epilogue != CCUDA_BLAS_EPILOGUE_NONE && epilogue != CCUDA_BLAS_EPILOGUE_BIAS)
        return invalid("epilogue " + std::to_string(epilogue) + " is not in the fake");
      description->epilogue = epilogue;
      return 0;
    }
    case CCUDA_BLAS_BIAS_POINTER: return get(description->bias, value, bytes) ? 0 : invalid("an address is 8 bytes");
    case CCUDA_BLAS_BIAS_DATA_TYPE: {
      int type;
      if (!get(type, value, bytes) || (type != CCUDA_BLAS_FLOAT32 && type != CCUDA_BLAS_BFLOAT16))
        return invalid("the bias is float32 or bfloat16");
      description->biasType = type;
      return 0;
    }
  }
  return invalid("attribute " + std::to_string(attribute) + " of a product is not in the fake");
}

int cublasLtMatrixLayoutCreate(
  cublasLtMatrixLayout_t *layout, int dataType, uint64_t rows, uint64_t columns, int64_t leading) {
  FAKE_LIBRARY_CALL(nothing, CCUDA_BLAS_NOT_INITIALIZED)
  if (dataType != CCUDA_BLAS_FLOAT32 && dataType != CCUDA_BLAS_BFLOAT16)
    return invalid("type " + std::to_string(dataType) + " is not in the fake");
  if (!rows || !columns) return invalid("a matrix without numbers");
  if (leading < int64_t(rows)) return invalid("the leading dimension is less than the rows");
  *layout = layouts.add(std::make_unique<Layout>(Layout{dataType, rows, columns, leading}));
  return 0;
}

int cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  FAKE_LIBRARY_CALL(nothing, CCUDA_BLAS_NOT_INITIALIZED)
  return layouts.remove(layout) ? 0 : invalid("no such layout");
}

int cublasLtMatrixLayoutSetAttribute(
  cublasLtMatrixLayout_t handle, int attribute, const void *value, size_t bytes) {
  FAKE_LIBRARY_CALL(nothing, CCUDA_BLAS_NOT_INITIALIZED)
  Layout *layout = layouts.find(handle);
  if (!layout) return invalid("no such layout");
  switch (attribute) {
    case CCUDA_BLAS_ORDER:
      if (!get(layout->order, value, bytes) || layout->order < 0 || layout->order > 1) return invalid("an order is an int");
      return layout->order == 0 ? 0 : unsupported("only the order by columns");
    case CCUDA_BLAS_BATCH_COUNT:
      return get(layout->batches, value, bytes) && layout->batches > 0 ? 0 : invalid("batches are an int above 0");
    case CCUDA_BLAS_BATCH_STRIDE: return get(layout->stride, value, bytes) ? 0 : invalid("a stride is 8 bytes");
  }
  return invalid("attribute " + std::to_string(attribute) + " of a layout is not in the fake");
}

int cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference) {
  FAKE_LIBRARY_CALL(nothing, CCUDA_BLAS_NOT_INITIALIZED)
  *preference = preferences.add(std::make_unique<Preference>());
  return 0;
}

int cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  FAKE_LIBRARY_CALL(nothing, CCUDA_BLAS_NOT_INITIALIZED)
  return preferences.remove(preference) ? 0 : invalid("no such preference");
}

int cublasLtMatmulPreferenceSetAttribute(
  cublasLtMatmulPreference_t handle, int attribute, const void *value, size_t bytes) {
  FAKE_LIBRARY_CALL(nothing, CCUDA_BLAS_NOT_INITIALIZED)
  Preference *preference = preferences.find(handle);
  if (!preference) return invalid("no such preference");
  switch (attribute) {
    case CCUDA_BLAS_MAX_WORKSPACE_BYTES:
      return get(preference->workspace, value, bytes) ? 0 : invalid("a size is 8 bytes");
    case CCUDA_BLAS_REDUCTION_SCHEMES:
      return get(preference->reductions, value, bytes) ? 0 : invalid("a mask is 4 bytes");
    case CCUDA_BLAS_ALIGNMENT_A:
    case CCUDA_BLAS_ALIGNMENT_B:
    case CCUDA_BLAS_ALIGNMENT_C:
    case CCUDA_BLAS_ALIGNMENT_D: {
      unsigned alignment;
      if (!get(alignment, value, bytes) || !alignment || alignment & (alignment - 1))
        return invalid("an alignment is 4 bytes, a power of two");
      preference->alignments[attribute - CCUDA_BLAS_ALIGNMENT_A] = alignment;
      return 0;
    }
  }
  return invalid("attribute " + std::to_string(attribute) + " of a preference is not in the fake");
}

int cublasLtMatmulAlgoGetHeuristic(
  cublasLtHandle_t handle, cublasLtMatmulDesc_t descriptor, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
  cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t preference, int wanted,
  ccuda_blas_choice *choices, int *found) {
  FAKE_LIBRARY_CALL(context, CCUDA_BLAS_NOT_INITIALIZED)
  if (found) *found = 0;
  Handle *one = handles.find(handle);
  if (!one || one->context != current()) return CCUDA_BLAS_NOT_INITIALIZED;
  auto asked = problem(descriptor, a, b, c, d);
  Preference *preferred = preferences.find(preference);
  if (!asked || !preferred || wanted < 1 || !choices || !found) return invalid("a heuristic without what it needs");
  if (asked->check()) return CCUDA_BLAS_NOT_SUPPORTED;
  ccuda_blas_choice choice{};
  choice.workspace = asked->workspace(preferred->workspace);
  choice.waves = 1;
  choice.algorithm.data[0] = algorithmMagic;
  choice.algorithm.data[1] = asked->shape();
  choice.algorithm.data[2] = choice.workspace;
  for (int i = 0; i < 4; i++) choice.algorithm.data[3 + i] = preferred->alignments[i];
  choices[0] = choice;
  *found = 1;
  return 0;
}

int cublasLtMatmul(
  cublasLtHandle_t handle, cublasLtMatmulDesc_t descriptor, const void *alpha, const void *a,
  cublasLtMatrixLayout_t layoutA, const void *b, cublasLtMatrixLayout_t layoutB, const void *beta, const void *c,
  cublasLtMatrixLayout_t layoutC, void *d, cublasLtMatrixLayout_t layoutD, const ccuda_blas_algorithm *algorithm,
  void *workspace, size_t bytes, CUstream to) {
  FAKE_LIBRARY_CALL(context, CCUDA_BLAS_EXECUTION_FAILED)
  Machine &machine = Machine::shared();
  Handle *one = handles.find(handle);
  if (!one || one->context != current()) return CCUDA_BLAS_NOT_INITIALIZED;
  auto asked = problem(descriptor, layoutA, layoutB, layoutC, layoutD);
  auto stream = machine.stream(to);
  if (!asked || !stream) return invalid("a product with a handle that is not alive");
  if (!alpha || !beta || !a || !b || !d) return invalid("a product without an address");
  if (int status = asked->check()) return status;
  float alphaValue, betaValue;  // in host memory: the pointer mode is never changed
  memcpy(&alphaValue, alpha, 4);
  memcpy(&betaValue, beta, 4);
  if (betaValue != 0 && !c) return invalid("beta without C");
  size_t needed = asked->workspace(bytes);
  const unsigned strict = 256;
  uint64_t alignments[4] = {strict, strict, strict, strict};
  if (algorithm) {
    if (algorithm->data[0] != algorithmMagic) return invalid("no algorithm of a heuristic");
    if (algorithm->data[1] != asked->shape()) return invalid("an algorithm that was chosen for another product");
    needed = algorithm->data[2];
    for (int i = 0; i < 4; i++) alignments[i] = algorithm->data[3 + i];
  } else {
    for (auto &alignment : alignments) alignment = 4;
  }
  const void *addresses[4] = {a, b, c ? c : d, d};
  for (int i = 0; i < 4; i++)
    if (uintptr_t(addresses[i]) % alignments[i])
      return invalid(std::string("address of ") + "ABCD"[i] + " is less aligned than its algorithm wants");
  if (bytes < needed || (needed && (!workspace || uintptr_t(workspace) % 256)))
    return invalid("the workspace is too small, or not aligned to 256 bytes");
  const Problem &made = *asked;
  auto reachable = [=, &machine] {
    const char *who = "cublasLtMatmul";
    return machine.reachable(uintptr_t(a), made.a.bytes(), who) && machine.reachable(uintptr_t(b), made.b.bytes(), who)
      && machine.reachable(uintptr_t(d), made.d.bytes(), who)
      && (betaValue == 0 || machine.reachable(uintptr_t(c), made.c.bytes(), who))
      && (!needed || machine.reachable(uintptr_t(workspace), needed, who))
      && (made.description.epilogue != CCUDA_BLAS_EPILOGUE_BIAS
          || machine.reachable(
            uintptr_t(made.description.bias), made.m * (made.description.biasType == CCUDA_BLAS_BFLOAT16 ? 2 : made.description.biasType < 0 ? made.d.width() : 4), who));
  };
  if (made.description.epilogue == CCUDA_BLAS_EPILOGUE_BIAS && !made.description.bias)
    return invalid("the bias has no address");
  if (!reachable()) return CCUDA_BLAS_INVALID_VALUE;
  int code = machine.enqueue(stream, {Operation::kernel, [=] {
    if (!reachable()) return int(CCUDA_ILLEGAL_ADDRESS);
    // The real one leaves its own things there.
    if (needed) memset(workspace, 0xFF, needed);
    made.compute(alphaValue, a, b, betaValue, c, d);
    return 0;
  }});
  return code ? CCUDA_BLAS_EXECUTION_FAILED : 0;
}

}  // extern "C"
