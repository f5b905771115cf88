"""The file that HDF5 writes to. A write that fails must not come back into HDF5, which may crash or go on without a word."""
import os


class Output:
    """A new file; `failed` gets the error of the first operation that fails, and must not return."""

    def __init__(self, path, failed):
        self.failed = failed
        self.position = 0
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)

    def _try(self, action):
        try:
            return action()
        except OSError as error:
            self.failed(error)
            raise

    def seek(self, offset, whence=os.SEEK_SET):
        starts = {os.SEEK_SET: 0, os.SEEK_CUR: self.position}
        start = starts[whence] if whence in starts else os.fstat(self.descriptor).st_size
        self.position = start + offset
        return self.position

    def tell(self):
        return self.position

    def read(self, size):
        """h5py takes for a file what has it."""
        data = self._try(lambda: os.pread(self.descriptor, size, self.position))
        self.position += len(data)
        return data

    def readinto(self, buffer):
        count = self._try(lambda: os.preadv(self.descriptor, [buffer], self.position))
        self.position += count
        return count

    def write(self, data):
        rest = memoryview(data).cast("B")
        size = len(rest)
        while rest:
            count = self._try(lambda: os.pwrite(self.descriptor, rest, self.position))
            self.position += count
            rest = rest[count:]
        return size

    def truncate(self, size=None):
        self._try(lambda: os.ftruncate(self.descriptor, self.position if size is None else size))
        return size

    def flush(self):
        pass

    def close(self):
        self._try(lambda: os.fsync(self.descriptor))
        self._try(lambda: os.close(self.descriptor))
