"""Pages of a program's executions are found by index, behind the tenant wall and through the policies, at any depth."""

from ashgrove.program.v1.execution_requests_pb2 import ListExecutionsRequest

from benchmarks.pages import ASKED, filled, plan
from framework.testing.workbench import Workbench

ROWS = 20_000


async def test_no_page_scans_the_table(bench: Workbench, program_url: str) -> None:
    """Neither the first nor a deep one, in either direction; what the benchmark measures is planned so."""
    program = await filled(bench, program_url, ROWS)
    for asked in ASKED.values():
        request = ListExecutionsRequest(program_id=program, page_size=50, **asked)
        for _ in range(3):
            nodes = await plan(bench, request, request.page_token)
            assert not {node["Node Type"] for node in nodes} & {"Sort", "Incremental Sort"}
            # Of the few programs beside them PostgreSQL may well read all.
            read = [node for node in nodes if node.get("Relation Name") == "executions"]
            kinds = {node["Node Type"] for node in read}
            assert read and not kinds & {"Seq Scan", "Bitmap Heap Scan"}, kinds
            assert all(node["Actual Rows"] + node.get("Rows Removed by Filter", 0) < 200 for node in read)
            answer = await bench.do("ListExecutions", request)
            request.page_token = answer.next_page_token
