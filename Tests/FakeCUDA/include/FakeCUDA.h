#pragma once

// A CUDA machine without a GPU: one library that exports what `Sources/CCUDA` looks up from the driver, NVRTC,
// and cuBLASLt, and runs all of it on the CPU. Opened by the real loader, used by tests only.
//
// Settings, read at the first call and at `fake_cuda_reset`:
//   FAKE_CUDA_MODE=lazy|eager   lazy (without it): a stream runs only when somebody waits for it
//   FAKE_CUDA_DEVICE=9.0        compute capability; 8.6 has 99 KB of shared memory
//   FAKE_CUDA_DEVICES=1         how many
//   FAKE_CUDA_MEMORY=bytes      of each device (4 GiB), whatever it reports
//   FAKE_CUDA_DRIVER=13000      version of the driver
//   FAKE_CUDA_BACKWARDS=1       blocks and threads of a kernel run in reverse order
//   FAKE_CUDA_FAIL=call:nth:code[,...]
//   FAKE_CUDA_QUIET=1           complaints are kept, but not printed

#ifdef __cplusplus
extern "C" {
#endif

/// The nth following call of that name (1 is the next one) returns `code`. After 700 or 719 of the driver the device is
/// lost: everything fails.
void fake_cuda_fail(const char *call, int nth, int code);

/// Calls of a function since the last reset, and the bytes it was asked for. A kernel's name counts its launches.
void fake_cuda_counts(const char *call, long *calls, long *bytes);

/// Forgets faults, counts, complaints and a lost device, and reads the settings again. Memory, streams and modules stay.
void fake_cuda_reset(void);

/// What was last found wrong, in words; "" when nothing was. The text lives until the next call of this thread.
const char *fake_cuda_complaint(void);

/// Device bytes in use, and their largest number since the last reset, over all devices.
void fake_cuda_memory(long *now, long *peak);

/// Operations that stand in the queues of all streams and have not run.
long fake_cuda_waiting(void);

#ifdef __cplusplus
}
#endif
