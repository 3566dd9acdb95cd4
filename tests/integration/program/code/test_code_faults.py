"""What custom code does wrong costs that session only, and is called by its name."""

from typing import Any

import pytest

from services.program.code import guarding
from services.program.code.contract import CodeFault, Limits
from services.program.code.pool import Workers

TIGHT = Limits(call_ms=120_000, cpu_seconds=1, memory_mb=200)
NARROW = Limits(call_ms=120_000, cpu_seconds=60, memory_mb=200)  # memory may take a second of CPU time to be had
HASTY = Limits(call_ms=300, prepare_ms=20_000)
CALM = Limits()


async def _fault(workers: Workers, program: str, parameters: dict[str, Any], limits: Limits) -> CodeFault:
    async with workers.session(program, [], limits) as session:
        with pytest.raises(CodeFault) as caught:
            await session.run({"text": "a"}, parameters, 0)
        with pytest.raises(CodeFault) as again:  # the session has ended, and says with what
            await session.run({"text": "a"}, parameters, 0)
        assert (again.value.error_class, again.value.message) == (caught.value.error_class, caught.value.message)
    return caught.value


@pytest.mark.parametrize(
    ("program", "parameters", "limits", "error_class", "message"),
    [
        ("crash@1", {}, CALM, "CRASH", "the code's process was ended by SIGSEGV"),
        ("leave@1", {}, CALM, "CRASH", "the code ended its process with exit status 3"),
        ("leave@1", {"politely": True}, CALM, "CRASH", "the code ended its process with exit status 3"),
        ("leave-later@1", {}, CALM, "CRASH", "the code ended its process with exit status 4"),
        ("hang-up@1", {}, CALM, "CRASH", "the code closed the channel on which it is called"),
        ("leak@1", {}, NARROW, "MEMORY_LIMIT", "the code used more than 200 MB of memory"),
        ("delegate@1", {"leak": True}, NARROW, "MEMORY_LIMIT", "the code used more than 200 MB of memory"),
        ("gulp@1", {}, CALM, "MEMORY_LIMIT", "the program ran out of memory"),
        ("loop@1", {}, TIGHT, "CPU_LIMIT", "the code used more than 1 s of CPU time"),
        ("delegate@1", {}, TIGHT, "CPU_LIMIT", "the code used more than 1 s of CPU time"),
        ("sleep@1", {}, HASTY, "TIMEOUT", "the program did not end within 300 ms"),
        ("loop@1", {}, HASTY, "TIMEOUT", "the program did not end within 300 ms"),
        ("echo-later@1", {"seconds": 3600}, HASTY, "TIMEOUT", "the program did not end within 300 ms"),
    ],
)
async def test_wicked_code_ends_its_session_and_nothing_else(
    workers: Workers, program: str, parameters: dict[str, Any], limits: Limits, error_class: str, message: str
) -> None:
    """Crashes, leaks and loops are told apart, and beside and after them others are served."""
    async with workers.session("echo@1", [], CALM) as other:
        fault = await _fault(workers, program, parameters, limits)
        assert (fault.error_class, fault.message) == (error_class, message)
        assert (await other.run({"text": "b"}, {}, 0)).outputs["inputs"] == {"text": "b"}
    async with workers.session(program, [], limits):
        pass  # the same code gets another process


@pytest.mark.parametrize(
    ("program", "parameters", "error_class", "message"),
    [
        ("fail@1", {}, "EXCEPTION", "the program raised ValueError: cannot read …/programs.py"),
        ("nan@1", {}, "BAD_OUTPUT", "outputs.answer.score must be a finite number"),
        ("no-json@1", {}, "BAD_OUTPUT", "outputs.answer is not a JSON value but a set"),
        ("no-json@1", {"much": True}, "BAD_OUTPUT", "the outputs take more than 16 MB"),
        (
            "no-json@1",
            {"bare": True},
            "BAD_OUTPUT",
            "the outputs must be a mapping of names to JSON values, not a str",
        ),
    ],
)
async def test_a_failed_call_leaves_the_session_as_it_is(
    workers: Workers, program: str, parameters: dict[str, Any], error_class: str, message: str
) -> None:
    """Exceptions and answers that are not JSON cost their example, and say no path of the machine."""
    async with workers.session(program, ["overlap"], CALM) as session:
        for _ in range(2):
            with pytest.raises(CodeFault) as caught:
                await session.run({"text": "a"}, parameters, 0)
            assert (caught.value.error_class, caught.value.message) == (error_class, message)
        assert (await session.score("overlap", {"outputs": {"a": 1}}, {"outputs": {"a": 1}}, None, {})).scores


