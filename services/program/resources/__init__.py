"""The resources of the program service: programs, datasets with examples, executions, evaluations with results."""

from typing import Any

from ashgrove.program.v1.program_service_pb2 import DESCRIPTOR

from framework.resource import Registry, Resource
from services.program.resources.dataset import Dataset, DatasetRevision, Example
from services.program.resources.evaluation import Evaluation, EvaluationResult
from services.program.resources.execution import Execution
from services.program.resources.program import Program

__all__ = [
    "Dataset",
    "DatasetRevision",
    "Evaluation",
    "EvaluationResult",
    "Example",
    "Execution",
    "Program",
    "registry",
]

RESOURCES: list[type[Resource[Any]]] = [
    Program,
    Dataset,
    DatasetRevision,
    Example,
    Execution,
    Evaluation,
    EvaluationResult,
]


def registry() -> Registry:
    """Returns the verified declarations of the program service."""
    return Registry("program", RESOURCES, DESCRIPTOR.services_by_name["ProgramService"])
