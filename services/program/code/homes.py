"""The folders of child processes: private, temporary, and removed even after a service that was killed."""

import os
import re
import shutil
import tempfile
from pathlib import Path

# A process id means something only inside its namespace: containers may share a folder for temporary files.
_NAMESPACE = Path("/proc/self/ns/pid")
_NAME = re.compile(r"ashgrove-code-(\d+)-(\d+)-.*")


def made() -> str:
    """Returns a new folder that only this user may enter; its name says which process it is kept by."""
    return tempfile.mkdtemp(prefix=f"ashgrove-code-{_namespace()}-{os.getpid()}-")


def remove(home: str) -> None:
    """Removes a folder with all that custom code left in it."""
    shutil.rmtree(home, ignore_errors=True)


def sweep() -> None:
    """Removes the folders whose keeper is gone without having removed them."""
    for folder in Path(tempfile.gettempdir()).iterdir():
        named = _NAME.fullmatch(folder.name)
        if named and named[1] == _namespace() and not Path("/proc", named[2]).exists():
            remove(str(folder))


def _namespace() -> str:
    return re.sub(r"\D", "", str(_NAMESPACE.readlink()))
