"""Files of examples: uploaded in pieces, judged row by row, divided, hashed, and had again."""

import hashlib
import io
import json
from collections.abc import Sequence
from typing import Any

import pytest
from ashgrove.program.v1 import dataset_pb2, program_pb2, signature_pb2
from ashgrove.program.v1 import dataset_requests_pb2 as dataset_rpc
from ashgrove.program.v1 import example_requests_pb2 as rpc

from domain.values import canonical_json
from framework.errors import IllegalState, InvalidFields, NotFound, NotPermitted, StaleEtag
from framework.identifiers import new_id
from framework.structs import values_of
from framework.testing.workbench import Workbench

Field = signature_pb2.SignatureField


async def created(bench: Workbench, **more: Any) -> dataset_pb2.Dataset:
    """An empty dataset of questions, each with a weight and an answer."""
    wanted = dataset_pb2.Dataset(name=f"questions {new_id()}", **more)
    wanted.input_fields.add(name="question")
    wanted.input_fields.add(name="weight", type=Field.TYPE_INTEGER)
    wanted.output_fields.add(name="answer")
    made: dataset_pb2.Dataset = await bench.do("CreateDataset", dataset_rpc.CreateDatasetRequest(dataset=wanted))
    return made


def lines(rows: Sequence[Any]) -> bytes:
    """A file of JSON lines."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def questions(count: int, first: int = 0) -> list[dict[str, Any]]:
    """Rows that fit."""
    return [{"question": f"What is {i}?", "weight": i, "answer": f"It is {i}"} for i in range(first, first + count)]


async def upload(bench: Workbench, dataset_id: str, data: bytes, size: int = 50, actor: Any = None, **more: Any) -> Any:
    """Uploads a file in pieces of a size."""
    requests = [rpc.UploadExamplesRequest(dataset_id=dataset_id, **more)]
    for start in range(0, len(data), size):
        piece = rpc.UploadExamplesRequest()
        piece.body.data = data[start : start + size]
        requests.append(piece)
    return await bench.send("UploadExamples", requests, actor)


async def examples(bench: Workbench, dataset_id: str) -> list[dataset_pb2.Example]:
    """All examples of a dataset, in their order."""
    asked = dataset_rpc.ListExamplesRequest(dataset_id=dataset_id, page_size=1000, order_by="position")
    return list((await bench.do("ListExamples", asked)).examples)


async def refused(bench: Workbench, data: bytes, **more: Any) -> dict[str, str]:
    """What is said about a file that is refused as a whole; nothing of it is kept."""
    dataset = await created(bench)
    with pytest.raises(InvalidFields) as said:
        await upload(bench, dataset.id, data, **more)
    assert await examples(bench, dataset.id) == []
    return {violation.path: violation.message for violation in said.value.violations}


async def test_a_file_is_one_revision_in_its_order(bench: Workbench) -> None:
    """However many pieces it comes in; the splits are 60, 20 and 20 of a hundred, give or take."""
    dataset = await created(bench)
    answer = await upload(bench, dataset.id, lines(questions(300)))
    assert (answer.added_count, answer.dataset.revision, answer.refused_count) == (300, 2, 0)
    found = await examples(bench, dataset.id)
    assert [values_of(e.inputs)["weight"] for e in found] == list(range(300)) == [e.position for e in found]
    grown = answer.dataset
    assert grown.train_count + grown.validation_count + grown.test_count == 300
    assert 150 < grown.train_count < 210 and 40 < grown.test_count < 80
    assert [e["changed_paths"] for e in await bench.events("dataset.updated")][-1] == [
        "content_hash", "revision", "test_count", "train_count", "validation_count"
    ]  # fmt: skip


async def test_a_split_is_stable_under_append_and_keeps_near_duplicates_together(bench: Workbench) -> None:
    """An example added later, or in another dataset, goes where its like went."""
    one, other = await created(bench), await created(bench)
    await upload(bench, one.id, lines(questions(40)))
    shouted = [row | {"question": row["question"].upper() + "!"} for row in questions(40)]
    await upload(bench, other.id, lines(questions(60, 40)))
    await upload(bench, other.id, lines(shouted))
    mine = {values_of(e.inputs)["weight"]: e for e in await examples(bench, one.id)}
    theirs = {values_of(e.inputs)["weight"]: e for e in await examples(bench, other.id)}
    assert all((theirs[i].split, theirs[i].group_key) == (mine[i].split, mine[i].group_key) for i in range(40))


async def test_those_that_are_alike_go_where_the_first_of_them_went(bench: Workbench) -> None:
    """Whatever is added later, in one file or many; a split that is named is kept, and what is like it follows."""
    dataset = await created(bench, split_rule=dataset_pb2.SplitRule(likeness=0.7, group_fields=["question"]))
    other = await created(bench, split_rule=dataset_pb2.SplitRule(group_fields=["question"]))
    words = [[hashlib.sha256(f"{i} {n}".encode()).hexdigest()[:7] for n in range(12)] for i in range(30)]
    asked, edited = [" ".join(each) for each in words], [" ".join([*each[:5], "another", *each[6:]]) for each in words]
    rows = [row | {"question": text} for row, text in zip(questions(60), [*asked, *edited], strict=True)]
    named = [rows[0] | {"question": "a question that nobody else asks at all", "split": "test"}]
    follower = [rows[0] | {"question": "a question that nobody else asks at all!? today"}]
    await upload(bench, dataset.id, lines(rows[:30]))
    before = await examples(bench, dataset.id)
    for more in (rows[30:], named, follower):
        await upload(bench, dataset.id, lines(more))
    await upload(bench, other.id, lines(rows[30:]))
    found, apart = await examples(bench, dataset.id), await examples(bench, other.id)
    assert found[:30] == before
    assert [(e.split, e.group_key) for e in found[30:60]] == [(e.split, e.group_key) for e in before]
    assert {e.group_key for e in found[:30]}.isdisjoint(e.group_key for e in apart)
    assert [e.split for e in found[60:]] == [dataset_pb2.SPLIT_TEST] * 2
    both = await created(bench, split_rule=dataset_pb2.SplitRule(likeness=0.7, group_fields=["question"]))
    await upload(bench, both.id, lines(rows))
    assert [(e.split, e.group_key) for e in await examples(bench, both.id)] == [
        (e.split, e.group_key) for e in found[:60]
    ]


async def test_groups_and_percentages_are_as_declared(bench: Workbench) -> None:
    """What shares the grouping fields shares the split; the row's own split and the request's outweigh the rule."""
    rule = dataset_pb2.SplitRule(train_percent=50, test_percent=50, group_fields=["weight"])
    dataset = await created(bench, split_rule=rule)
    rows = [row | {"weight": i // 10} for i, row in enumerate(questions(100))]
    await upload(bench, dataset.id, lines(rows))
    found = await examples(bench, dataset.id)
    splits = [{e.split for e in found[i : i + 10]} for i in range(0, 100, 10)]
    assert all(len(split) == 1 for split in splits) and set().union(*splits) == {1, 3}
    named = await upload(bench, dataset.id, lines([r | {"split": "Validation"} for r in questions(3)]))
    assert named.dataset.validation_count == 3
    asked = await upload(bench, dataset.id, lines(questions(3)), split=dataset_pb2.SPLIT_VALIDATION)
    assert asked.dataset.validation_count == 6
    with pytest.raises(InvalidFields, match="must make 100"):
        await created(bench, split_rule=dataset_pb2.SplitRule(train_percent=50))
    with pytest.raises(InvalidFields, match="none of the input fields"):
        await created(bench, split_rule=dataset_pb2.SplitRule(group_fields=["answer"]))


async def test_revisions_are_frozen_and_anybody_can_recompute_their_hashes(bench: Workbench) -> None:
    """One for each addition, by file or batch; the dataset carries the last one's hash."""
    dataset = await created(bench)
    await upload(bench, dataset.id, lines(questions(5)))
    batch = dataset_rpc.BatchCreateExamplesRequest(dataset_id=dataset.id)
    for row in questions(3, 5):
        made = batch.examples.add()
        made.inputs.update({"question": row["question"], "weight": row["weight"]})
        made.outputs.update({"answer": row["answer"]})
    grown = (await bench.do("BatchCreateExamples", batch)).dataset
    asked = rpc.ListDatasetRevisionsRequest(dataset_id=dataset.id, order_by="revision")
    kept = (await bench.do("ListDatasetRevisions", asked)).dataset_revisions
    assert [(r.revision, r.added_count) for r in kept] == [(2, 5), (3, 3)]
    told, found = "", await examples(bench, dataset.id)
    for revision in kept:
        text = hashlib.sha256(told.encode())
        for e in found:
            if e.revision == revision.revision:
                parts = [dataset_pb2.Split.Name(e.split).encode()]
                parts += [canonical_json(_whole(values_of(side))) for side in (e.inputs, e.outputs)]
                text.update(b"\t".join(parts) + b"\n")
        told = text.hexdigest()
        assert revision.content_hash == told
    assert grown.content_hash == told


