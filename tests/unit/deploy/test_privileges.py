"""Who does what a root's stack starts, and how it comes to that."""

import os
import subprocess

import pytest

from deploy.local.privileges import as_user

SAYS = ["/bin/sh", "-c", "id -u; id -G; echo $$ $0", "a word"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_a_command_is_done_as_another_user_under_its_own_pid() -> None:
    """In no group of root's, with its words as they are."""
    with subprocess.Popen(as_user(65534, SAYS), stdout=subprocess.PIPE, text=True, cwd="/", env={}) as process:
        told, _ = process.communicate()
    assert told.splitlines() == ["65534", "65534", f"{process.pid} a word"]


def test_without_a_user_it_is_the_command_itself() -> None:
    assert as_user(None, SAYS) == SAYS
