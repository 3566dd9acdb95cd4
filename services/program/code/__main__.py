"""`python -m services.program.code`: lists what is registered here, and says what is wrong with it."""

import asyncio
import sys

from services.program.code.contract import Catalogue, Promise
from services.program.code.pool import Workers


def main() -> int:
    """Prints everything that is registered, one a line, and returns how many cannot be used."""
    known = asyncio.run(_described())
    functions = {"program": known.programs, "tool": known.tools, "retriever": known.retrievers}
    for kind, each in functions.items():
        for one in each.values():
            print(_line(kind, one.entry_point, one.description, one.error))
    for metric in known.metrics.values():
        print(_line("metric", metric.name, metric.description, metric.error))
        for promise in metric.scores.values():
            print(f"          {_promised(promise)}")
    errors = [each.error for each in known.metrics.values()]
    errors += [one.error for each in functions.values() for one in each.values()]
    return len([error for error in errors if error])


async def _described() -> Catalogue:
    workers = Workers(1)
    try:
        return await workers.describe()
    finally:
        await workers.close()


def _line(kind: str, name: str, description: str, error: str) -> str:
    return f"{kind:9} {name:32} {f'UNUSABLE: {error}' if error else description}".rstrip()


def _promised(promise: Promise) -> str:
    low = "-∞" if promise.low is None else f"{promise.low:g}"
    high = "∞" if promise.high is None else f"{promise.high:g}"
    return f"{promise.name}: {low} to {high} {promise.unit}".rstrip() + f", {promise.direction}, {promise.aggregation}"


if __name__ == "__main__":
    sys.exit(min(main(), 1))