def _whole(values: dict[str, Any]) -> dict[str, Any]:
    return {k: int(v) if isinstance(v, float) else v for k, v in values.items()}


async def test_every_fault_names_row_column_and_expectation(bench: Workbench) -> None:
    """All of them at once, and nothing is kept."""
    rows: list[Any] = questions(8)
    rows[1] = rows[1] | {"weight": "heavy"}
    rows[2] = {"question": "x", "answer": "y"}
    rows[3] = rows[3] | {"colour": "red"}
    rows[4] = [1]
    rows[5] = rows[5] | {"question": "a\x00b"}
    rows[6] = rows[6] | {"split": "most"}
    rows[7] = rows[7] | {"answer": None}
    rows.append(rows[0] | {"weight": float("nan")})
    assert await refused(bench, lines(rows)) == {
        "rows[2].weight": "must be a whole number",
        "rows[3].weight": "is missing; it must be a whole number",
        "rows[4].colour": "is no column here; there are question, weight, answer",
        "rows[5]": "must be a JSON object",
        "rows[6].question": "contains U+0000, which cannot be stored",
        "rows[7].split": "must be one of train, validation, test, or nothing",
        "rows[8].answer": "must be text",
        "rows[9].weight": "must be a finite number",
    }
    assert await refused(bench, b"") == {"body": "the file holds no rows"}
    assert "rows[1]" in await refused(bench, b"x" * 3_000_000, size=100_000)
    assert len(await refused(bench, b"{}\n" * 5000, size=10_000)) == 100


