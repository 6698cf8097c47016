"""Documents into classes and back: every mistake is told, and what is written is read again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import field, frozen

from grantflow import RequestFormat, Secret
from grantflow.core.structure import shape_of, structure, unstructure
from grantflow.core.values.json import Members
from grantflow.core.values.validators import ArgumentError


@frozen
class Shelf:
    width: int = 80
    books: tuple[tuple[str, tuple[str, ...]], ...] = ()


def _complain(_: object, attribute: object, value: int) -> None:
    if value > 9:
        raise ValueError("there are nine floors")


@frozen
class House:
    name: str
    floors: int = field(default=1, validator=_complain)
    shelf: Shelf = Shelf()
    pause: timedelta | None = None
    more: Members | None = None
    loud: bool = False
    key: str | Secret | None = None


def mistakes(document: dict[str, object]) -> list[str]:
    return [str(each) for each in structure(House, document, ("house",)).failure()]


@pytest.mark.parametrize(
    "document",
    [
        {"name": "a"},
        {"name": "a", "floors": 3, "pause": 90, "loud": True},
        {"name": "a", "pause": 1.5, "more": {"deep": [1, {"er": None}]}},
        {"name": "a", "shelf": {"width": 2, "books": {"one": ["x", "y"], "two": ["z"]}}},
    ],
)
def test_what_is_read_is_written_the_same(document: dict[str, object]) -> None:
    assert unstructure(structure(House, document, ()).unwrap()) == document


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({}, ["[house] name: it is missing"]),
        ({"name": 1}, ["[house] name: text is needed"]),
        ({"name": "a", "shelf": 3}, ["[house] shelf: a table [house.shelf] is needed"]),
        (
            {"name": "a", "shelf": {"width": "x", "depth": 1}},
            [
                "[house.shelf] width: a whole number is needed",
                "[house.shelf] depth: unknown key; did you mean width?",
            ],
        ),
        (
            {"name": "a", "pause": float("nan")},
            ["[house] pause: a number of seconds above zero, or false for none, is needed"],
        ),
        ({"name": "a", "more": [1]}, ["[house] more: a table, or false for none, is needed"]),
        (
            {"name": "a", "more": {"x": object()}},
            ["[house] more: a table, or false for none, is needed"],
        ),
        ({"name": "a", "loud": 1}, ["[house] loud: true or false is needed"]),
        ({"name": "a", "floors": 10}, ["[house]: there are nine floors"]),
    ],
)
def test_every_mistake_is_told(document: dict[str, object], told: list[str]) -> None:
    assert mistakes(document) == told


@pytest.mark.parametrize("rows", [3, [["one"]], ["one"], {"one": "two", "three": 4}])
def test_what_is_no_table_of_texts(rows: object) -> None:
    found = structure(RequestFormat, {"rename": rows}, ("poll",))
    assert [each.key for each in found.failure()] == ["rename"]


def test_a_mistake_of_a_constructor_names_the_argument() -> None:
    found = structure(RequestFormat, {"drop": ["no_such"]}, ("poll",))
    assert [(each.place, each.key) for each in found.failure()] == [(("poll",), "drop")]


def test_what_is_not_said_stays_as_it_was() -> None:
    before = House("a", shelf=Shelf(2))
    after = structure(House, {"shelf": {"books": [["one", ["x"]]]}}, (), before).unwrap()
    assert after == House("a", shelf=Shelf(2, (("one", ("x",)),)))


def test_a_secret_is_not_written() -> None:
    with pytest.raises(ValueError, match="^a secret is not written into a document$") as caught:
        unstructure(House("a", key=Secret("hidden")))
    assert "hidden" not in str(caught.value)


def test_a_name_that_comes_twice_fits_into_no_table() -> None:
    twice = RequestFormat(fixed=(("v", "1"), ("v", "2")))
    assert unstructure(twice) == {"fixed": [["v", "1"], ["v", "2"]]}
    assert structure(RequestFormat, unstructure(twice), ()).unwrap() == twice


@pytest.mark.parametrize("kind", [bytes, tuple[int, ...]])
def test_a_type_without_a_shape_is_a_mistake_of_the_class(kind: type) -> None:
    with pytest.raises(TypeError, match="has no shape in a document"):
        shape_of(kind)


def test_an_error_of_an_argument_survives_a_process() -> None:
    from pickle import dumps, loads

    again = loads(dumps(ArgumentError("issuer", "must be https")))
    assert (again.argument, again.problem) == ("issuer", "must be https")
