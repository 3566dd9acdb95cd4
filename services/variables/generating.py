"""Configurations drawn from spaces: by the page, and by the thousand as a stream."""

import asyncio
from collections.abc import AsyncIterator
from itertools import islice
from typing import Any

from ashgrove.event.v1.event_pb2 import End, Heartbeat
from ashgrove.variables.v1 import configuration_stream_requests_pb2 as stream
from ashgrove.variables.v1 import variable_configuration_requests_pb2 as rpc
from google.rpc.status_pb2 import Status

from domain.generation import Made, Walk, Wanted, generate, walk_of
from domain.sampling import Unsatisfied
from domain.space import Space
from domain.stratification import Coverage, Stratification
from domain.values import Invalid
from framework.engine import Call
from framework.resource import action
from framework.structs import struct_of, values_of
from framework.tasks import stopped
from services.variables.prompts import offered
from services.variables.spaces import refusal, space_of, unsatisfied
from services.variables.variable_spaces import VariableSpace

HEARTBEAT_SECONDS = 15.0
_TOGETHER = 200
"""How many configurations of a stream are made before they are sent."""

_Request = rpc.GenerateConfigurationsRequest
_Frame = stream.StreamConfigurationsResponse


@action(VariableSpace, "GenerateConfigurations")
async def generate_configurations(
    call: Call, request: rpc.GenerateConfigurationsRequest
) -> rpc.GenerateConfigurationsResponse:
    """Returns configurations that depend on the request and the revision alone.

    Raises Unsatisfiable where there seem to be none.
    """
    space, revision, pool_size = await _space(call, request, "GenerateConfigurations")
    try:
        made = await asyncio.to_thread(generate, space, _strategy(request), _wanted(request))
    except Unsatisfied as hopeless:
        raise unsatisfied(hopeless) from None
    except Invalid as invalid:
        raise refusal(invalid.violations) from None
    return rpc.GenerateConfigurationsResponse(
        configurations=[struct_of(values) for values in made.configurations],
        revision=revision,
        next_index=made.next_index,
        total_points=made.total,
        stratification=map(_stratification, made.stratification),
        pool_size=pool_size,
    )


@action(VariableSpace, "StreamConfigurations")
async def stream_configurations(call: Call, request: stream.StreamConfigurationsRequest) -> AsyncIterator[_Frame]:
    """Yields configurations one by one, a summary and the end; an end with a failure where none is found."""
    space, revision, pool_size = await _space(call, request, "StreamConfigurations")
    try:
        walk = walk_of(space, _strategy(request), _wanted(request))
    except Invalid as invalid:
        raise refusal(invalid.violations) from None
    told = _Told(space, walk, request)
    async for frame in told.frames():
        yield frame
    yield _Frame(summary=told.summary(revision, pool_size))
    yield _Frame(end=End(status=unsatisfied(told.hopeless).status() if told.hopeless else Status()))


class _Told:
    """What of a walk was sent."""

    def __init__(self, space: Space, walk: Walk, request: stream.StreamConfigurationsRequest) -> None:
        self.walk = walk
        self.left = request.count
        self.next_index = request.index
        self.coverage = Coverage(space, walk.strata)
        self.hopeless: Unsatisfied | None = None
        """Why there are no more."""

    async def frames(self) -> AsyncIterator[_Frame]:
        """Yields what is left, made while the caller reads, with signs of life between."""
        while self.left:
            making = asyncio.create_task(asyncio.to_thread(self._some))
            try:
                while not (await asyncio.wait({making}, timeout=HEARTBEAT_SECONDS))[0]:
                    yield _Frame(heartbeat=Heartbeat(sequence=self.next_index))
                found = making.result()
            finally:
                await stopped([making])
            for made in found:
                self.next_index = made.next_index
                if made.values is not None:
                    self.left -= 1
                    self.coverage.add(made.values, made.point)
                    item = stream.StreamedConfiguration(values=struct_of(made.values), next_index=made.next_index)
                    yield _Frame(item=item)
            if self.hopeless is not None or not found:
                return

    def summary(self, revision: int, pool_size: int) -> stream.StreamSummary:
        """Returns what it came to."""
        return stream.StreamSummary(
            revision=revision,
            next_index=self.next_index,
            total_points=self.walk.total,
            stratification=map(_stratification, self.coverage.realised()),
            pool_size=pool_size,
        )

    def _some(self) -> list[Made]:
        """Makes the next configurations; where no more are found, `hopeless` says why."""
        found: list[Made] = []
        try:
            found.extend(islice(self.walk.made, min(self.left, _TOGETHER)))
        except Unsatisfied as hopeless:
            self.hopeless = hopeless
        return found


async def _space(call: Call, request: Any, verb: str) -> tuple[Space, int, int]:
    """Returns the space with its pool, its revision, and how large the pool is; raises IllegalState when archived."""
    found = await call.get(VariableSpace, request.variable_space_id, revision=request.revision, verb=verb)
    space = await asyncio.to_thread(space_of, found)
    space, pool_size = await offered(call, found.id, space, request.pool_size)
    space = space.within(request.slots) if request.slots else space
    return space, found.revision, pool_size


def _strategy(request: Any) -> str:
    """Returns the domain's name of the strategy; random where none is named."""
    return _Request.Strategy.Name(request.strategy or _Request.STRATEGY_RANDOM).removeprefix("STRATEGY_").lower()


def _wanted(request: Any) -> Wanted:
    """Returns what is wanted by a request of either kind, defaults filled in."""
    return Wanted(
        request.count,
        seed=request.seed,
        index=request.index,
        total=request.total,
        maximin=request.maximin,
        levels=request.levels or 5,
        levels_of=dict(request.levels_of),
        around=[values_of(each) for each in request.around],
        scale=request.scale or 0.1,
    )


def _stratification(found: Stratification) -> rpc.Stratification:
    return rpc.Stratification(variable=found.variable, strata=found.strata, hit=found.hit)