async def test_the_rest_is_kept_when_asked(bench: Workbench) -> None:
    """The sound rows are added, the others counted and told."""
    dataset = await created(bench)
    rows: list[Any] = questions(200)
    for i in range(0, 200, 2):
        rows[i] = {"question": i}
    answer = await upload(bench, dataset.id, lines(rows), on_error=rpc.ON_ERROR_KEEP_REST)
    assert (answer.added_count, answer.refused_count, len(answer.faults)) == (100, 100, 100)
    assert (answer.faults[0].row, answer.faults[0].expectation) == (1, "must be text")
    only_bad = await upload(bench, dataset.id, b"x\n", on_error=rpc.ON_ERROR_KEEP_REST)
    assert (only_bad.added_count, only_bad.refused_count, only_bad.dataset.revision) == (0, 1, 2)
    extra = lines([row | {"more": 1} for row in questions(2)])
    assert (await upload(bench, dataset.id, extra, ignore_unknown=True)).added_count == 2


async def test_csv_and_parquet_bring_the_same_examples(bench: Workbench) -> None:
    """Cells of text are read as the fields' types; a column may say the split."""
    import pyarrow
    from pyarrow import parquet

    text = b'\xef\xbb\xbfquestion,weight,answer,split\r\n"What, ""if""\nso?",7,Yes,test\r\nNo?, 8 ,,\r\n'
    table = pyarrow.Table.from_pylist(
        [
            {"question": 'What, "if"\nso?', "weight": 7, "answer": "Yes", "split": "test"},
            {"question": "No?", "weight": 8, "answer": "", "split": ""},
        ]
    )
    file = io.BytesIO()
    parquet.write_table(table, file)
    told = []
    for kind, data in ((rpc.EXAMPLE_FORMAT_CSV, text), (rpc.EXAMPLE_FORMAT_PARQUET, file.getvalue())):
        dataset = await created(bench)
        await upload(bench, dataset.id, data, format=kind)
        told.append([(values_of(e.inputs), values_of(e.outputs), e.split) for e in await examples(bench, dataset.id)])
    assert told[0] == told[1] and told[0][0][2] == dataset_pb2.SPLIT_TEST
    assert told[0][0][0] == {"question": 'What, "if"\nso?', "weight": 7.0}
    assert await refused(bench, b"question,weight,answer\na,b\nc,ten,d\n", format=rpc.EXAMPLE_FORMAT_CSV) == {
        "rows[1]": "must be 3 cells, as the first row has; there are 2",
        "rows[2].weight": "must be a whole number",
    }
    twice = await refused(bench, b"question,weight,weight\n1,2,3\n", format=rpc.EXAMPLE_FORMAT_CSV)
    assert twice == {"body": "must be each column once; weight is there 2 times"}
    broken = await refused(bench, file.getvalue()[:-9], format=rpc.EXAMPLE_FORMAT_PARQUET)
    assert broken == {"body": "must be a whole Parquet file"}


