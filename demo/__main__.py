"""`make demo`: two optimizations from data to result, through the public interface only."""

import json
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from ashgrove.client import Client
from ashgrove.errors import AshgroveError
from ashgrove.optimizer.v1.holdout_pb2 import HoldoutFigure
from ashgrove.settings import ClientSettings
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from demo import stack, steps
from demo.digits import job, shown

console = Console()
_JOBS = ("language_id", "digits")


def main() -> None:
    """Runs the demo; exits with 1 and a sentence when something fails."""
    try:
        with stack.running(console):
            settings = ClientSettings()
            with Client(settings.gateway, api_key=settings.key()) as client:
                result = _languages(client, settings) | {"digits": _digits(client)}
                folder = settings.home / "demo"
                _write(folder, result, {name: client.runs.report_page(result[name]["run_id"]) for name in _JOBS})
    except (AshgroveError, OSError) as error:
        console.print(f"[red]demo: {escape(str(error))}[/red]")
        sys.exit(1)
    console.print(f"\nwritten to {folder}: result.json, and the reports of both runs", style="dim")
    if not result["audit"]["chain_ok"]:
        sys.exit("demo: the audit chain does not hold")


def _languages(client: Client, settings: ClientSettings) -> dict[str, Any]:
    console.rule("1  data, program, space")
    setting = steps.prepare(client, console)

    console.rule("2  the baseline: no demonstrations, no rules")
    baseline = steps.baseline(client, setting, console)

    console.rule(f"3  the run: bayesian, {steps.TRIALS} trials, 4 at a time")
    found = steps.search(client, setting, console)

    console.rule("4  the best configuration, on validation and on data no trial has seen")
    scores = _scores(baseline, found)
    console.print(_comparison(scores))
    console.print(_gain(found.unseen))
    console.print_json(json.dumps(found.configuration))

    console.rule("5  the same run over REST")
    _over_rest(settings, found.run_id)

    console.rule("6  who did what")
    entries = steps.audited(client, found.run_id)
    for entry in entries:
        console.print(f"  {entry.sequence:>5}  {entry.type:<26} {entry.outcome:<4} {entry.source}")
    verdict = client.audit.verify()
    console.print(f"chain of {verdict.verified_count} entries: {'holds' if verdict.valid else 'BROKEN'}")
    return {
        "language_id": {
            "run_id": found.run_id,
            "trials": found.trials,
            "seconds": found.seconds,
            "baseline": scores["baseline"],
            "best": {**scores["best"], "configuration": found.configuration},
            "gain": {name: getattr(found.unseen, name) for name in ("gain", "low", "high", "words")},
        },
        "audit": {"entries": len(entries), "chain_ok": verdict.valid},
    }


def _digits(client: Client) -> dict[str, Any]:
    console.rule("7  the second job: images, code and its space")
    setting = job.prepare(client, console)

    console.rule(f"8  the run: accuracy up, kilobytes down, {job.TRIALS} trials, 4 at a time")
    found = job.search(client, setting, console)

    console.rule("9  the front: what no other trial beats in both")
    shown.show(found, console)
    return shown.result(found)


def _scores(baseline: float, found: steps.Searched) -> dict[str, dict[str, float]]:
    return {
        "baseline": {"validation": baseline, "test": found.unseen.baseline},
        "best": {"validation": found.validation, "test": found.unseen.best},
    }


def _comparison(scores: dict[str, dict[str, float]]) -> Table:
    table = Table("accuracy", "validation", "test")
    for name, reached in scores.items():
        table.add_row(name, f"{reached['validation']:.3f}", f"{reached['test']:.3f}")
    return table


def _gain(unseen: HoldoutFigure) -> str:
    interval = f"95 % interval {unseen.low:+.3f} to {unseen.high:+.3f}"
    return f"{unseen.words}: {unseen.gain:+.3f} on {unseen.paired_count} unseen examples, {interval}"


def _over_rest(settings: ClientSettings, run_id: str) -> None:
    url = f"http://{settings.gateway}/v1/optimizationRuns/{run_id}"
    console.print(f'curl -s {url} -H "authorization: Bearer $ASHGROVE_API_KEY"', soft_wrap=True, highlight=False)
    request = Request(url, headers={"authorization": f"Bearer {settings.key()}"})
    with urlopen(request, timeout=30) as answer:  # noqa: S310
        run = json.loads(answer.read())
    shown = ("id", "name", "status", "completed_trials", "best_objectives", "last_sequence")
    console.print_json(json.dumps({k: run[k] for k in shown}))


def _write(folder: Path, result: dict[str, Any], pages: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    for name, page in pages.items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
