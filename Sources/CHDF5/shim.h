#pragma once
#include <errno.h>
#include <hdf5.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

// HDF5 names its types and property classes by macros that first open the library; Swift cannot see such macros.
static inline hid_t h5_float(void) { return H5T_IEEE_F32LE; }
static inline hid_t h5_double(void) { return H5T_IEEE_F64LE; }
static inline hid_t h5_byte(void) { return H5T_STD_U8LE; }
static inline hid_t h5_integer(void) { return H5T_STD_I64LE; }
static inline hid_t h5_c_string(void) { return H5T_C_S1; }
static inline hid_t h5_dataset_creation(void) { return H5P_DATASET_CREATE; }
static inline hid_t h5_file_access(void) { return H5P_FILE_ACCESS; }
static inline hid_t h5_object_copy(void) { return H5P_OBJECT_COPY; }
static inline unsigned h5_read_only(void) { return H5F_ACC_RDONLY; }
static inline unsigned h5_swmr_read(void) { return H5F_ACC_SWMR_READ; }
static inline unsigned h5_truncate(void) { return H5F_ACC_TRUNC; }
static inline unsigned h5_expand_external(void) { return H5O_COPY_EXPAND_EXT_LINK_FLAG; }
static inline hid_t h5_bad_version(void) { return H5E_VERSION; }
static inline hid_t h5_error_stack(void) { return H5E_DEFAULT; }

// Has the disk keep room for so many bytes of a file, whose end stays where it is. 0, or -1 with errno.
static inline int h5_reserve(int descriptor, long long bytes) {
#if defined(__linux__) && defined(__LP64__)
  enum { keep_size = 1 };  // FALLOC_FL_KEEP_SIZE, which glibc shows to GNU sources only
  return (int)syscall(SYS_fallocate, descriptor, keep_size, 0LL, bytes);
#else
  errno = EOPNOTSUPP;
  return -1;
#endif
}
