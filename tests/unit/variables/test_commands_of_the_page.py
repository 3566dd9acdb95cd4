"""The page on variable spaces: every command on it is one that the command line takes."""

import re
import shlex
from pathlib import Path

import click
import pytest
from ashgrove.cli import main

PAGE = Path(__file__).parents[3] / "docs" / "variables.md"


def commands() -> list[str]:
    """Return the lines of the page's shell blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("ashgrove ")]


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_page_is_taken(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its arguments and options; it is not run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.json").write_text("{}")
    words = shlex.split(line.split(" > ", maxsplit=1)[0])[1:]
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group):
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None, name
        command = found
    command.make_context(command.name or "", words)


def test_there_are_commands_on_the_page() -> None:
    """The test above is about something."""
    assert len(commands()) >= 10
