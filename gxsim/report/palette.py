"""Colours that stay apart for every kind of colour vision (Okabe and Ito), each with one meaning."""

from typing import NamedTuple


class Colour(NamedTuple):
    """A colour on light and on dark ground."""

    light: str
    dark: str


# Names are those of the style sheet's variables. No two light values are equal: pictures are recoloured by value.
PALETTE: dict[str, Colour] = {
    "paper": Colour("#fefefe", "#14171b"),
    "ink": Colour("#1b1f24", "#e6e8eb"),
    "faint": Colour("#6b7280", "#9aa3ad"),
    "line": Colour("#d5d9de", "#3a4048"),
    "answering": Colour("#0072b2", "#3d9fd9"),
    "arrived": Colour("#56b4e9", "#8fd0f5"),
    "starting": Colour("#f0e442", "#e8dc4a"),
    "bad": Colour("#d55e00", "#f08040"),
    "down": Colour("#8a9099", "#767d87"),
    "waiting": Colour("#cc79a7", "#d992ba"),
    "warn": Colour("#e69f00", "#f0b429"),
    "whole": Colour("#b7d7ea", "#24506b"),
    "good": Colour("#009e73", "#2fc79b"),
}
LIGHT = {name: colour.light for name, colour in PALETTE.items()}