async def test_duplicates_are_left_out_when_asked(bench: Workbench) -> None:
    """Those of the file and those of the dataset; what differs in a word or in the answer is none."""
    dataset = await created(bench)
    await upload(bench, dataset.id, lines(questions(3)))
    rows = [row | {"question": row["question"].lower()} for row in questions(5)]
    rows += [rows[4], rows[4] | {"answer": "another"}]
    answer = await upload(bench, dataset.id, lines(rows), on_duplicate=rpc.ON_DUPLICATE_SKIP)
    assert (answer.added_count, answer.duplicate_count) == (3, 4)
    again = await upload(bench, dataset.id, lines(rows), on_duplicate=rpc.ON_DUPLICATE_SKIP)
    assert (again.added_count, again.dataset.revision) == (0, answer.dataset.revision)
    assert (await upload(bench, dataset.id, lines(rows))).added_count == 7


async def test_who_may_upload_and_when(bench: Workbench) -> None:
    """The owner, while it is in use, onto the state that was read; judging alone adds nothing."""
    dataset = await created(bench, visibility=program_pb2.Program.VISIBILITY_PUBLIC)
    file = lines(questions(2))
    with pytest.raises(NotPermitted):
        await upload(bench, dataset.id, file, actor=bench.colleague)
    with pytest.raises(NotFound):
        await upload(bench, dataset.id, file, actor=bench.elsewhere().user)
    judged = await upload(bench, dataset.id, file, validate_only=True)
    assert judged.added_count == 2 and await examples(bench, dataset.id) == []
    await upload(bench, dataset.id, file, etag=dataset.etag)
    with pytest.raises(StaleEtag):
        await upload(bench, dataset.id, file, etag=dataset.etag)
    await bench.do("ArchiveDataset", dataset_rpc.ArchiveDatasetRequest(id=dataset.id))
    with pytest.raises(IllegalState):
        await upload(bench, dataset.id, file)


async def test_a_sample_is_the_same_for_the_same_seed(bench: Workbench) -> None:
    """Also after more was added, of the revision that it was drawn of."""
    dataset = await created(bench)
    await upload(bench, dataset.id, lines(questions(100)))

    async def drawn(seed: int, **more: Any) -> list[str]:
        asked = rpc.GetExampleSampleRequest(dataset_id=dataset.id, count=10, seed=seed, **more)
        return [e.id for e in (await bench.do("GetExampleSample", asked)).examples]

    first = await drawn(7)
    assert len(set(first)) == 10 and first == await drawn(7) != await drawn(8)
    await upload(bench, dataset.id, lines(questions(100, 100)))
    assert first == await drawn(7, dataset_revision=2) and len(await drawn(7, split=dataset_pb2.SPLIT_TEST)) == 10
    with pytest.raises(NotFound):
        await drawn(7, dataset_revision=9)


