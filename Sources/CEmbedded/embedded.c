#include "CEmbedded.h"

#include <string.h>

#ifndef __has_embed
#error "This compiler of C has no #embed (Clang 19 and later have it): a later version of Swift is needed."
#endif

// Swift takes a literal of bytes through every pass of its optimizer; the compiler of C reads the file.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char Arguments_h[] = {
#embed "../CUDA/Kernels/Arguments.h"
};
static const unsigned char Attention_cu[] = {
#embed "../CUDA/Kernels/Attention.cu"
};
static const unsigned char Channels_cu[] = {
#embed "../CUDA/Kernels/Channels.cu"
};
static const unsigned char Convolution_cu[] = {
#embed "../CUDA/Kernels/Convolution.cu"
};
static const unsigned char Dialect_h[] = {
#embed "../CUDA/Kernels/Dialect.h"
};
static const unsigned char Elementwise_cu[] = {
#embed "../CUDA/Kernels/Elementwise.cu"
};
static const unsigned char Harmonics_cu[] = {
#embed "../CUDA/Kernels/Harmonics.cu"
};
static const unsigned char Movement_cu[] = {
#embed "../CUDA/Kernels/Movement.cu"
};
static const unsigned char Optimizer_cu[] = {
#embed "../CUDA/Kernels/Optimizer.cu"
};
static const unsigned char Points_cu[] = {
#embed "../CUDA/Kernels/Points.cu"
};
static const unsigned char Pooling_cu[] = {
#embed "../CUDA/Kernels/Pooling.cu"
};
static const unsigned char Random_cu[] = {
#embed "../CUDA/Kernels/Random.cu"
};
static const unsigned char Reductions_cu[] = {
#embed "../CUDA/Kernels/Reductions.cu"
};
static const unsigned char Rows_cu[] = {
#embed "../CUDA/Kernels/Rows.cu"
};
static const unsigned char Splats_cu[] = {
#embed "../CUDA/Kernels/Splats.cu"
};
static const unsigned char drawing_py[] = {
#embed "../Environments/adapters/drawing.py"
};
static const unsigned char experts_py[] = {
#embed "../Environments/adapters/experts.py"
};
static const unsigned char replay_py[] = {
#embed "../Environments/adapters/replay.py"
};
static const unsigned char robot_template_py[] = {
#embed "../Environments/adapters/robot_template.py"
};
static const unsigned char serve_gymnasium_py[] = {
#embed "../Environments/adapters/serve_gymnasium.py"
};
static const unsigned char serve_libero_py[] = {
#embed "../Environments/adapters/serve_libero.py"
};
static const unsigned char serve_metaworld_py[] = {
#embed "../Environments/adapters/serve_metaworld.py"
};
static const unsigned char serve_robocasa_py[] = {
#embed "../Environments/adapters/serve_robocasa.py"
};
static const unsigned char serve_robosuite_py[] = {
#embed "../Environments/adapters/serve_robosuite.py"
};
static const unsigned char template_py[] = {
#embed "../Environments/adapters/template.py"
};
static const unsigned char wire_py[] = {
#embed "../Environments/adapters/wire.py"
};
static const unsigned char worlds_py[] = {
#embed "../Environments/adapters/worlds.py"
};
static const unsigned char run_policy_py[] = {
#embed "../Export/package/run_policy.py"
};

#define FILE_OF(name, bytes) {name, bytes, sizeof(bytes)}

static const struct {
  const char *name;
  const unsigned char *bytes;
  size_t count;
} files[] = {
    FILE_OF("Arguments.h", Arguments_h), FILE_OF("Attention.cu", Attention_cu), FILE_OF("Channels.cu", Channels_cu),
    FILE_OF("Convolution.cu", Convolution_cu), FILE_OF("Dialect.h", Dialect_h),
    FILE_OF("Elementwise.cu", Elementwise_cu), FILE_OF("Harmonics.cu", Harmonics_cu),
    FILE_OF("Movement.cu", Movement_cu), FILE_OF("Optimizer.cu", Optimizer_cu), FILE_OF("Points.cu", Points_cu),
    FILE_OF("Pooling.cu", Pooling_cu), FILE_OF("Random.cu", Random_cu), FILE_OF("Reductions.cu", Reductions_cu),
    FILE_OF("Rows.cu", Rows_cu), FILE_OF("Splats.cu", Splats_cu), FILE_OF("drawing.py", drawing_py),
    FILE_OF("experts.py", experts_py), FILE_OF("replay.py", replay_py),
    FILE_OF("robot_template.py", robot_template_py), FILE_OF("serve_gymnasium.py", serve_gymnasium_py),
    FILE_OF("serve_libero.py", serve_libero_py), FILE_OF("serve_metaworld.py", serve_metaworld_py),
    FILE_OF("serve_robocasa.py", serve_robocasa_py), FILE_OF("serve_robosuite.py", serve_robosuite_py),
    FILE_OF("template.py", template_py), FILE_OF("wire.py", wire_py), FILE_OF("worlds.py", worlds_py),
    FILE_OF("run_policy.py", run_policy_py),
};

const unsigned char *cembedded_file(const char *name, size_t *count) {
  for (size_t file = 0; file < sizeof(files) / sizeof(files[0]); file++) {
    if (strcmp(files[file].name, name) == 0) {
      *count = files[file].count;
      return files[file].bytes;
    }
  }
  return NULL;
}
