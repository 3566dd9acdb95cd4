"""The guide for authors says what is so: its code is registered, described and run."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from services.program.code import __main__ as listing
from services.program.code import registry
from services.program.code.contract import Limits
from services.program.code.pool import Workers

GUIDE = Path(__file__).parents[4] / "docs" / "custom-programs.md"
_BLOCK = re.compile(r"```\w+ title=(\S+)\n(.*?)```", re.DOTALL)
_GROUP = re.compile(r'\[project\.entry-points\."(.*?)"\]\n(.*?)(?=\n\[|\Z)', re.DOTALL)
EXAMPLE = {"inputs": {"text": "en liten katt"}, "outputs": {"word": "katt"}}


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installs the guide's distribution, and nothing else of the tests'."""
    files = dict(_BLOCK.findall(GUIDE.read_text()))
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    metadata = tmp_path / "short_words-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: short-words\nVersion: 1.0\n")
    groups = [f"[{group}]\n{body.replace(chr(34), '')}" for group, body in _GROUP.findall(files["pyproject.toml"])]
    (metadata / "entry_points.txt").write_text("\n".join(groups))
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.forget()


async def test_the_guides_programs_and_metrics_work(workers: Workers) -> None:
    """As they stand there."""
    async with workers.session("familiar@1", ["letters_shared", "verdict"], Limits()) as session:
        await session.prepare([EXAMPLE], {})
        ran = await session.run({"text": "katt eller hund"}, {}, 0)
        assert (ran.outputs, ran.trace) == ({"word": "katt"}, {"words": 3})
        prediction = {"outputs": ran.outputs}
        assert (await session.score("letters_shared", EXAMPLE, prediction, ran.trace, {})).scores == {
            "letters_shared": 1.0
        }
        assert (await session.score("verdict", EXAMPLE, prediction, ran.trace, {})).scores == {
            "verdict.right": 1.0,
            "verdict.letters": 4.0,
        }
    async with workers.session("longest@1", [], Limits()) as session:
        assert (await session.run({"text": "en liten katt"}, {"limit": 4}, 0)).outputs == {"word": "katt"}


def test_the_guides_command_lists_what_is_registered() -> None:
    """With promises, faults, and a status that says whether there are any."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        faults = listing.main()
    lines = printed.getvalue().splitlines()
    assert faults == sum("UNUSABLE" in line for line in lines) > 0  # the wicked ones
    assert f"{'program':9} {'longest@1':32} Answers with the longest word that is no longer than `limit`." in lines
    assert "          verdict.letters: 0 to ∞ letters, minimize, p95" in lines