async def test_fields_are_inferred_of_a_files_beginning(bench: Workbench) -> None:
    """Types hold every value that was seen; what no dataset could take is told."""

    async def inferred(content: bytes, **more: Any) -> rpc.InferDatasetFieldsResponse:
        asked = rpc.InferDatasetFieldsRequest(content=content, outputs=["answer"], **more)
        answer: rpc.InferDatasetFieldsResponse = await bench.do("InferDatasetFields", asked)
        return answer

    rows = [{"a": 1, "b": 1, "c": True, "d": ["x"], "answer": "y", "split": "test"}, {"a": 2, "b": 0.5, "c": False}]
    rows[1] |= {"d": [], "answer": ""}
    found = await inferred(lines(rows) + b'{"a": "cut')
    kinds = [Field.TYPE_INTEGER, Field.TYPE_NUMBER, Field.TYPE_BOOLEAN, Field.TYPE_STRING_LIST]
    assert [(f.name, f.type) for f in found.input_fields] == list(zip("abcd", kinds, strict=True))
    assert [f.name for f in found.output_fields] == ["answer"] and found.row_count == 2 and not found.faults
    text = await inferred(b"zip,Big Name,answer,n\n007,1,x,1\n12,2,y,1.5\n", format=rpc.EXAMPLE_FORMAT_CSV)
    assert [(f.name, f.type) for f in text.input_fields] == [("zip", Field.TYPE_STRING), ("n", Field.TYPE_NUMBER)]
    assert "rename the column" in next(f.expectation for f in text.faults if f.column == "Big Name")
    mixed = await inferred(lines([{"a": 1, "answer": "x"}, {"a": "y", "answer": "z"}]))
    assert [(f.column, f.expectation) for f in mixed.faults] == [
        ("a", "is text, and a whole number in examples[0]: no type takes both")
    ]
    with pytest.raises(InvalidFields):
        await inferred(b"\x00\x01\n\x02\n")


async def test_what_a_table_has_no_column_for_is_json_text_and_what_is_not_there_is_null(bench: Workbench) -> None:
    """In Parquet as the client writes it: lists and objects are read, and null is none where there need not be any."""
    import pyarrow
    from pyarrow import parquet

    wanted = dataset_pb2.Dataset(name=f"tables {new_id()}")
    wanted.input_fields.add(name="plan", type=Field.TYPE_OBJECT)
    wanted.input_fields.add(name="tokens", type=Field.TYPE_TOKEN_LIST)
    wanted.input_fields.add(name="size", type=Field.TYPE_INTEGER, optional=True)
    wanted.input_fields.add(name="rank", type=Field.TYPE_INTEGER, optional=True, nullable=True)
    wanted.output_fields.add(name="answer")
    made = await bench.do("CreateDataset", dataset_rpc.CreateDatasetRequest(dataset=wanted))
    whole = {"plan": '{"a": [1, null]}', "tokens": '["x", 2]', "size": 3, "rank": None, "answer": "[1]"}
    table = pyarrow.Table.from_pylist([whole, whole | {"size": None}, whole | {"plan": "{", "answer": None}])
    file = io.BytesIO()
    parquet.write_table(table, file)
    how: dict[str, Any] = {"format": rpc.EXAMPLE_FORMAT_PARQUET, "on_error": rpc.ON_ERROR_KEEP_REST}
    answer = await upload(bench, made.id, file.getvalue(), **how)
    assert [(f.row, f.column, f.expectation) for f in answer.faults] == [
        (3, "plan", "must be an object"),
        (3, "answer", "must be text"),
    ]
    first, second = [values_of(e.inputs) for e in await examples(bench, made.id)]
    assert first == {"plan": {"a": [1.0, None]}, "tokens": ["x", 2.0], "size": 3.0, "rank": None}
    assert second == {name: value for name, value in first.items() if name != "size"}
    text = {"plan": '{"a": 1}', "tokens": ["x"], "answer": "y"}
    assert await refused_in(bench, made.id, lines([text, text | {"plan": {}, "size": None}])) == {
        "rows[1].plan": "must be an object",
        "rows[2].size": "must be a whole number",
    }


async def refused_in(bench: Workbench, dataset_id: str, data: bytes) -> dict[str, str]:
    """What is said about a file that a dataset does not take."""
    with pytest.raises(InvalidFields) as said:
        await upload(bench, dataset_id, data)
    return {violation.path: violation.message for violation in said.value.violations}
