"""Reads one secret of a folder in which each namespace is a folder, and nothing that lies outside it."""

import os
import stat
from pathlib import Path

LARGEST_BYTES = 64 * 1024


def content(folder: Path, namespace: str, name: str) -> str:
    """Returns the text of a secret without the line end after it; empty when there is none that may be read.

    Links are followed inside the namespace only: Kubernetes mounts secrets as links to links beside them.
    """
    try:
        home = folder.resolve(strict=True) / namespace
        file = (home / name).resolve(strict=True)
    except (OSError, RuntimeError):  # missing, or links in a circle
        return ""
    return _text(file) if file.is_relative_to(home) else ""


def _text(file: Path) -> str:
    # Without waiting, for a pipe has no end; without a last link, for one may have been put there since.
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST_BYTES:
            return ""
        return _decoded(os.read(descriptor, LARGEST_BYTES + 1))
    finally:
        os.close(descriptor)


def _decoded(raw: bytes) -> str:
    if len(raw) > LARGEST_BYTES or b"\0" in raw:
        return ""
    try:
        return raw.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        return ""
