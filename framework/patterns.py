"""Regular expressions that cannot be made to hang: Rust's, which run in linear time and know no looking back."""

from collections.abc import Callable

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema


def pattern_fault(pattern: str) -> str:
    """Returns what is wrong with a regular expression, the empty text for nothing."""
    try:
        matcher(pattern)
    except ValueError as fault:
        return str(fault)
    return ""


def matcher(pattern: str) -> Callable[[str], bool]:
    """Returns what tells whether an expression matches somewhere; raises ValueError for what is none."""
    try:
        validator = SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError as error:
        raise ValueError(str(error).splitlines()[-1].strip().removeprefix("error: ")) from None

    def matches(text: str) -> bool:
        try:
            validator.validate_python(text)
        except ValidationError:
            return False
        return True

    return matches
