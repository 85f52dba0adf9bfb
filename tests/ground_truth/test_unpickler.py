"""The unpickler: what a benchmark file needs is loaded, and nothing else is ever run."""

from __future__ import annotations

import builtins
import bz2
import contextlib
import io
import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nats_bench.api_utils
import numpy as np
import pytest
import torch

from tests.ground_truth.tiny import CELLS, nats_record
from uninas_bench.errors import InvalidFile
from uninas_bench.ground_truth.importing import import_file
from uninas_bench.ground_truth.unpickler import Refused, load_pickle, load_torch


class Call:
    """Pickles as a call of ``function``."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = (function, arguments)

    def __repr__(self) -> str:
        # Names of tests must be the same in every process.
        function, arguments = self.call
        return f"{function.__module__}.{function.__qualname__}{arguments!r:.40}"

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def touch(path: Path) -> Call:
    return Call(os.system, f"touch {path}")


def write_pickle(tmp_path: Path, bomb: object) -> Path:
    (tmp_path / "evil.pickle").write_bytes(pickle.dumps({"meta_archs": [bomb]}))
    return tmp_path / "evil.pickle"


def write_bz2(tmp_path: Path, bomb: object) -> Path:
    nats_bench.api_utils.pickle_save({"meta_archs": [bomb]}, str(tmp_path / "NATS-tss-v1_0-3ffb9.pickle"))
    return tmp_path / "NATS-tss-v1_0-3ffb9.pickle.pbz2"


def write_folder(tmp_path: Path, bomb: object) -> Path:
    folder = tmp_path / "NATS-tss-v1_0-3ffb9-simple"
    folder.mkdir()
    record = nats_record(0, CELLS[0])
    nats_bench.api_utils.pickle_save(record, str(folder / "000000.pickle"))
    record["200"]["all_results"]["cifar10", 777]["net_state_dict"] = bomb
    nats_bench.api_utils.pickle_save(record, str(folder / "000001.pickle"))
    return folder


def write_meta(tmp_path: Path, bomb: object) -> Path:
    folder = tmp_path / "NATS-tss-v1_0-3ffb9-simple"
    folder.mkdir()
    nats_bench.api_utils.pickle_save(nats_record(0, CELLS[0]), str(folder / "000000.pickle"))
    nats_bench.api_utils.pickle_save({"meta_archs": [bomb]}, str(folder / "meta.pickle"))
    return folder


def write_torch(tmp_path: Path, bomb: object) -> Path:
    torch.save({"meta_archs": [bomb]}, tmp_path / "NAS-Bench-201-v1_1-096897.pth")
    return tmp_path / "NAS-Bench-201-v1_1-096897.pth"


def write_legacy_torch(tmp_path: Path, bomb: object) -> Path:
    torch.save({"a": bomb}, tmp_path / "evil.pth", _use_new_zipfile_serialization=False)
    return tmp_path / "evil.pth"


@pytest.mark.parametrize(
    "write", [write_pickle, write_bz2, write_folder, write_meta, write_torch, write_legacy_torch]
)
def test_a_command_in_a_file_does_not_run(
    tmp_path: Path, data_folder: Path, write: Callable[[Path, object], Path]
) -> None:
    trace = tmp_path / "pwned"
    path = write(tmp_path, touch(trace))
    with pytest.raises(Refused) as caught:
        import_file(path)
    assert not trace.exists()
    assert not data_folder.exists()
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.endswith(
        f": refused: it asks to load {os.system.__module__}.system, which no benchmark file needs; "
        "nothing was run"
    )


def test_the_bombs_would_go_off(tmp_path: Path) -> None:
    """The check above is void unless the same bytes do harm in the ordinary loader."""
    trace = tmp_path / "pwned"
    pickle.loads(pickle.dumps(touch(trace)))
    assert trace.exists()


@pytest.mark.parametrize(
    "bomb",
    [
        Call(eval, "1"),
        Call(getattr, {}, "get"),
        Call(builtins.__import__, "os"),
        Call(np.frombuffer, b"1"),
        Call(torch.load, "x"),
        Call(pickle.loads, b"N."),
        Path("x"),
        np.array([1.0]),
    ],
    ids=repr,
)
def test_other_names_are_refused(bomb: object) -> None:
    with pytest.raises(Refused, match="nothing was run"):
        load_pickle(io.BytesIO(pickle.dumps(bomb)), "file")


def test_extension_codes_and_dotted_names_are_refused() -> None:
    for data in (
        b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93.",
        b"ccollections\nnamedtuple\n(tR.",
        b"cposix\nsystem\n(S'true'\ntR.",
        b"(S'true'\niposix\nsystem\n.",
        b"(cposix\nsystem\nS'true'\no.",
    ):
        with pytest.raises(Refused):
            load_pickle(io.BytesIO(data), "file")


def test_weights_are_stepped_over_without_reading(tmp_path: Path) -> None:
    """A tensor in a pickle is a nested file for ``torch.load``, which could hold a command itself."""
    trace = tmp_path / "pwned"
    inner = pickle.dumps(touch(trace))
    loaded = load_pickle(io.BytesIO(pickle.dumps(Call(torch.storage._load_from_bytes, inner))), "file")
    assert not trace.exists()
    assert type(loaded).__name__ == "Weights"


def test_a_file_cannot_change_what_the_next_one_is_given() -> None:
    # BUILD with slot state sets attributes of the object given: here of the class of ordered dicts.
    poison = b"\x80\x02ccollections\nOrderedDict\nN}X\x04\x00\x00\x00evilK\x01s\x86b."
    before = set(vars(OrderedDict))
    with contextlib.suppress(InvalidFile):
        load_pickle(io.BytesIO(poison), "file")
    assert set(vars(OrderedDict)) == before
    fresh = load_pickle(io.BytesIO(pickle.dumps(OrderedDict(a=1))), "file")
    assert not hasattr(fresh, "evil")


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize(
    "value",
    [
        np.float64(93.5), np.float32(0.25), np.int64(-7), np.bool_(True), {1, 2}, OrderedDict(a=[1, "x"]),
        {("cifar10", 777): 1.5, "none": None},
    ],
    ids=repr,
)  # fmt: skip
def test_plain_values(value: object, protocol: int) -> None:
    assert load_pickle(io.BytesIO(pickle.dumps(value, protocol)), "file") == value


def test_numpy_objects_in_disguise_are_no_numbers() -> None:
    data = pickle.dumps(np.float64(1.0), 4).replace(b"f8", b"O8")
    with pytest.raises(InvalidFile, match="no number"):
        load_pickle(io.BytesIO(data), "file")


def test_same_values_as_torch(tmp_path: Path) -> None:
    value = {"arch2infos": {0: OrderedDict(a=[1.5, None])}, "evaluated_indexes": [0], "t": (1, 2)}
    for zipped in (True, False):
        torch.save(value, tmp_path / "f.pth", _use_new_zipfile_serialization=zipped)
        with (tmp_path / "f.pth").open("rb") as file:
            assert load_torch(file, "f") == torch.load(tmp_path / "f.pth", weights_only=True) == value


@pytest.mark.parametrize("cut", [1, 10, 30, 60])
def test_truncated(cut: int) -> None:
    data = pickle.dumps({"a": [1.0, 2.0], "b": OrderedDict(c=3)}, 4)
    with pytest.raises(InvalidFile, match="file: truncated or damaged: "):
        load_pickle(io.BytesIO(data[:-cut]), "file")
    packed = bz2.compress(data)[: -20 - cut]
    with pytest.raises(InvalidFile, match="truncated or damaged"), bz2.open(io.BytesIO(packed)) as stream:
        load_pickle(stream, "file")
