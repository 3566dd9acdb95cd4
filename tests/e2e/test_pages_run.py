"""Every command on the pages about programs, and every program of theirs, is run as a reader would, each page anew."""

import json
import os
import re
import runpy
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from ashgrove.cli import main
from ashgrove.client import Client
from click.testing import CliRunner

from tests.e2e.api import Api, Setting, founded
from tests.e2e.conftest import ROOT

PAGES = ("programs", "models", "tools", "datasets", "evaluation")
BLOCK = re.compile(
    r"^```(python|sh)\n(.*?)^```|^    ((?:ashgrove|curl) [^\n]*\n(?:      [^\n]*\n)*)", re.MULTILINE | re.DOTALL
)
# A reader has an endpoint and a secret of their own. Here there is neither.
THEIRS = {'"secret": "secret://models/openai",': "", '"model": "fast"': '"model": "local/nearest-demo"'}
REFUSED = re.compile(r'"code": ?[1-9]')


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Yields what a page has its reader run: its language, and the text."""
    for language, fenced, line in BLOCK.findall((ROOT / "docs" / f"{page}.md").read_text()):
        if language:
            yield language, fenced
        else:
            yield ("ashgrove" if line.startswith("ashgrove") else "sh"), line


class Reader:
    """Somebody with an organization of their own, in a folder with the files that the pages speak of."""

    def __init__(self, api: Api, operator: Api, folder: Path, page: str) -> None:
        setting = Setting(api, validation=4)
        gateway = f"127.0.0.1:{api.port}"
        evaluations = self._evaluated(gateway, api.key, setting) if page == "evaluation" else [""] * 3
        self.named = dict(zip(("BASE", "OTHER", "THIRD"), evaluations, strict=True))
        self.named |= {"PROGRAM": setting.program, "DATASET": setting.dataset, "ID": setting.dataset}
        self.environment = {
            **self.named,
            "URL": f"http://{gateway}",
            "KEY": api.key,
            "OPERATOR_KEY": operator.key,
            "ORGANIZATION": api.get("/v1/organizations")["organizations"][0]["id"],
            "ASHGROVE_ADDRESS": gateway,
            "ASHGROVE_API_KEY": api.key,
        }
        if page == "models":
            model = {"provider": "openai", "base_url": "https://models.example/v1", "model": "m"}
            priced = {"name": f"x{uuid4().hex}", "prices": [{"input_micros": 1, "output_micros": 1}]}
            self.shared = operator.post("/v1/connectors", model | priced)["id"]
        words = [{"text": f"{i} och", "language": "sv"} for i in range(4)]
        questions = [{"question": f"q{i}", "source": f"s{i}", "answer": "a"} for i in range(4)]
        for name, rows in (("words", words), ("questions", questions)):
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def _evaluated(self, gateway: str, key: str, setting: Setting) -> list[str]:
        with Client(gateway, api_key=key) as client:
            asked: Mapping[str, Any] = {"metrics": ["exact_match", "token_f1"]}
            made = [client.programs.evaluate(setting.program, setting.dataset, **asked).wait() for _ in range(3)]
        return [each.id for each in made]

    def runs(self, language: str, text: str) -> None:
        """Runs a block; fails where it does."""
        for theirs, ours in THEIRS.items():
            text = text.replace(theirs, ours)
        for shown, name in (("0193a5c2-…", "BASE"), ("0193a5c3-…", "OTHER")):
            text = text.replace(shown, self.named[name])
        getattr(self, f"_{language}")(text)

    def _python(self, text: str) -> None:
        Path("block.py").write_text(text)
        runpy.run_path("block.py")

    def _ashgrove(self, text: str) -> None:
        words = [re.sub(r"\b[A-Z]+\b", self._meant, word) for word in shlex.split(text, comments=True)[1:]]
        done = CliRunner().invoke(main, words, env=self.environment)
        assert done.exit_code == 0, f"{words}: {done.output}"

    def _meant(self, name: "re.Match[str]") -> str:
        return self.named.get(name[0], name[0])

    def _sh(self, text: str) -> None:
        shared = {"ID": self.shared} if ":share" in text else {}
        environment = os.environ | self.environment | shared
        kept = f'{text}\nprintf %s "$ID" > id'  # what a block finds the next one goes on with
        done = subprocess.run(["bash", "-ec", kept], env=environment, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0 and not REFUSED.search(done.stdout), f"{text}: {done.stdout} {done.stderr}"
        self.environment["ID"] = Path("id").read_text()


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_runs(
    operator: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    """In the order of the page; what it shows of files that a program exports is tested where they are written."""
    reader = Reader(founded(operator, page), operator, tmp_path, page)
    for name, value in reader.environment.items():
        monkeypatch.setenv(name, value)
    with chdir(tmp_path):
        found = list(blocks(page))
        assert found
        for language, text in found:
            reader.runs(language, text)
