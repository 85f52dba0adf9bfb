from __future__ import annotations

import itertools
import math
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from uninas_bench.errors import StoreError
from uninas_bench.store import ScoreStore, default_store_url, open_store
from uninas_bench.testing.stores import CONFIGURATION, PROVENANCE, StoreTestCase, failure, outcome


class TestInMemory(StoreTestCase):
    def make_store(self) -> ScoreStore:
        return open_store(None)


class TestFile(StoreTestCase):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.names = (tmp_path / f"store-{number}.db" for number in itertools.count())

    def make_store(self) -> ScoreStore:
        return open_store(next(self.names))


@pytest.mark.skipif("UNINAS_BENCH_TEST_POSTGRES" not in os.environ, reason="names no PostgreSQL database")
class TestPostgres(StoreTestCase):
    def make_store(self) -> ScoreStore:
        import sqlalchemy as sa

        from uninas_bench.store.schema import metadata

        url = os.environ["UNINAS_BENCH_TEST_POSTGRES"]
        engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
        metadata.drop_all(engine)
        engine.dispose()
        return open_store(url)


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    path = tmp_path / "filled.db"
    with open_store(path) as store:
        store.write([outcome("a"), failure("b")], store.begin_run(PROVENANCE))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_file_outlives_its_store(filled: Path) -> None:
    with open_store(filled) as store:
        assert sorted(store.columns([CONFIGURATION])[CONFIGURATION].cells.index) == ["a", "b"]
        assert store.runs()[0].provenance == PROVENANCE


def test_a_closed_store_is_one_file(filled: Path) -> None:
    assert [path.name for path in filled.parent.iterdir()] == ["filled.db"]


@pytest.mark.parametrize("create", [False, True])
def test_reading_changes_nothing(filled: Path, create: bool) -> None:
    before = contents(filled.parent)
    with open_store(filled, create=create) as store:
        assert len(store.columns(store.configurations())[CONFIGURATION].cells) == 2
    assert contents(filled.parent) == before


def test_a_store_opened_for_reading_cannot_be_written(filled: Path) -> None:
    with open_store(filled, create=False) as store, pytest.raises(StoreError, match="readonly"):
        store.begin_run(PROVENANCE)


def test_a_url_and_a_path_name_the_same_store(filled: Path) -> None:
    with open_store(f"sqlite:///{filled}") as store:
        assert store.configurations() == (CONFIGURATION,)


def test_missing_folders_are_made(tmp_path: Path) -> None:
    with open_store(tmp_path / "new" / "folder" / "scores.db") as store:
        store.begin_run(PROVENANCE)
    assert (tmp_path / "new" / "folder" / "scores.db").is_file()


def test_names_with_odd_characters(tmp_path: Path) -> None:
    path = tmp_path / "100% ?mode=ro&uri#1.db"
    with open_store(path) as store:
        store.begin_run(PROVENANCE)
    assert path.is_file()
    with open_store(path, create=False) as store:
        assert len(store.runs()) == 1


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "scores.db"
    path.touch()
    with open_store(path) as store:
        assert store.configurations() == ()


def test_the_default_store_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNINAS_BENCH_STORE", "postgresql://host/scores")
    assert default_store_url() == "postgresql://host/scores"
    monkeypatch.delenv("UNINAS_BENCH_STORE")
    assert default_store_url().endswith("scores.db")


def refusal(location: Path | str, *, create: bool = True) -> str:
    with pytest.raises(StoreError) as caught:
        open_store(location, create=create)
    message = str(caught.value)
    assert "\n" not in message
    return message


