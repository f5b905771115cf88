"""Frames, one after another: from videos by PyAV, from images inside parquet files by Pillow."""
import io
import os

import av
import numpy as np
from PIL import Image

from .files import Refused, check, first_line


class LeftOut(Exception):
    """Images that are no color images: depth, for example, which RGB would falsify."""


# images

def image(cell, folder, where):
    """RGB [height, width, 3] of what a cell of an image column holds."""
    if isinstance(cell, bytes):
        cell = {"bytes": cell}
    if not isinstance(cell, dict) or (cell.get("bytes") is None and cell.get("path") is None):
        raise Refused(f"{where}: no image")
    data = cell.get("bytes")
    if data is None:
        path = os.path.realpath(os.path.join(folder, cell["path"]))
        if not path.startswith(os.path.realpath(folder) + os.sep):
            raise Refused(f"{where}: an image outside of the dataset: {cell['path']}")
        check(path)
        with open(path, "rb") as file:
            data = file.read()
    try:
        if data[:8] == b"\x89PNG\r\n\x1a\n" and data[24:25] == b"\x10":
            raise LeftOut("16 bits a channel")
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "BMP", "TIFF")) as opened:
            opened.load()
            return rgb(opened)
    except (Refused, LeftOut):
        raise
    except Exception as error:  # Pillow raises SyntaxError and struct.error, too, for damaged files
        raise Refused(f"{where}: a damaged image: {first_line(error)}") from None


def rgb(opened):
    opaque = "transparency" not in opened.info
    if opened.mode == "RGBA" and opened.getchannel("A").getextrema() == (255, 255):
        opened, opaque = opened.convert("RGB"), True
    if opened.mode == "P" and opaque:
        opened = opened.convert("RGB")
    if opened.mode != "RGB":
        bands = len(opened.getbands())
        raise LeftOut(f"{bands} channel{'s' * (bands > 1)}, mode {opened.mode}")
    return np.asarray(opened, np.uint8)


# videos

class Video:
    """A video file, open."""

    def __init__(self, path):
        check(path)
        self.path = path
        self.container = self._try(lambda: av.open(path, metadata_errors="replace"))
        if not self.container.streams.video:
            self.container.close()
            raise Refused(f"{path}: no video in it")
        self.stream = self.container.streams.video[0]
        self.stream.thread_type = "AUTO"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.container.close()

    def _try(self, action):
        try:
            return action()
        except (Refused, LeftOut, MemoryError):
            raise
        except Exception as error:  # FFmpeg's own, and Python's for codecs that are not built in
            reason = getattr(error, "strerror", None) or first_line(error)
            raise Refused(f"{self.path}: not a readable video: {reason}; fetch it again") from None

    def _decoded(self):
        frames = iter(self._try(lambda: self.container.decode(self.stream)))
        while (frame := self._try(lambda: next(frames, None))) is not None:
            if frame.is_corrupt:
                raise Refused(f"{self.path}: a damaged frame at {frame.time} s; fetch it again")
            yield frame

    def _rgb(self, frame):
        components = frame.format.components
        if len(components) == 1 and not frame.format.has_palette:
            raise LeftOut(f"1 channel of {components[0].bits} bits")
        return self._try(lambda: frame.to_ndarray(format="rgb24"))

    def frames(self, fps, times):
        """All of them. Frames are rows' by their number: one that is neither where its step nor where its row is, is refused,
        since one before it may be missing. Times count from the first frame; those without a time are taken as they come.
        """
        rows = [] if times is None else times - times[0]
        rate = fps or (1 / np.median(np.diff(rows)) if len(rows) > 1 else None)
        first = None
        for step, frame in enumerate(self._decoded()):
            if first is None:
                first, start = frame.time, step
            expected = [(step - start) / fps] if fps else []
            if step < len(rows):
                expected.append(rows[step] - rows[start])
            if rate and expected and frame.time is not None and (
                    min(abs(frame.time - first - time) for time in expected) > 0.5 / rate):
                raise Refused(f"{self.path}: frame {step} is at {frame.time:g} s, {first + expected[0]:g} s expected: one before "
                              "it is missing, or the video's rate is another; encode it again, a frame for each row")
            yield self._rgb(frame)

    def clip(self, start, stop, fps):
        """The frames from second `start` until `stop`; one that is not where its step is, is refused."""
        rate = fps or (float(self.stream.average_rate) if self.stream.average_rate else None)
        if rate is None:
            raise Refused(f"{self.path}: neither meta/info.json nor the video has a frame rate")
        half = 0.5 / rate
        for step, frame in enumerate(self._from(start - half)):
            if frame.time >= stop - half:
                return
            if abs(frame.time - (start + step / rate)) > half:
                raise Refused(f"{self.path}: frame {step} of {start:g} to {stop:g} s is at {frame.time:g} s, "
                              f"{start + step / rate:g} s expected")
            yield self._rgb(frame)

    def _from(self, earliest):
        """The frames that are not before `earliest`: from the key frame before it, or from the beginning where that is past."""
        base = self.stream.time_base
        target = int(max(earliest - 0.1, 0) / base)
        if target > 0:
            self._try(lambda: self.container.seek(target, stream=self.stream, backward=True))
        early = target == 0
        for frame in self._decoded():
            if frame.time is None:
                raise Refused(f"{self.path}: a frame without a time")
            if not early and frame.time >= earliest:
                break
            early = True
            if frame.time >= earliest:
                yield frame
        else:
            return
        self._try(lambda: self.container.seek(0, stream=self.stream, backward=True))
        for frame in self._decoded():
            if frame.time is not None and frame.time >= earliest:
                yield frame
