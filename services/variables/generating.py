"""Carries requests for configurations from the protos to the domain."""

from ashgrove.variables.v1.variable_configuration_requests_pb2 import GenerateConfigurationsRequest as Request

from domain.generation import Wanted
from framework.structs import values_of


def strategy_of(request: Request) -> str:
    """Returns the domain's name of the strategy; random where none is named."""
    return Request.Strategy.Name(request.strategy or Request.STRATEGY_RANDOM).removeprefix("STRATEGY_").lower()


def wanted_of(request: Request) -> Wanted:
    """Returns what is wanted, defaults filled in."""
    return Wanted(
        request.count,
        seed=request.seed,
        index=request.index,
        total=request.total,
        levels=request.levels or 5,
        around=[values_of(each) for each in request.around],
        scale=request.scale or 0.1,
    )