def newer(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE uninas_bench_meta SET schema_version = 99")
    connection.close()


def test_a_newer_schema_is_refused_and_left_alone(filled: Path) -> None:
    newer(filled)
    before = contents(filled.parent)
    for create in (True, False):
        message = refusal(filled, create=create)
        assert str(filled) in message
        assert "newer uninas-bench" in message
        assert "99" in message
    assert contents(filled.parent) == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("architecture,accuracy\n" * 100)
    before = contents(tmp_path)
    assert refusal(path) == f"{path}: cannot be opened as a score store (file is not a database)"
    assert contents(tmp_path) == before


def test_a_truncated_store_is_refused(filled: Path) -> None:
    filled.write_bytes(filled.read_bytes()[:6000])
    before = contents(filled.parent)
    assert "cannot be opened as a score store" in refusal(filled)
    assert contents(filled.parent) == before


def test_a_store_with_a_damaged_page_is_refused_where_it_is_read(filled: Path) -> None:
    content = filled.read_bytes()
    position = content.rindex(b"ValueError: odd") // 4096 * 4096
    filled.write_bytes(content[:position] + b"\xff" * 4096 + content[position + 4096 :])
    with pytest.raises(StoreError, match=r"cannot be read \(database disk image is malformed\)"):  # noqa: SIM117
        with open_store(filled) as store:
            store.columns([CONFIGURATION])


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE runs (id)")
    connection.close()
    before = contents(tmp_path)
    assert "another program's database" in refusal(path)
    assert contents(tmp_path) == before


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert (
        refusal(tmp_path) == f"{tmp_path}: is a folder; a store is a file, such as {tmp_path / 'scores.db'}"
    )


def test_a_store_that_is_not_there_is_not_made_for_reading(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.db", create=False) == f"{tmp_path / 'none.db'}: no such store"
    assert list(tmp_path.iterdir()) == []


def test_a_path_below_a_file_is_refused(filled: Path) -> None:
    assert "cannot be opened" in refusal(filled / "scores.db")


@pytest.mark.parametrize("url", ["nosuchdb://host/name", "://", "postgresql://127.0.0.1:1/none"])
def test_urls_that_lead_nowhere_are_refused(url: str) -> None:
    assert refusal(url).startswith(f"{url}: ")


def test_a_password_is_not_repeated() -> None:
    assert "secret" not in refusal("postgresql://me:secret@127.0.0.1:1/none")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_an_unreadable_file_is_refused(filled: Path) -> None:
    filled.chmod(0)
    assert "cannot be opened" in refusal(filled)


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs to act as another user"
)
def test_a_store_in_a_folder_of_somebody_elses_can_be_read(filled: Path) -> None:
    for folder in filled.parents[:3]:
        folder.chmod(folder.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    filled.chmod(0o644)
    code = (
        "import sys\nfrom uninas_bench.store import open_store\n"
        "with open_store(sys.argv[1], create=False) as store: print(len(store.configurations()))"
    )
    answer = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", code, filled],
        capture_output=True,
        text=True,
        check=False,
    )
    if "Permission denied" in answer.stderr or "ModuleNotFoundError" in answer.stderr:
        pytest.skip("the other user may not run this Python")
    assert (answer.stdout, answer.stderr) == ("1\n", "")


def test_two_stores_on_one_file_see_each_others_cells(filled: Path) -> None:
    with open_store(filled) as one, open_store(filled) as other:
        one.write([outcome("c", 1.0)], one.begin_run(PROVENANCE))
        other.write([outcome("c", 2.0), outcome("d", 2.0)], other.begin_run(PROVENANCE))
        for store in (one, other):
            values = store.columns([CONFIGURATION], ["c", "d"])[CONFIGURATION].values["az"]
            assert list(values) == [1.0, 2.0]


_WRITER = """
import sys
from uninas_bench.store import open_store
from uninas_bench.testing.stores import PROVENANCE, outcome
with open_store(sys.argv[1]) as store:
    run = store.begin_run(PROVENANCE)
    for number in range(200):
        store.write([outcome(str(number), number), outcome(sys.argv[2] + str(number))], run)
    store.end_run(run)
"""


def test_processes_write_to_one_new_store_at_once(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, path, name], stderr=subprocess.PIPE, text=True)
        for name in "xyz"
    ]
    assert [writer.communicate(timeout=60)[1] for writer in writers] == ["", "", ""]
    with open_store(path) as store:
        assert len(store.runs()) == 3
        assert all(run.ended for run in store.runs())
        columns = store.columns([CONFIGURATION])[CONFIGURATION]
        assert len(columns.cells) == 800
        numbers = [name for name in columns.values.index if name.isdigit()]
        assert all(float(columns.values.loc[name, "az"]) == float(name) for name in numbers)


def test_importing_the_store_imports_no_torch() -> None:
    code = (
        "import sys\nfrom uninas_bench.store import open_store\nfrom uninas_bench import engine\n"
        "from uninas_bench.testing.stores import *\n"
        "s = open_store(None); s.write([outcome('a')], s.begin_run(PROVENANCE)); s.columns([CONFIGURATION])\n"
        "print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"


def test_finite_values_only() -> None:
    with open_store(None) as store, pytest.raises(ValueError, match="JSON"):
        store.write([outcome("a", math.inf)], store.begin_run(PROVENANCE))
