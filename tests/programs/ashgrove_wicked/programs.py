"""Programs: good, failing, and such as nobody should meet."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ashgrove.custom import Prediction, Program

Values = Mapping[str, Any]
calls = 0
_kept: list[Any] = []
_all_here: dict[int, asyncio.Event] = {}


def echo(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Returns its inputs and parameters."""
    return {"inputs": dict(inputs), "parameters": dict(parameters)}


async def echo_later(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Returns its inputs after `seconds`, overlapping with other calls."""
    await asyncio.sleep(parameters.get("seconds", 0.0))
    return dict(inputs)


def traced(inputs: Values, parameters: Values) -> Prediction:
    """Returns a prediction with a trace."""
    return Prediction({"answer": inputs.get("text", "")}, {"steps": [1, 2, 3]})


def _learn(examples: Sequence[Values], parameters: Values) -> Any:
    time.sleep(parameters.get("seconds", 0.0))
    if parameters.get("refuse"):
        raise ValueError("there is nothing to learn")
    if parameters.get("nothing"):
        return None
    labels = [each["outputs"]["label"] for each in examples]
    common = max(sorted(set(labels)), key=labels.count)

    def predict(inputs: Values, parameters: Values) -> dict[str, Any]:
        return {"label": common}

    async def predict_later(inputs: Values, parameters: Values) -> dict[str, Any]:
        return {"label": common}

    return predict_later if parameters.get("later") else predict


learner = Program(_learn, description="Answers with the commonest label of the training examples.")


def _index(examples: Sequence[Values], parameters: Values) -> Any:
    texts = [each["inputs"]["text"] for each in examples]

    def find(inputs: Values, parameters: Values) -> dict[str, Any]:
        found = [text for text in texts if inputs["query"].split()[0] in text]
        return {"passages": [text + parameters.get("mark", "") for text in found]}

    return find


finder = Program(_index, description="Finds the texts with the query's first word.")


def chance(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Returns a number of chance, and the order of a set."""
    said = {"number": random.random(), "set": list({"a", "b", "c", "d"})}
    if parameters.get("numpy"):
        import numpy

        return said | {"numpy": float(numpy.random.random())}
    return said


def matrix(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Multiplies matrices, as any learner does."""
    import numpy

    drawn = numpy.random.random((300, 300))
    return {"trace": float(numpy.trace(drawn @ drawn.T))}


async def meet(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Returns once `count` calls are here at the same time."""
    global calls
    calls += 1
    _all_here.setdefault(0, asyncio.Event())
    if calls == parameters["count"]:
        _all_here[0].set()
    await _all_here[0].wait()
    return {"calls": calls}


def nest(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Runs a loop of its own, as sync code may."""
    return asyncio.run(echo_later(inputs, parameters))


def promise(inputs: Values, parameters: Values) -> Any:
    """Returns something to wait for, although it is no async function."""
    return echo_later(inputs, parameters)


def burn(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Uses `seconds` of CPU time."""
    until = time.process_time() + parameters["seconds"]
    while time.process_time() < until:
        pass
    return dict(inputs)


def delegate(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Has a forked child take the memory or the CPU time."""
    pid = os.fork()
    if pid == 0:
        (leak if parameters.get("leak") else loop)(inputs, parameters)
    os.waitpid(pid, 0)
    return {}


def remember(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Returns its process, how often it was called there, and what of the environment it sees."""
    global calls
    calls += 1
    return {"pid": os.getpid(), "calls": calls, "environment": dict(os.environ), "folder": str(Path.cwd())}


def leave(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Ends the process: politely, or at once."""
    if parameters.get("politely"):
        sys.exit(3)
    os._exit(3)


async def think(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Leaves a task behind that never ends by itself."""
    task = asyncio.create_task(asyncio.sleep(3600))
    _kept.append(task)
    return {"pid": os.getpid()}


async def leave_later(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Ends the process from an async function."""
    sys.exit(4)


def crash(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Crashes, on inputs that say so only if `on` names their text."""
    if parameters.get("on", inputs.get("text")) == inputs.get("text"):
        os.kill(os.getpid(), signal.SIGSEGV)
    return dict(inputs)


def leak(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Takes memory, a little at a time, for as long as it lives."""
    held = []
    while True:
        held.append(bytearray(os.urandom(2**20)) * 4)
        time.sleep(0.02)  # else a quick machine has twice the limit between two looks


def gulp(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Asks for far too much memory at once."""
    return {"size": len(bytearray(2**40))}


def loop(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Works for ever."""
    while True:
        pass


def sleep(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Waits for `seconds`, an hour by default."""
    time.sleep(parameters.get("seconds", 3600.0))
    return dict(inputs)


def fail(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Raises, naming a file of the machine."""
    raise ValueError(f"cannot read {__file__}")


def not_a_number(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Returns NaN."""
    return {"answer": {"score": float("nan")}}


def no_json(inputs: Values, parameters: Values) -> Any:
    """Returns what is not JSON, or no mapping at all, or far too much."""
    if parameters.get("bare"):
        return "just text"
    if parameters.get("much"):
        return {"answer": "x" * 20 * 2**20}
    return {"answer": {1, 2, 3}}


def chatter(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Prints a lot, with all means, to stdout and stderr."""
    for _ in range(2000):
        print('{"id": 0, "value": {}}' * 50)
    sys.stderr.write("error\n" * 1000)
    os.write(1, b"\x00\x00\x00\x02{}" * 1000)
    subprocess.run(["echo", "from a child"], check=True)
    sys.stdout.flush()
    return dict(inputs)


def spawn(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Starts processes that outlive the call: one in the group, one in a session of its own without an environment."""
    code = [sys.executable, "-c", "import time; time.sleep(3600)"]
    near = subprocess.Popen(code)
    far = subprocess.Popen(code, start_new_session=True, env={})
    pid = os.fork()
    if pid == 0:
        time.sleep(3600)
        os._exit(0)
    if parameters.get("crash"):
        Path(parameters["crash"]).write_text(f"{near.pid} {far.pid} {pid}")
        os._exit(9)
    return {"pids": [near.pid, far.pid, pid]}


def hang_up(inputs: Values, parameters: Values) -> dict[str, Any]:
    """Closes every file it finds open, the service's channel among them."""
    os.closerange(3, 256)
    time.sleep(3600)
    return {}


constant = 42
"""Not a program."""


def no_arguments() -> dict[str, Any]:
    """Takes none of the arguments that it gets."""
    return {}
