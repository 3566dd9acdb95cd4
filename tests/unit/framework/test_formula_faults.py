"""A computed field whose formula cannot fill it is refused before anything is served."""

from typing import Any, ClassVar

import pytest
from sqlalchemy import literal

from framework.query.aggregates import avg, count, histogram, over_time, p95, sum_of
from framework.query.formulas import Formula, batched, sql
from framework.query.related_rows import exists, first, list_of
from framework.resource import Registry, spec_of
from framework.testing.specimen import Piece, Specimen, registry

registry()
SPEC = spec_of(Specimen)


async def nothing(call: Any, rows: Any) -> Any:
    """Computes nothing."""


@pytest.mark.parametrize(
    ("name", "formula", "fault"),
    [
        ("piece_count", count("shards"), "shards in shards is no relationship"),
        ("piece_count", count("pieces.shards"), "shards in pieces.shards is no relationship"),
        ("piece_count", count("pieces", where="shape = round"), "where: filter: at position 1: shape is no field"),
        ("piece_count", count("pieces", where="small > much"), "where: filter: at position 9: found much; expected"),
        ("mean_weight", avg("pieces", "mass"), "mass is no field of pieces that can be measured"),
        ("mean_weight", avg("pieces", "secret"), "secret is no field of pieces that can be measured"),
        ("mean_weight", avg("pieces", "name"), "avg cannot measure name, which is of type text"),
        ("mean_or_zero", avg("pieces", "small"), "declare the field optional, or give a default"),
        ("mean_or_zero", p95("pieces", "small"), "declare the field optional, or give a default"),
        ("small_sum", sum_of("pieces", "weight"), "is of type bigint, its formula of type double precision"),
        ("weight_sum", count("pieces"), "is of type double precision, its formula of type bigint"),
        ("piece_count", exists("pieces"), "is of type bigint, its formula of type boolean"),
        ("first_color", first("pieces", "color"), "declare the field optional, or give a default"),
        ("heaviest_name", first("pieces", "name", order_by="mass"), "order_by: at position 1: mass is no field"),
        ("heaviest_name", list_of("pieces", "name"), "cannot hold a list of values of type text"),
        ("piece_names", list_of("pieces", "created_at"), "cannot hold a list of values of type timestamptz"),
        ("piece_count", histogram("pieces", "weight"), "must be an ashgrove.resource.v1.Histogram"),
        ("spread", histogram("pieces", "name"), "name is no number"),
        ("days", over_time("pieces", unit="fortnight"), "fortnight of created_at is no stretch of time"),
        ("days", over_time("pieces", by="small"), "day of small is no stretch of time"),
        ("spread", over_time("pieces"), "must be a list of ashgrove.resource.v1.TimeBucket"),
        ("doubled", sql(lambda row: literal("text")), "is of type bigint, its formula of type varchar"),
        ("doubled", sql(lambda row: row["nothing"]), "its formula names nothing, which is no field"),
        ("shout", batched(nothing, needs=("nothing",)), "needs nothing, which is no stored field"),
    ],
)
def test_what_does_not_fit_is_said(name: str, formula: Formula, fault: str) -> None:
    """A missing relationship or field, a type that does not fit, an order or a condition that is none."""
    assert any(fault in said for said in formula.faults(SPEC.computed[name], SPEC)), name


def test_every_formula_of_the_specimen_fits() -> None:
    """So that the words above are known to be about the formula alone."""
    assert [said for name, field in SPEC.computed.items() for said in SPEC.formula(name).faults(field, SPEC)] == []


class Wrong(Specimen):
    """The specimen with formulas for what a client may write, and for nothing."""

    computed: ClassVar[Any] = {**Specimen.computed, "small": count("pieces"), "nothing": count("pieces")}


def test_only_output_only_fields_are_computed() -> None:
    """Each complaint names the resource and the field."""
    with pytest.raises(TypeError) as refused:
        Registry("specimen", [Wrong, Piece], *registry().served)
    assert "Specimen.small: must be OUTPUT_ONLY, since a formula computes it" in str(refused.value)
    assert "Specimen.nothing: is computed and no field of the message" in str(refused.value)
