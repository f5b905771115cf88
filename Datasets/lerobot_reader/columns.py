"""Columns of parquet files: values that are missing, of another kind or of another episode are refused, never guessed."""
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from .files import Refused, check, first_line

EXACT = 1 << 53
"""Integers above it have no float64 of their own."""


def read(path, action):
    """`action()`, whose failure is the file's."""
    try:
        return action()
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, UnicodeDecodeError) as error:
        raise Refused(f"{path}: not a readable parquet file: {first_line(error)}; fetch it again") from None


def open_parquet(path):
    check(path)
    return read(path, lambda: parquet.ParquetFile(path, page_checksum_verification=True))


def parquet_rows(path, wanted=lambda name: True):
    """The rows of a description, the columns that are `wanted`."""
    with open_parquet(path) as file:
        names = [name for name in file.schema_arrow.names if wanted(name)]
        return read(path, lambda: file.read(columns=names).select(names).to_pylist())


def leaf(kind):
    """The type inside of lists."""
    while True:
        if isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
            kind = kind.value_type
        elif pa.types.is_dictionary(kind):
            kind = kind.value_type
        else:
            return kind


def is_numeric(kind):
    kind = leaf(kind)
    return (pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)
            or pa.types.is_decimal(kind))


def is_image(kind):
    """Hugging Face's images, the bytes of a file or its path; or bytes alone."""
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


class DataFile:
    """A parquet file, of which rows are read by row group; the last table is kept for the next episode."""

    def __init__(self, path):
        self.path = path
        self.file = open_parquet(path)
        self.schema = read(path, lambda: self.file.schema_arrow)
        self.rows = self.file.metadata.num_rows
        sizes = [self.file.metadata.row_group(group).num_rows for group in range(self.file.metadata.num_row_groups)]
        self.starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        self.kept = (None, None)
        self.whole = {}
        names = self.schema.names
        if len(set(names)) < len(names):
            raise Refused(f"{path}: two columns have one name: {', '.join(sorted(names))}")

    def close(self):
        self.file.close()

    def groups(self, start, stop):
        return [group for group in range(len(self.starts) - 1)
                if self.starts[group] < stop and start < self.starts[group + 1]]

    def table(self, names, start, stop):
        """Rows `start` to `stop` of some columns."""
        groups = self.groups(start, stop)
        if self.kept[0] != (groups, names):
            self.kept = (None, None)
            table = read(self.path, lambda: self.file.read_row_groups(groups, columns=names).select(names))
            self.kept = ((groups, names), table)
        return self.kept[1].slice(start - self.starts[groups[0]], stop - start)

    def column(self, name):
        """One column of the whole file, for those that say which rows are whose; None where there is no such column."""
        if name not in self.schema.names:
            return None
        if name not in self.whole:
            table = read(self.path, lambda: self.file.read(columns=[name]).select([name]))
            self.whole[name] = (numbers(table[name], f"{self.path}: column {name}").reshape(-1)
                                if self.rows else np.zeros(0))
        return self.whole[name]

    def batches(self, name, start, stop):
        """The values of a column, few at a time, as Python's."""
        groups = self.groups(start, stop)
        at = int(self.starts[groups[0]])
        batches = iter(self.file.iter_batches(batch_size=16, row_groups=groups, columns=[name]))
        while at < stop:
            batch = read(self.path, lambda: next(batches, None))
            if batch is None:
                raise Refused(f"{self.path}: column {name} ends at row {at} of {stop}")
            low, high = max(start - at, 0), min(stop - at, batch.num_rows)
            if low < high:
                yield from read(self.path, lambda: batch.column(name).slice(low, high - low).to_pylist())
            at += batch.num_rows


def numbers(column, where, row_name="row"):
    """A column as float64 [rows, values]; nothing but numbers, as many in each row."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    rows, widths = len(array), []

    def place(index):
        per_row = int(np.prod(widths, dtype=np.int64))
        row = f"{row_name} {index // max(per_row, 1)}"
        return f"{row}, value {index % per_row}" if per_row > 1 else row

    while True:
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if array.null_count:
            index = int(np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))[0])
            raise Refused(f"{where}: {place(index)}: null; a missing value is not converted")
        kind = array.type
        if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
            break
        if pa.types.is_fixed_size_list(kind):
            width = kind.list_size
        else:
            sizes = array.value_lengths().to_numpy(zero_copy_only=False)
            width = int(sizes[0]) if len(sizes) else 0
            if (sizes != width).any():
                index = int(np.flatnonzero(sizes != width)[0])
                raise Refused(f"{where}: {place(index)}: {sizes[index]} values, {width} before")
        array = array.flatten()
        widths.append(width)
    if not is_numeric(kind):
        raise Refused(f"{where}: holds {kind}, not numbers")
    width = int(np.prod(widths, dtype=np.int64))
    if width == 0:
        raise Refused(f"{where}: no values in a row")
    if pa.types.is_decimal(kind):
        array = array.cast(pa.float64())
    values = array.to_numpy(zero_copy_only=False)
    if values.dtype.kind in "iu" and values.size and max(int(values.max()), -int(values.min())) > EXACT:
        index = int(np.argmax((values > EXACT) | (values < -EXACT)))
        raise Refused(f"{where}: {place(index)}: {values[index]} is too large to be kept exactly as float64")
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        index = int(np.argmin(np.isfinite(values)))
        raise Refused(f"{where}: {place(index)}: {values[index]}; a value that is no number is not converted")
    return values.reshape(rows, width)
