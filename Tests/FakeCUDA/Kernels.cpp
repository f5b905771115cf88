// The kernels, compiled for the processor: the very files that NVRTC compiles for a GPU. Each in a namespace of its own,
// because on a GPU each is a program of its own and may use a name again.

#undef _FORTIFY_SOURCE
#define _FORTIFY_SOURCE 0

#include "Machine.hpp"

#if __has_include("Dialect.h") && __has_include("Fibers.hpp")
#include "Dialect.h"
#include "Arguments.h"

namespace fake {

// The fibers' state is of one launch.
void launch(
  void (*run)(const void *), const void *arguments, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned threads,
  unsigned shared, bool backwards) {
  static std::mutex one;
  std::lock_guard guard(one);
  fibers_launch(run, arguments, gridX, gridY, gridZ, threads, shared, backwards);
}

}  // namespace fake

#if __has_include("Elementwise.cu")
namespace kernels_elementwise {
#include "Elementwise.cu"
}
#endif
#if __has_include("Movement.cu")
namespace kernels_movement {
#include "Movement.cu"
}
#endif
#if __has_include("Reductions.cu")
namespace kernels_reductions {
#include "Reductions.cu"
}
#endif
#if __has_include("Rows.cu")
namespace kernels_rows {
#include "Rows.cu"
}
#endif
#if __has_include("Channels.cu")
namespace kernels_channels {
#include "Channels.cu"
}
#endif
#if __has_include("Attention.cu")
namespace kernels_attention {
#include "Attention.cu"
}
#endif
#if __has_include("Convolution.cu")
namespace kernels_convolution {
#include "Convolution.cu"
}
#endif
#if __has_include("Pooling.cu")
namespace kernels_pooling {
#include "Pooling.cu"
}
#endif
#if __has_include("Optimizer.cu")
namespace kernels_optimizer {
#include "Optimizer.cu"
}
#endif
#if __has_include("Random.cu")
namespace kernels_random {
#include "Random.cu"
}
#endif
#if __has_include("Points.cu")
namespace kernels_points {
#include "Points.cu"
}
#endif
#if __has_include("Harmonics.cu")
namespace kernels_harmonics {
#include "Harmonics.cu"
}
#endif
#if __has_include("Splats.cu")
namespace kernels_splats {
#include "Splats.cu"
}
#endif
#endif
