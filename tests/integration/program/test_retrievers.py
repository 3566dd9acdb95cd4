"""What looks up examples in a pipeline: the built-in, and code that the operator registered; all of it is listed."""

from typing import Any

from ashgrove.program.v1 import execution_pb2
from ashgrove.program.v1 import metric_pb2 as pb
from google.protobuf.json_format import ParseDict

from framework.testing.workbench import Workbench
from services.program.working import Workshop
from tests.integration.program.making import create_dataset, working
from tests.integration.program.test_documents import create, executed, language, piped, refused

AT = "pipeline.steps[1].retriever.retriever"


async def looking(bench: Workbench, retriever: str) -> Any:
    """A pipeline that looks up by a retriever."""
    dataset, inner = await create_dataset(bench, name=f"names for {retriever}"), await create(bench, language())
    wanted = piped(inner.id, dataset.id)
    wanted.name = f"looks by {retriever}"
    ParseDict({"retriever": retriever}, wanted.program_config.pipeline.steps[1].retriever)
    return await create(bench, wanted)


async def test_words_find_what_shares_them(bench: Workbench, workshop: Workshop) -> None:
    """As many as the configuration says, and none where no word is shared."""
    made = await looking(bench, "bm25")
    async with working(workshop):
        done = await executed(bench, made, {"text": "Och!"}, find={"k": 1})
        none = await executed(bench, made, {"text": "nothing"})
    assert len(done.outputs["found"]) == 1 and "och" in done.outputs["found"][0], done.error
    assert not list(none.outputs["found"])


async def test_registered_code_looks_through_the_examples(bench: Workbench, coded: Workshop) -> None:
    """It is shown them, told what the configuration says beside `k`, and held to what a retriever gives."""
    made, wrong = await looking(bench, "finder@1"), await looking(bench, "echo@1")
    async with working(coded):
        done = await executed(bench, made, {"text": "och"}, find={"k": 1, "mark": "!"})
        broken = await executed(bench, wrong, {"text": "och"})
    (passage,) = done.outputs["found"]
    assert "och" in passage and passage.endswith("!"), done.error
    assert broken.error_class == execution_pb2.ERROR_CLASS_TOOL
    assert broken.error == "step find: the retriever echo@1 must return `passages`, a list of texts"


async def test_what_nobody_registered_is_refused_with_what_there_is(bench: Workbench, coded: Workshop) -> None:
    """A tool is no retriever, and neither is a path."""
    dataset, inner = await create_dataset(bench), await create(bench, language())
    wanted = piped(inner.id, dataset.id)
    for name in ("lost@1", "os:system"):
        wanted.program_config.pipeline.steps[1].retriever.retriever = name
        told = await refused(bench, wanted)
        assert told.keys() == {AT} and "finder@1" in told[AT] and "built in are nearest, bm25" in told[AT]


async def test_all_that_is_registered_is_listed_alike(listing: Workbench) -> None:
    """Each group by itself, with what its author says, or why it cannot be used."""
    retrievers = (await listing.do("ListRetrievers", pb.ListRetrieversRequest())).retrievers
    assert [(each.name, each.built_in) for each in retrievers[:2]] == [("nearest", True), ("bm25", True)]
    assert [each.name for each in retrievers[2:]] == ["echo@1", "finder@1"]
    assert retrievers[3].description == "Finds the texts with the query's first word."
    tools = (await listing.do("ListTools", pb.ListToolsRequest())).tools
    assert [each.entry_point for each in tools] == ["echo@1", "lost@1"]
    assert not tools[0].error and "does not exist" in tools[1].error
    programs = (await listing.do("ListCustomPrograms", pb.ListCustomProgramsRequest())).custom_programs
    assert not {"finder@1", "lost@1"} & {each.entry_point for each in programs}
