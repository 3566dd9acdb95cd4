"""The resources of the program service: programs, datasets, the work on both, and connectors."""

from typing import Any

from framework.resource import Resource
from services.program.resources.alias import ProgramAlias
from services.program.resources.connector import Connector, ConnectorShare, ModelCall
from services.program.resources.dataset import Dataset, DatasetRevision, Example
from services.program.resources.defaults import ProgramDefaults
from services.program.resources.evaluation import Evaluation, EvaluationResult
from services.program.resources.execution import Execution
from services.program.resources.feedback import Feedback
from services.program.resources.program import Program

__all__ = [
    "Connector",
    "ConnectorShare",
    "Dataset",
    "DatasetRevision",
    "Evaluation",
    "EvaluationResult",
    "Example",
    "Execution",
    "Feedback",
    "ModelCall",
    "Program",
    "ProgramAlias",
    "ProgramDefaults",
]

RESOURCES: list[type[Resource[Any]]] = [
    Program,
    ProgramAlias,
    Dataset,
    DatasetRevision,
    Example,
    Execution,
    Feedback,
    Evaluation,
    EvaluationResult,
    Connector,
    ConnectorShare,
    ModelCall,
    ProgramDefaults,
]
