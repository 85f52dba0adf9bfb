"""The import as a whole: names, overwriting, provenance, and its verification afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ground_truth.tiny import CELLS
from uninas_bench.errors import InvalidFile, UserError
from uninas_bench.ground_truth.catalogue import find_ground_truth
from uninas_bench.ground_truth.importing import import_file, source_of
from uninas_bench.ground_truth.verification import checks
from uninas_bench.host import default_host
from uninas_bench.spaces.nasbench201 import NasBench201
from uninas_bench.spaces.nats_size import NatsSize


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    path.write_text("architecture,accuracy,seed\n0,80.5,1\n0,81.5,2\n6111,94,1\n6111,95,2\n")
    return path


def test_csv(csv: Path, data_folder: Path) -> None:
    space = NasBench201().scaled(channels=8)
    done = import_file(csv, space=space, task="cifar10-12ep", protocol="12 epochs of mine")
    table = find_ground_truth("nasbench201-cifar10-12ep")
    assert table.accuracies().tolist() == [81.0, 94.5]
    assert table.info.scale == "channels=8,cells=5"
    assert table.info.protocol == "12 epochs of mine"
    assert done.tables[0][1] == data_folder / "ground_truth" / "nasbench201-cifar10-12ep.csv.gz"
    assert source_of(table.info.source) == (csv.resolve(), hashlib.sha256(csv.read_bytes()).hexdigest())


def test_a_task_at_another_resolution_gives_a_name_as_well(csv: Path, data_folder: Path) -> None:
    import_file(csv, space=NasBench201(), task="digits@16")
    assert find_ground_truth("nasbench201-digits-16").info.task == "digits@16"


def test_what_a_plain_table_does_not_say_must_be_given(csv: Path) -> None:
    with pytest.raises(UserError, match="--space is missing"):
        import_file(csv, task="cifar10")
    with pytest.raises(UserError, match="--task is missing"):
        import_file(csv, space=NasBench201())
    with pytest.raises(UserError, match='no task "cifar"; did you mean "cifar10"'):
        import_file(csv, space=NasBench201(), task="cifar")
    with pytest.raises(InvalidFile, match="no such file"):
        import_file(csv.with_name("absent.csv"))


def test_a_name_is_not_overwritten_unasked(csv: Path, data_folder: Path) -> None:
    import_file(csv, space=NasBench201(), task="cifar10")
    import_file(csv, space=NasBench201(), task="cifar10")
    csv.write_text("architecture,accuracy\n0,50\n")
    with pytest.raises(UserError, match='"nasbench201-cifar10" is already imported from another file'):
        import_file(csv, space=NasBench201(), task="cifar10")
    assert find_ground_truth("nasbench201-cifar10").accuracies().iloc[0] == 81.0
    import_file(csv, space=NasBench201(), task="cifar10", replace_existing=True)
    assert find_ground_truth("nasbench201-cifar10").accuracies().iloc[0] == 50.0
    import_file(csv, space=NasBench201(), task="cifar10", name="other")
    assert find_ground_truth("other").info.name == "other"


@pytest.mark.parametrize("name", ["../x", "a/b", "embedded", "nasbench201", "-x", "a b"])
def test_bad_names(csv: Path, data_folder: Path, name: str) -> None:
    with pytest.raises(UserError, match="--name"):
        import_file(csv, space=NasBench201(), task="cifar10", name=name)
    assert not data_folder.exists()


def test_official_files_bring_space_and_tasks(nats_file: Path) -> None:
    with pytest.raises(UserError, match="holds architectures of nasbench201, not of nats_size"):
        import_file(nats_file, space=NatsSize())
    with pytest.raises(UserError, match=r'no task in .* "cifar1"; did you mean "cifar10"'):
        import_file(nats_file, task="cifar1")
    names = [table.info.name for table, _ in import_file(nats_file, name="tss").tables]
    assert names[:2] == ["tss-cifar10", "tss-cifar10-train25k"]
    assert find_ground_truth("tss-imagenet16-120-12ep").info.task == "imagenet16-120-12ep"


def test_own_tables_can_be_passed_on(csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ((_, path),) = import_file(csv, space=NasBench201(), task="cifar10").tables
    monkeypatch.setenv("UNINAS_BENCH_DATA", str(tmp_path / "colleague"))
    import_file(path)
    assert find_ground_truth("nasbench201-cifar10").accuracies().tolist() == [81.0, 94.5]
    with pytest.raises(UserError, match="it is a table of cifar10, not of cifar100"):
        import_file(path, task="cifar100")


def findings(name: str) -> dict[str, bool | None]:
    return {check.name: check.passed for check in checks(find_ground_truth(name), default_host())}


def test_verification(csv: Path) -> None:
    import_file(csv, space=NasBench201(), task="cifar10")
    good = {"rows": True, "accuracies": True, "encodings": True, "task": True, "seeds": True, "source": True,
            "training": None}  # fmt: skip
    assert findings("nasbench201-cifar10") == good
    csv.write_text("something else")
    assert findings("nasbench201-cifar10") == {**good, "source": False}
    csv.unlink()
    assert findings("nasbench201-cifar10") == {**good, "source": None}


def test_verification_of_a_folder_with_gaps(nats_folder: Callable[..., Path]) -> None:
    folder = nats_folder()
    import_file(folder, task="cifar10")
    assert findings("nasbench201-cifar10")["seeds"] is None
    assert findings("nasbench201-cifar10")["source"] is True
    (folder / "000002.pickle.pbz2").write_bytes(b"altered")
    assert findings("nasbench201-cifar10")["source"] is False


def test_verification_of_encodings(csv: Path, data_folder: Path) -> None:
    import gzip

    import_file(csv, space=NasBench201(), task="cifar10")
    path = data_folder / "ground_truth" / "nasbench201-cifar10.csv.gz"
    text = gzip.decompress(path.read_bytes()).decode()
    path.write_bytes(gzip.compress(text.replace(CELLS[2], "0").encode()))
    failed = [check for check in checks(find_ground_truth(path), default_host()) if check.passed is False]
    assert [check.name for check in failed] == ["encodings"]
    assert failed[0].finding == f"0 is spelled {CELLS[2]} by its space"
