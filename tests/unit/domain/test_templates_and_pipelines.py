"""Chat templates, and pipelines as they are judged before anything runs."""

from hypothesis import given
from hypothesis import strategies as st

from domain.pipelines import Bound, Pipeline, Step
from domain.signatures.field import Field
from domain.templates import faults, placeholders, rendered
from tests.unit.domain.arbitrary import TEXT


@given(TEXT, TEXT)
def test_what_is_put_in_is_not_looked_at_again(one: str, other: str) -> None:
    """Braces in a value are that value's own."""
    values = {"a": f"{{{{b}}}}{one}", "b": other}
    assert rendered("<{{a}}|{{ b }}>", values) == f"<{values['a']}|{other}>"


def test_values_stand_as_text_or_json_and_nothing_is_nothing() -> None:
    """Two braces are written with a backslash."""
    template = "{{text}} {{list}} {{none}} {{absent}} \\{{text}} {{{text}}}"
    assert rendered(template, {"text": "ä", "list": ["ä", 1], "none": None}) == 'ä ["ä", 1]   {{text}} {ä}'
    assert placeholders("{{a}} {{b}} {{a}} \\{{c}}") == ["a", "b"]


def test_a_template_with_unknown_places_or_stray_braces_is_refused() -> None:
    """Each with what it says; nothing that looks like code is a name."""
    told = [each.message for each in faults("{{a}} {{c}} {{ 1+1 }} {{a.b}} {{", ["a", "b"], "content")]
    assert len(told) == 4 and "c, which is no input; there are a, b" in told[3]
    assert "{{ 1+1 }}" in told[0] and "{{a.b}}" in told[1]


def test_a_refusal_does_not_grow_with_what_there_is() -> None:
    """A thousand inputs named for each of ten thousand places would be a gigabyte."""
    known = [f"{'n' * 50}{index}" for index in range(1000)]
    told = list(faults(" ".join(f"{{{{a{index}}}}}" for index in range(10_000)), known, "content"))
    assert len(told) == 10_000 and all(len(each.message) < 1000 for each in told)
    assert told[0].message.endswith(f"{known[9]} and 990 more")


def step(name: str, *sources: str, kind: str = "string") -> Step:
    """A step that takes one text from each source and gives `out`."""
    bindings = tuple(Bound(f"in{i}", source) for i, source in enumerate(sources))
    return Step(name, bindings, tuple(Field(each.field) for each in bindings), (Field("out", kind),))


def pipeline(*steps: Step, result: str = "a.out") -> Pipeline:
    """A pipeline that takes a text and gives one."""
    return Pipeline(steps, (Field("q"),), (Field("answer"),), (Bound("answer", result),))


def test_a_pipeline_that_fits_together_has_no_faults() -> None:
    """Whatever the order of its steps."""
    assert not list(pipeline(step("b", "a.out", "inputs.q"), step("a", "inputs.q"), result="b.out").faults("p"))


def test_every_fault_of_a_pipeline_is_told_at_its_place() -> None:
    """Circles by the names of those who wait for each other, types by what is and what is needed."""
    circle = list(pipeline(step("a", "b.out"), step("b", "c.out"), step("c", "b.out")).faults("p"))
    assert [(each.path, each.code) for each in circle] == [("p.steps", "CYCLE")]
    assert "b → c → b" in circle[0].message
    strange = (Bound("x", "a.out"), Bound("w", "a.out"), Bound("z", "e.out"), Bound("z", "a.more"))
    wrong = Pipeline(
        (
            step("a", "inputs.q", kind="integer"),
            step("a", "d.nothing"),
            Step("d", strange, (Field("y"), Field("z", optional=True)), (Field("o"),)),
            step("inputs"),
        ),
        (Field("q"),),
        (Field("answer"),),
        (Bound("more", "a.out"), Bound("answer", "a.out")),
    )
    told = {each.path: each.message for each in wrong.faults("p")}
    assert told == {
        "p.steps[0].name": "a is there twice",
        "p.steps[1].name": "a is there twice",
        "p.steps[1].inputs[0].from": "d gives no nothing; it gives o",
        "p.steps[2].inputs[0].field": "d has no field x; there are y, z",
        "p.steps[2].inputs[1].field": "d has no field w; there are y, z",
        "p.steps[2].inputs[2].field": "z is bound twice",
        "p.steps[2].inputs[2].from": "there is no step e; there are inputs, a, d",
        "p.steps[2].inputs[3].field": "z is bound twice",
        "p.steps[2].inputs[3].from": "a gives no more; it gives out",
        "p.steps[2].inputs": "y of d is bound to nothing",
        "p.steps[3].name": "inputs is what the pipeline's inputs are called",
        "p.steps": "depend on each other in a circle: a → d → a",
        "p.outputs[0].field": "the program has no field more; there are answer",
    }
    mistyped = pipeline(step("a", "inputs.q", kind="boolean"))
    assert [each.message for each in mistyped.faults("p")] == ["a.out is true or false; needed is text"]


@given(st.permutations("abcdef"), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=8))
def test_a_circle_is_found_if_and_only_if_there_is_one(names: list[str], edges: list[tuple[int, int]]) -> None:
    """Edges that only go forward make none, and one that goes back along a way does."""
    forward = [(min(e), max(e)) for e in edges if e[0] != e[1]]
    steps = [step(n, *(f"{names[i]}.out" for i, j in forward if names[j] == n)) for n in names]
    assert not list(pipeline(*steps, result=f"{names[0]}.out").faults("p"))
    if forward:
        first, last = forward[0]
        back = step(names[first], f"{names[last]}.out")
        bent = [back if each.name == names[first] else each for each in steps]
        assert [each.code for each in pipeline(*bent, result=f"{names[0]}.out").faults("p")] == ["CYCLE"]