@pytest.mark.parametrize(
    ("program", "error_class", "message"),
    [
        ("raises@1", "IMPORT", "raises@1 cannot be imported: RuntimeError: no licence in …/raises.py"),
        ("absent@1", "IMPORT", "cannot be imported: ModuleNotFoundError: No module named 'ashgrove_wicked.absent'"),
        ("missing@1", "IMPORT", "points to `ashgrove_wicked.programs:missing`, which does not exist"),
        ("constant@1", "IMPORT", "constant@1 must be a function or a Program, not an int"),
        ("no-arguments@1", "IMPORT", "no-arguments@1 must be a function of (inputs, parameters)"),
        ("Unversioned", "IMPORT", "must be named `id@version`"),
        ("leaves@1", "CRASH", "the code ended its process with exit status 5"),
        ("unknown@1", "UNREGISTERED", "unknown@1 is not registered; the programs registered here are: "),
        ("ashgrove_wicked.programs:echo", "UNREGISTERED", "is not registered"),
    ],
)
async def test_what_cannot_be_loaded_says_why(workers: Workers, program: str, error_class: str, message: str) -> None:
    """Opening the session fails, in words for the author; a path or module from a user names nothing."""
    with pytest.raises(CodeFault) as caught:
        async with workers.session(program, [], CALM):
            pass
    assert caught.value.error_class == error_class
    assert message in caught.value.message


async def test_an_import_that_does_not_end_is_a_timeout(workers: Workers, register: Any) -> None:
    """Importing has the time of preparing."""
    register("slow", "[ashgrove.programs]\nstays@1 = ashgrove_wicked.stays:program\n")
    with pytest.raises(CodeFault, match="stays@1 was not imported within 500 ms") as caught:
        async with workers.session("stays@1", [], Limits(prepare_ms=500)):
            pass
    assert caught.value.error_class == "TIMEOUT"


async def test_a_name_that_is_registered_twice_is_nobodys(workers: Workers, register: Any) -> None:
    """Which of two is meant is not guessed."""
    register("twin", "[ashgrove.programs]\necho@1 = ashgrove_wicked.programs:echo\n")
    with pytest.raises(CodeFault, match=r"echo@1 is registered twice, by .* and by ") as caught:
        async with workers.session("echo@1", [], CALM):
            pass
    assert caught.value.error_class == "IMPORT"


@pytest.mark.parametrize(("program", "parameters"), [("burn@1", {"seconds": 1.5}), ("delegate@1", {})])
async def test_a_limit_that_a_call_passes_between_two_looks_is_its_fault(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, program: str, parameters: dict[str, Any]
) -> None:
    """On a busy machine a call may be over, or its child ended by the kernel, before the watch has looked."""
    monkeypatch.setattr(guarding, "_LOOK_SECONDS", 60.0)
    assert (await _fault(workers, program, parameters, TIGHT)).error_class == "CPU_LIMIT"


async def test_the_cpu_time_of_former_sessions_does_not_count(workers: Workers) -> None:
    """Each session of a warm process may use the whole of its limit."""
    pids = set()
    for _ in range(3):
        async with workers.session("burn@1", [], TIGHT) as session:
            await session.run({}, {"seconds": 0.6}, 0)
            pids.add(session.pid)
    assert len(pids) == 1


async def test_numerical_code_works_within_the_limits(workers: Workers) -> None:
    """OpenBLAS reserves address space that it never uses; that is not memory used."""
    async with workers.session("matrix@1", [], Limits(memory_mb=128)) as session:
        assert (await session.run({}, {}, 1)).outputs["trace"] > 0
