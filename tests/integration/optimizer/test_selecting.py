"""X-65: one configuration of a front, by the rule that is asked for, with the reason; and fronts thinned."""

from typing import Any

import pytest
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import (
    GetBestConfigurationRequest,
    GetBestConfigurationResponse,
    GetParetoFrontRequest,
)

from framework.errors import InvalidFields, NoResultYet
from framework.testing.workbench import Workbench
from tests.integration.optimizer.test_fronts import CONSTRAINED, TWO, begun, complete

_Asked = GetBestConfigurationRequest
FRONT = [(0.9, 9.0), (0.85, 3.0), (0.5, 2.0), (0.1, 1.0)]


async def chosen(bench: Workbench, row: Any, rule: str = "UNSPECIFIED", **fields: Any) -> GetBestConfigurationResponse:
    """Returns what a rule chooses of the run."""
    asked = _Asked(id=str(row["id"]), selection=_Asked.Selection.Value(f"SELECTION_{rule}"), **fields)
    return await bench.do("GetBestConfiguration", asked)  # type: ignore[no-any-return]


async def test_each_rule_chooses_its_trial_of_the_front_and_says_why(bench: Workbench) -> None:
    """Weights and tolerances are about the run's own objectives; nothing strange is passed over in silence."""
    books, row = await begun(bench, TWO)
    with pytest.raises(NoResultYet):
        await chosen(bench, row, "KNEE")
    for number, reached in enumerate(FRONT, start=1):
        await complete(books, number, *reached)
    rules: list[tuple[str, dict[str, Any], int]] = [
        ("UNSPECIFIED", {}, 1),
        ("UNSPECIFIED", {"objective": "cost"}, 4),
        ("KNEE", {}, 2),
        ("WEIGHTED", {"weights": {"cost": 0.0}}, 1),
        ("WEIGHTED", {"weights": {"exact_match": 0.0}}, 4),
        ("LEXICOGRAPHIC", {}, 1),
        ("LEXICOGRAPHIC", {"tolerances": {"exact_match": 0.1}}, 2),
        ("TOPSIS", {"weights": {"exact_match": 2.0}}, 2),
    ]
    for rule, fields, number in rules:
        found = await chosen(bench, row, rule, **fields)
        assert (found.trial_number, found.configuration["k"]) == (number, number), rule
        assert found.objectives["cost"] == FRONT[number - 1][1] and found.reason
    assert "among 4 trials" in (await chosen(bench, row, "KNEE")).reason
    for rule, fields in (
        ("UNSPECIFIED", {"objective": "speed"}),
        ("KNEE", {"objective": "cost"}),
        ("WEIGHTED", {"weights": {"speed": 1.0}}),
        ("WEIGHTED", {"weights": {"exact_match": 0.0, "cost": 0.0}}),
        ("KNEE", {"weights": {"cost": 1.0}}),
        ("WEIGHTED", {"tolerances": {"cost": 1.0}}),
    ):
        with pytest.raises(InvalidFields):
            await chosen(bench, row, rule, **fields)
    thin = GetParetoFrontRequest(id=str(row["id"]), epsilons={"exact_match": 0.5, "cost": 5.0})
    points = (await bench.do("GetParetoFront", thin)).points
    assert [each.trial_number for each in points] == [1, 2, 4]
    with pytest.raises(InvalidFields, match="speed"):
        await bench.do("GetParetoFront", GetParetoFrontRequest(id=str(row["id"]), epsilons={"speed": 1.0}))


async def test_without_a_front_the_reason_is_said(bench: Workbench) -> None:
    """No trial keeps every threshold: there is a best, and nothing that a rule over the front could choose."""
    books, row = await begun(bench, CONSTRAINED)
    await complete(books, 1, 0.9, 9.0)
    assert (await chosen(bench, row)).trial_number == 1
    with pytest.raises(NoResultYet, match="keeps every threshold"):
        await chosen(bench, row, "TOPSIS")
