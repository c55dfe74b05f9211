"""`make advise` as a form in a page: in the report of the newest standard run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from loadtests.advise.answer import COLUMNS, NUMBERS
from loadtests.advise.measured import measured
from loadtests.report.pages import TEMPLATES
from loadtests.report.results import Results


@dataclass(frozen=True)
class Form:
    """What the template needs; `folder` is that of the report it belongs to."""

    folder: str | None
    document: dict[str, Any]
    columns = COLUMNS
    numbers = NUMBERS

    @property
    def json(self) -> Markup:
        """The document, with nothing in it that could end a script."""
        return Markup(json.dumps(self.document, sort_keys=True).replace("<", "\\u003c"))

    @property
    def script(self) -> Markup:
        """What answers."""
        return Markup((TEMPLATES / "advise.js").read_text())


def of(results: Results) -> Form | None:
    """The form for these results; None where they have nothing to say."""
    known = measured(results)
    return Form(known.sources["standard"], known.document()) if known else None
