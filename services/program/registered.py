"""What is registered: code that programs run, ask and are measured by."""

from ashgrove.program.v1 import metric_pb2

from framework.engine import Call
from framework.resource import action
from services.program import catalogue
from services.program.code.contract import Catalogue
from services.program.resources.program import Program


@action(Program, "ListMetrics")
async def list_metrics(call: Call, request: metric_pb2.ListMetricsRequest) -> metric_pb2.ListMetricsResponse:
    """Tells everything that can be measured."""
    return metric_pb2.ListMetricsResponse(metrics=catalogue.metrics(await _registered(call)))


@action(Program, "ListCustomPrograms")
async def list_custom_programs(
    call: Call, request: metric_pb2.ListCustomProgramsRequest
) -> metric_pb2.ListCustomProgramsResponse:
    """Tells which code custom programs can run."""
    programs = catalogue.custom_programs(await _registered(call))
    return metric_pb2.ListCustomProgramsResponse(custom_programs=programs)


@action(Program, "ListTools")
async def list_tools(call: Call, request: metric_pb2.ListToolsRequest) -> metric_pb2.ListToolsResponse:
    """Tells which code programs can use as tools."""
    return metric_pb2.ListToolsResponse(tools=catalogue.tools(await _registered(call)))


@action(Program, "ListRetrievers")
async def list_retrievers(call: Call, request: metric_pb2.ListRetrieversRequest) -> metric_pb2.ListRetrieversResponse:
    """Tells what can look up examples."""
    return metric_pb2.ListRetrieversResponse(retrievers=catalogue.retrievers(await _registered(call)))


async def _registered(call: Call) -> Catalogue:
    """Returns what is registered, imported and described by a process that is not this one."""
    if call.application is None:
        return Catalogue()
    registered: Catalogue = await call.application.describing.describe()
    return registered
