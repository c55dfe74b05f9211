"""`make advise` as a form in a page: in the report of the newest standard or quick run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from loadtests.advise.answer import COLUMNS, NUMBERS
from loadtests.advise.measured import measured
from loadtests.advise.question import LABELS
from loadtests.report.pages.rendering import TEMPLATES
from loadtests.report.results.stored import Results

# The profiles whose report has the form: that of the first that was measured.
PLACES = ("standard", "quick")
SCRIPTS = ("numbers.js", "arithmetic.js", "answer.js", "page.js")


@dataclass(frozen=True)
class Form:
    """The form's data for its template; `folder` is that of the report it belongs to."""

    folder: str | None
    document: dict[str, Any]
    caveats: list[str]
    columns = COLUMNS
    numbers = NUMBERS
    labels = LABELS

    @property
    def json(self) -> Markup:
        """The document, with nothing in it that could end a script."""
        return Markup(json.dumps(self.document, sort_keys=True).replace("<", "\\u003c"))

    @property
    def script(self) -> Markup:
        """The script that answers."""
        texts = [(TEMPLATES / "advise" / name).read_text(encoding="utf-8") for name in SCRIPTS]
        return Markup("\n".join(texts))


def of(results: Results) -> Form | None:
    """The form for these results; None where they have nothing to say."""
    known = measured(results)
    if known is None:
        return None
    folder = next((known.sources[name] for name in PLACES if name in known.sources), None)
    return Form(folder, known.document(), known.caveats)
