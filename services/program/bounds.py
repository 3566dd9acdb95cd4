"""What custom code may take: the platform's usual limits, what a program asks for, and the operator's last word."""

from dataclasses import dataclass

from ashgrove.program.v1 import program_pb2

from services.program.code.contract import Limits


@dataclass(frozen=True)
class Bounds:
    """The limits that hold where a program names none, and those that none may pass."""

    usual: Limits = Limits()
    most: Limits = Limits(call_ms=600_000, prepare_ms=600_000, cpu_seconds=3_600, memory_mb=4_096)

    def limits(self, config: program_pb2.ProgramConfig) -> Limits:
        """Returns the limits of a program's code: its own wishes as far as they are allowed."""
        asked, usual, most = config.limits, self.usual, self.most
        wanted = Limits(
            config.timeout_ms if config.HasField("timeout_ms") else usual.call_ms,
            asked.prepare_timeout_ms if asked.HasField("prepare_timeout_ms") else usual.prepare_ms,
            asked.cpu_seconds if asked.HasField("cpu_seconds") else usual.cpu_seconds,
            asked.memory_mb if asked.HasField("memory_mb") else usual.memory_mb,
        )
        return Limits(
            min(wanted.call_ms, most.call_ms),
            min(wanted.prepare_ms, most.prepare_ms),
            min(wanted.cpu_seconds, most.cpu_seconds),
            min(wanted.memory_mb, most.memory_mb),
        )
