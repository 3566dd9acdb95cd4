"""Limits of custom code: the usual, a program's own, the operator's last word."""

from ashgrove.program.v1.program_pb2 import CodeLimits, ProgramConfig

from services.program.bounds import Bounds
from services.program.code.contract import Limits

BOUNDS = Bounds(Limits(1_000, 2_000, 30, 100), most=Limits(10_000, 20_000, 300, 1_000))


def test_the_usual_limits_hold_where_a_program_names_none() -> None:
    """Each by itself."""
    assert BOUNDS.limits(ProgramConfig()) == BOUNDS.usual
    some = ProgramConfig(timeout_ms=5_000, limits=CodeLimits(memory_mb=64))
    assert BOUNDS.limits(some) == Limits(5_000, 2_000, 30, 64)


def test_no_program_may_pass_what_the_operator_allows() -> None:
    """However much it asks for."""
    greedy = CodeLimits(prepare_timeout_ms=3_600_000, cpu_seconds=86_400, memory_mb=1_048_576)
    assert BOUNDS.limits(ProgramConfig(timeout_ms=600_000, limits=greedy)) == BOUNDS.most
