"""docs/architecture.md names files that are there, and each part."""

import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "keras_eff"


def test_the_files_of_the_walks_are_there():
    named = set(re.findall(r"`((?:\w+/)+(?:\w+\.py)?)", PAGE))
    assert len(named) > 30
    assert not [
        name
        for name in named
        if not any((home / name).exists() for home in (ROOT, PACKAGE))
    ]


def test_the_picture_has_all_parts():
    picture = PAGE.split("```")[1]
    parts = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    # What turns text into inputs is no part of a model.
    assert not [p for p in parts if p not in picture and p != "text"]
