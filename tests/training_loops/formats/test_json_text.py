"""JSON from elsewhere: what is no plain JSON, too much or too deep is refused in one line."""

import pytest

from training_loops.errors import InputError
from training_loops.formats.budget import Limits
from training_loops.formats.json_text import fields_of, parse_json, parse_object


def test_plain_values_come_back():
    assert parse_json(b'{"a": [1, 2.5, "x", null, true]}', "x.json") == {"a": [1, 2.5, "x", None, True]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "too deep"),
        ("[" * 201 + "]" * 201, "nested more than 200 levels deep"),
        ("9" * 5_000, "not valid JSON"),
        ("[NaN]", "NaN is not a JSON number"),
        ("[-Infinity]", "-Infinity is not a JSON number"),
        ('{"a": 1, "a": 2}', "'a' occurs twice"),
        (b"\xff\xfe\xff", "not valid JSON"),
        ("", "not valid JSON"),
    ],
)
def test_other_text_is_refused_in_one_line(text, message):
    with pytest.raises(InputError, match=r"^x\.json: ") as caught:
        parse_json(text, "x.json")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_text_of_too_many_values_is_refused_before_it_is_read():
    with pytest.raises(InputError, match="more than 10 values"):
        parse_json("[" + ",".join("1" * 12) + "]", "x.json", Limits(bytes=1000, items=10, seconds=1))


def test_another_value_is_no_object():
    with pytest.raises(InputError, match=r"x\.json: holds a list, expected a JSON object"):
        parse_object("[]", "x.json")


def test_the_first_of_many_names_given_twice_is_found_at_once():
    names = ",".join(f'"{n}": 0' for n in range(60_000))
    with pytest.raises(InputError, match="'59999' occurs twice"):
        parse_json("{" + names + ', "59999": 0}', "x.json")


def test_declared_fields_are_returned_with_integers_as_floats_where_floats_are_declared():
    data = {"name": "a", "psi": 1, "other": None}
    found = fields_of(data, "x", {"name": str, "psi": float}, {"seed": int}, extra=True)
    assert found == {"name": "a", "psi": 1.0}
    assert type(found["psi"]) is float


def test_a_field_may_be_of_several_types_or_of_any():
    kinds = {"dim": int | None, "psi": float | None, "donor": object}
    assert fields_of({"dim": None, "psi": 1, "donor": [1]}, "x", kinds) == {"dim": None, "psi": 1.0, "donor": [1]}
    with pytest.raises(InputError, match=r"x: 'dim' must be of type int \| None, not '3'"):
        fields_of({"dim": "3", "psi": None, "donor": None}, "x", kinds)
    with pytest.raises(InputError, match=r"x has no 'donor'; it needs one$"):
        fields_of({"dim": 3, "psi": None}, "x", kinds)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (["a"], "x must be a JSON object, not list: ['a']"),
        ({}, "x has no 'name'; it needs one of type str"),
        ({"name": None}, "x: 'name' must be of type str, not None"),
        ({"name": "a", "seed": True}, "x: 'seed' must be of type int, not True"),
        ({"name": "a", "psi": 2**53 + 1}, "x: 'psi' must be of type float, not 9007199254740993"),
        ({"name": "a", "sed": 1}, "x has an unknown field 'sed'; known: name, psi, seed (did you mean 'seed'?)"),
        ({"name": "a", "\n": 1}, "x has an unknown field '\N{REPLACEMENT CHARACTER}'"),
    ],
)
def test_a_missing_unknown_or_mistyped_field_is_named(data, message):
    with pytest.raises(InputError) as caught:
        fields_of(data, "x", {"name": str}, {"seed": int, "psi": float})
    assert message in str(caught.value)
