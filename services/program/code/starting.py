"""How a child process begins, and what its end means."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from services.program.code.contract import CodeFault

_MODULE = "services.program.code.child"
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ")
_MARK = "ASHGROVE_CODE_PROCESS"


def start(channel: int, output: int, home: str, mark: str) -> "subprocess.Popen[bytes]":
    """Starts a child in a session of its own, with this end of the channel and no other file of ours."""
    # -P: the folder it runs in, which is custom code's to write to, is no place to import from.
    options = ["-P", "-X", "faulthandler", "-m", _MODULE, str(channel), str(os.getpid())]
    return subprocess.Popen(
        [sys.executable, *options],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=[channel],
        cwd=home,
        env=_environment(home, mark),
        start_new_session=True,
    )


def verdict(returncode: int) -> CodeFault:
    """Returns what an end means that was not our doing."""
    if returncode >= 0:
        return CodeFault("CRASH", f"the code ended its process with exit status {returncode}")
    name = signal.Signals(-returncode).name
    if name == "SIGXCPU":
        return CodeFault("CPU_LIMIT", "the code used more CPU time than it may")
    if name == "SIGKILL":
        return CodeFault("CRASH", "the code's process was killed, perhaps because the machine ran out of memory")
    return CodeFault("CRASH", f"the code's process was ended by {name}")


def _environment(home: str, mark: str) -> dict[str, str]:
    """Returns what a child's environment holds: no secret of ours, modules found as here, one thread for BLAS."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {
        "PYTHONPATH": os.pathsep.join(str(Path(each).absolute()) for each in sys.path),
        "PYTHONHASHSEED": "0",  # else the order of a set, and with it a result, is another in every process
        "HOME": home,
        "TMPDIR": home,
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        _MARK: mark,
    }
