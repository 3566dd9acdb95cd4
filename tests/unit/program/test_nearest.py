"""The embedded model does what its definition says."""

from services.program.lm.nearest import WINDOW_TOKENS, Sampling, Turn, answer, tokens

ASK = (
    "\n\nRespond with the corresponding output fields, starting with the field `[[ ## language ## ]]` "
    "(must be formatted as a valid Python Literal['fr', 'sv']), and then ending with the marker for "
    "`[[ ## completed ## ]]`."
)


def query(text: str) -> Turn:
    return Turn("user", f"[[ ## text ## ]]\n{text}{ASK}")


def shown(text: str, language: str) -> list[Turn]:
    return [
        Turn("user", f"[[ ## text ## ]]\n{text}"),
        Turn("assistant", f"[[ ## language ## ]]\n{language}\n\n[[ ## completed ## ]]"),
    ]


def said(system: str, turns: list[Turn], sampling: Sampling | None = None) -> str:
    return answer(system, turns, sampling or Sampling()).text.splitlines()[1]


def test_without_evidence_the_first_declared_answer_is_given() -> None:
    """No demonstration and no rule: the first of the enum."""
    assert said("", [query("Norge och Sverige")]) == "fr"


def test_a_similar_demonstration_decides() -> None:
    """The answer is that of the demonstrations most like the query."""
    turns = [*shown("France et Italie", "fr"), *shown("Danmark och Island", "sv"), query("Norge och Sverige")]
    assert said("", turns) == "sv"


def test_a_rule_with_a_cue_decides_and_other_prose_does_not() -> None:
    """Only sentences of the one form are followed."""
    assert said('If the text contains "och", answer sv.', [query("Norge och Sverige")]) == "sv"
    assert said("Please answer sv whenever you see och.", [query("Norge och Sverige")]) == "fr"


def test_the_oldest_demonstrations_that_overflow_the_window_are_ignored() -> None:
    """A first demonstration that would decide is lost behind others that fill the window."""
    first, last = shown("Norge och Sverige", "sv"), query("Norge och Sverige")
    room = WINDOW_TOKENS - tokens(last.text) - sum(tokens(t.text) for t in shown("", "fr"))
    filler = shown("x" * (room * 4 - 20), "fr")
    lost = answer("", [*first, *filler, last], Sampling())
    assert lost.text.splitlines()[1] == "fr"
    assert lost.input_tokens <= WINDOW_TOKENS


def test_the_same_seed_gives_the_same_answer_and_seeds_differ() -> None:
    """Temperature draws by seed and sample index, and by nothing else."""
    turns = [*shown("France et Italie", "fr"), *shown("Danmark och Island", "sv"), query("Oman")]
    draws = [said("", turns, Sampling(temperature=2.0, seed=s)) for s in range(40)]
    assert draws == [said("", turns, Sampling(temperature=2.0, seed=s)) for s in range(40)]
    assert set(draws) == {"fr", "sv"}


def test_a_small_top_p_leaves_the_likeliest_answer_only() -> None:
    """top_p is honoured."""
    turns = [*shown("Danmark och Island", "sv"), query("Norge och Sverige")]
    assert {said("", turns, Sampling(2.0, 0.01, s)) for s in range(20)} == {"sv"}


def test_tokens_are_utf8_bytes_by_four() -> None:
    """A token is four bytes, rounded up."""
    assert [tokens(t) for t in ("", "a", "abcd", "åäö")] == [0, 1, 1, 2]


def test_a_rule_may_name_an_answer_that_nobody_declared() -> None:
    """Answers are those declared, then those shown, then those named in rules; asked for one output, all count."""
    assert said('If the text contains "og", answer da.', [query("Norge og Sverige")]) == "da"


REASON = (
    "\n\nRespond with the corresponding output fields, starting with the field `[[ ## reasoning ## ]]`, then "
    "`[[ ## language ## ]]` (must be formatted as a valid Python Literal['fr', 'sv']), and then ending with the "
    "marker for `[[ ## completed ## ]]`."
)


def reasoned(system: str, turns: list[Turn], text: str) -> list[str]:
    """Returns the lines of an answer with reasoning."""
    return answer(system, [*turns, Turn("user", f"[[ ## text ## ]]\n{text}{REASON}")], Sampling()).text.splitlines()


def test_reasoning_names_the_nearest_demonstrations_and_the_cues_found() -> None:
    """Asked for reasoning, the model says what was there to go by: nearest first, and no cue that is not there."""
    turns = [
        *shown("France et Italie", "fr"),
        *shown("Danmark och Island", "sv"),
        *shown("12345", "fr"),
        *shown("1234567890", "fr"),
    ]
    rules = 'If the text contains "och", answer sv. If the text contains "et", answer fr.'
    marker, reasoning, _, _, language = reasoned(rules, turns, "Norge och Sverige")[:5]
    assert (marker, language) == ("[[ ## reasoning ## ]]", "sv")
    assert reasoning == 'closest: Danmark och Island | France et Italie | 12345; cues: "och"'


def test_reasoning_of_a_model_that_has_nothing_to_go_by_says_so() -> None:
    """Without demonstrations and without cues there is nothing to name."""
    assert reasoned("", [], "Norge")[1] == "closest: nothing"


def test_reasoning_is_one_line_whatever_the_demonstrations_hold() -> None:
    """A text of several lines, a marker among them, ends no field of the answer."""
    turns = shown("Norge och\n[[ ## language ## ]]\nSverige", "fr")
    lines = reasoned("", turns, "Norge och Sverige")
    assert [line for line in lines if line.startswith("[[")][:2] == ["[[ ## reasoning ## ]]", "[[ ## language ## ]]"]
    assert lines[1].startswith("closest: ")


def test_asked_for_json_it_reads_and_answers_json() -> None:
    """The fields may be JSON as well as markers."""
    ask = "Respond with a JSON object in the following order of fields: `language` (must be formatted as a valid "
    turns = [
        Turn("user", '{"text": "Danmark och Island"}'),
        Turn("assistant", '{"language": "sv"}'),
        Turn("user", f"{{\"text\": \"Norge och Sverige\"}}\n\n{ask}Python Literal['fr', 'sv'])."),
    ]
    assert answer("", turns, Sampling()).text == '{"language": "sv"}'


def test_a_query_that_holds_the_words_of_the_request_is_only_a_query() -> None:
    """What is asked for stands at the end of the turn, wherever else its words occur."""
    assert said("", [*shown("Norge och", "sv"), query(f"Norge och{ASK.replace('fr', 'xx')} Norge och")]) == "sv"


def test_what_is_nested_beyond_reading_has_no_fields() -> None:
    """It is one text, as anything else that is no JSON."""
    assert answer("", [Turn("user", '{"a":' * 100_000)], Sampling()).text == "unknown"
