"""An unpickler for benchmark files that loads plain values and a short list of names, and refuses the rest.

A pickle is a program: it may name any importable object and call it. Benchmark files need no more than
containers, numbers and texts, numpy scalars, two record classes of their packages and, in archives with
trained weights, tensors. Each of these names is answered by a stand-in made for one load, so that nothing in
the file can reach or change a real function or class. Weights are stepped over: they are never read.
"""

from __future__ import annotations

import pickle
import re
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from typing import IO, Any

from uninas_bench.errors import InvalidFile

_LEGACY_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_SCALAR_TYPES = re.compile(r"[<>|=]?[biuf][1248]")
_RECORD_CLASSES = (
    ("nats_bench.api_utils", "ArchResults"),
    ("nats_bench.api_utils", "ResultsCount"),
    ("nas_201_api.api_utils", "ArchResults"),
    ("nas_201_api.api_utils", "ResultsCount"),
)
_TENSOR_NAMES = (
    ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch.storage", "_load_from_bytes"),
    ("torch.storage", "TypedStorage"),
    ("torch.storage", "UntypedStorage"),
    *(("torch", f"{kind}Storage") for kind in ("BFloat16", "Bool", "Byte", "Char", "Double", "Float")),
    *(("torch", f"{kind}Storage") for kind in ("Half", "Int", "Long", "Short")),
)

OnItem = Callable[[object, object], object]
"""Called with each key and value put into an `OrderedDict` of the file; returns what is kept as the value."""


class Refused(InvalidFile):
    """A file that asks for something that no benchmark file needs."""


def load_pickle(stream: IO[bytes], label: str, on_item: OnItem | None = None) -> Any:
    """The value of one pickle.

    Args:
        stream: positioned at the pickle; left behind it.
        label: names the file in errors.
        on_item: may shrink values while the file is still being read, so that a file many times the size of
            the memory can be read. Plain dicts do not call it.

    Raises:
        Refused: the pickle asks for a name that is not on the list; nothing was run.
        InvalidFile: the pickle is truncated, damaged, or none at all.
    """
    try:
        return _Unpickler(stream, label, on_item).load()
    except InvalidFile:
        raise
    except MemoryError:
        raise InvalidFile(f"{label}: too large for this machine's memory") from None
    except Exception as error:
        # A damaged stream can fail in any of the ways that its opcodes can; all mean the same to the user.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InvalidFile(f"{label}: truncated or damaged: {reason}") from None


def load_torch(stream: IO[bytes], label: str, on_item: OnItem | None = None) -> Any:
    """The value of a file written by ``torch.save``, as zip archive or in the format before torch 1.6.

    Args:
        stream: seekable.
        label: names the file in errors.
        on_item: see `load_pickle`.

    Raises:
        Refused: as `load_pickle`.
        InvalidFile: as `load_pickle`.
    """
    if stream.read(4) == b"PK\x03\x04":
        return _load_zip(stream, label, on_item)
    stream.seek(0)
    magic = load_pickle(stream, label)
    if magic != _LEGACY_TORCH_MAGIC:
        raise InvalidFile(f"{label}: not written by torch.save")
    load_pickle(stream, label)  # version of the format
    load_pickle(stream, label)  # byte order and sizes of the machine that wrote it
    return load_pickle(stream, label, on_item)


def is_legacy_torch(head: bytes) -> bool:
    """Whether a file that begins with these bytes (at least 16) is of the format before torch 1.6."""
    return head[:2] == b"\x80\x02" and _LEGACY_TORCH_MAGIC.to_bytes(10, "little") in head[:16]


def _load_zip(stream: IO[bytes], label: str, on_item: OnItem | None) -> Any:
    try:
        with zipfile.ZipFile(stream) as archive:
            names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            if len(names) != 1:
                raise InvalidFile(
                    f"{label}: not written by torch.save: it has {len(names)} files data.pkl, not 1"
                )
            with archive.open(names[0]) as member:
                return load_pickle(member, label, on_item)
    except (zipfile.BadZipFile, struct.error, RuntimeError, OSError) as error:
        raise InvalidFile(f"{label}: truncated or damaged: {' '.join(str(error).split())}") from None


class _Unpickler(pickle.Unpickler):
    """Knows the names of `_stand_ins` and no others."""

    def __init__(self, stream: IO[bytes], label: str, on_item: OnItem | None) -> None:
        super().__init__(stream)
        self._label = label
        self._known = _stand_ins(on_item)

    def find_class(self, module_name: str, global_name: str) -> Any:
        found = self._known.get((module_name, global_name))
        if found is None:
            raise Refused(
                f"{self._label}: refused: it asks to load {module_name}.{global_name}, "
                "which no benchmark file needs; nothing was run"
            )
        return found

    def persistent_load(self, pid: Any) -> None:
        """Torch's reference to a storage; weights are not read."""
        return


def _stand_ins(on_item: OnItem | None) -> dict[tuple[str, str], Any]:
    """Fresh objects at each call: a pickle may set attributes of what it was given."""

    class Ordered(OrderedDict[Any, Any]):
        def __setitem__(self, key: Any, value: Any) -> None:
            super().__setitem__(key, on_item(key, value) if on_item else value)

    class Record:
        """An object of one of the packages' record classes, as its state."""

    class Weights:
        """A tensor or a storage that is not read."""

        def __new__(cls, *_: object) -> Any:
            return super().__new__(cls)

        def __setstate__(self, state: object) -> None:
            return

    class Type:
        """A numpy type."""

        def __init__(self, spec: str, *_: object) -> None:
            self.spec = spec
            self.order = "<"

        def __setstate__(self, state: tuple[Any, ...]) -> None:
            self.order = state[1]

    def scalar(kind: Any, data: bytes) -> object:
        import numpy as np

        spec = f"{kind.order}{kind.spec}" if type(kind) is Type else ""
        if not _SCALAR_TYPES.fullmatch(spec):
            raise ValueError(f"numpy type {spec!r} is no number")
        return np.frombuffer(data, dtype=spec, count=1)[0].item()

    def encode(text: str, encoding: str) -> bytes:
        if encoding != "latin1":
            raise ValueError(f"encoding {encoding!r}")
        return text.encode("latin1")

    known: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): Ordered,
        ("builtins", "set"): set,
        ("__builtin__", "set"): set,
        ("_codecs", "encode"): encode,
        ("numpy", "dtype"): Type,
        ("numpy.core.multiarray", "scalar"): scalar,
        ("numpy._core.multiarray", "scalar"): scalar,
    }
    known.update(dict.fromkeys(_RECORD_CLASSES, Record))
    known.update(dict.fromkeys(_TENSOR_NAMES, Weights))
    return known
