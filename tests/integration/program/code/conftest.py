"""Workers for the wicked programs of tests/programs."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from services.program.code import registry
from services.program.code.pool import Workers

PROGRAMS = Path(__file__).parents[3] / "programs"
Register = Callable[[str, str], None]


@pytest.fixture(autouse=True)
def wicked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Registers the wicked programs and metrics."""
    monkeypatch.syspath_prepend(str(PROGRAMS))
    registry.forget()
    yield
    registry.forget()


@pytest.fixture
def register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Register:
    """Registers entry points of one more distribution: its name, and the text of its entry_points.txt."""

    def made(name: str, text: str) -> None:
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        registry.forget()

    return made


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    """Two workers."""
    made = Workers(2)
    yield made
    await made.close()
