"""Reports as they are asked for: as a message, and as a page."""

import asyncio

from ashgrove.optimizer.v1.run_report_pb2 import GetRunReportPageRequest, GetRunReportRequest, RunReport
from google.api.httpbody_pb2 import HttpBody

from framework.engine import Call
from framework.resource import action
from services.optimizer.reporting.page import page
from services.optimizer.reporting.report import report
from services.optimizer.resources import OptimizationRun

_REPORT, _PAGE = "GetRunReport", "GetRunReportPage"


@action(OptimizationRun, _REPORT)
async def get_report(call: Call, request: GetRunReportRequest) -> RunReport:
    """Returns what became of the run."""
    return await report(call, request.id, _REPORT)


@action(OptimizationRun, _PAGE)
async def get_page(call: Call, request: GetRunReportPageRequest) -> HttpBody:
    """Returns what became of the run as a page."""
    found = await report(call, request.id, _PAGE)
    drawn = await asyncio.to_thread(page, found)
    return HttpBody(content_type="text/html; charset=utf-8", data=drawn.encode())
