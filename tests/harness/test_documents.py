"""README and docs: short, their links lead somewhere, and few numbers a section."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loadtests.catalog import ROOT
from loadtests.record import load
from loadtests.report.results.facts import milliseconds
from loadtests.report.results.parts import Part, split
from loadtests.report.results.waiting import kernel, waiter
from loadtests.workloads.faults.cells import outcomes

README = ROOT / "README.md"
WAITING = ROOT / "docs" / "how-waiting-works.md"
DOCUMENTS = [README, *sorted((ROOT / "docs").glob("*.md"))]
MOST_WORDS = 900
MOST_FIGURES, MOST_CHARTS = 4, 1
SENTENCES = 4
# Pages that GitHub makes of a repository, as seen from its first one.
OF_GITHUB = ("../../deployments/github-pages",)


def read(document: Path) -> str:
    """The words that a reader of a document sees."""
    return seen(document.read_text(encoding="utf-8"))


def seen(text: str) -> str:
    """Markdown without comments, addresses and texts of pictures; tables stay."""
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"^[-|: ]+$", "", text, flags=re.M)
    return re.sub(r"[|#*`]", " ", text)


def words(text: str) -> int:
    return sum(bool(re.search(r"\w", word)) for word in text.split())


def sections(document: Path) -> dict[str, str]:
    """The sections of the second order, by their titles."""
    parts = re.split(r"^## (.*)\n", document.read_text(encoding="utf-8"), flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def anchors(document: Path) -> set[str]:
    """The titles of a document as GitHub makes addresses of them."""
    titles = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.M)
    found: set[str] = set()
    for title in titles:
        slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        number = 1
        name = slug
        while name in found:
            name, number = f"{slug}-{number}", number + 1
        found.add(name)
    return found


def test_words_are_those_that_are_read(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    table = "| k | l m |\n| --- | ---: |\n"
    document.write_text(f"# A b\n<!-- c d -->\n[e f](g) ![h](i) `j`\n\n{table}")
    assert read(document).split() == ["A", "b", "e", "f", "j", "k", "l", "m"]


def test_readme_takes_a_minute() -> None:
    """With its tables and commands."""
    assert words(read(README)) <= MOST_WORDS


def test_the_answer_is_four_points_and_one_chart() -> None:
    text = README.read_text()
    (answer,) = re.findall(r"<!-- answer: -->(.*?)<!-- /answer -->", text, re.S)
    assert len(re.findall(r"^- ", answer, re.M)) <= SENTENCES
    assert len(re.findall(r"<!-- chart: ", text)) == 1
    assert text.count("\n- ", text.index("## Where it stops")) == 5


def test_how_waiting_works_is_prose() -> None:
    """Of a section about services; the ladder, before them, is its own table."""
    found = sections(WAITING)
    services = list(found)[1:]
    assert services[0] == "The same in a service"
    most = {"figure": MOST_FIGURES, "chart": MOST_CHARTS, "table": 0}
    many = [
        (title, kind, count)
        for title in services
        for kind in most
        if (count := found[title].count(f"<!-- {kind}: ")) > most[kind]
    ]
    assert many == []


def test_as_many_sections_follow_as_are_announced() -> None:
    found = sections(WAITING)
    (said,) = re.findall(r"next\s(\w+)\ssections", found["Where it breaks"])
    titles = list(found)
    number = titles.index("Which one?") - titles.index("Where it breaks") - 1
    assert ["no", "one", "two", "three", "four", "five", "six"].index(said) == number


def linked(section: str, profile: str, place: int = 0) -> Part:
    """The profile in the first run, or another, that a section links to in its own words."""
    written = re.sub(r"<!-- (\w+): .*?<!-- /\1 -->", "", sections(WAITING)[section], flags=re.S)
    folder = [*dict.fromkeys(re.findall(r"\(\.\./(results/[^/)]+)/report\.md", written))][place]
    (part,) = (one for one in split(load(ROOT / folder / "run.json")) if one.name == profile)
    return part


def test_the_slots_that_each_service_takes_are_those_of_the_linked_run() -> None:
    part = linked("A pool that is too small", "pool")
    text = " ".join(sections(WAITING)["A pool that is too small"].split())
    assert "of four services and nine numbers of slots, over three kinds of delays" in text
    rows = part.run.summary
    assert [len({getattr(row, of) for row in rows}) for of in ("service", "slots", "delays")] == [
        4, 9, 3,
    ]  # fmt: skip
    for name in part.run.services:
        own = [row for row in rows if row.service == name and row.delays.startswith("constant")]
        added = {row.slots: row.added_p99_ms.median for row in own if row.added_p99_ms}
        assert min(slots for slots, ms in added.items() if slots and ms < 10) == 40, name


def test_the_memory_kept_after_a_huge_body_is_that_of_the_linked_run() -> None:
    part = linked("A broken backend", "faults")
    kept: dict[str, list[int]] = {}
    for name, found in outcomes(part).items():
        if number := found["huge-body"].leaks.get("pss_bytes"):
            kept.setdefault(waiter(part, name), []).append(round(number / 2**20))
    ends = {of: (min(many), max(many)) for of, many in kept.items()}
    text = " ".join(sections(WAITING)["A broken backend"].split())
    said = re.search(r"Threads keep (\d+) to (\d+) MiB, greenlets (\d+) and (\d+)", text)
    assert said
    a, b, c, d = map(int, said.groups())
    assert ends == {"a thread": (a, b), "a greenlet": (c, d)}
    second = linked("A broken backend", "faults", 1)
    in_loops = {
        name: round(number / 2**20)
        for name, found in outcomes(second).items()
        if (number := found["huge-body"].leaks.get("pss_bytes"))
        and waiter(second, name) == "a coroutine"
    }
    assert in_loops == {"fastapi-pyqwest": 60} and "in Rust, 60 MiB more" in text


def test_who_answers_wrong_where_the_backend_answers_twice_is_as_in_the_linked_runs() -> None:
    text = " ".join(sections(WAITING)["A broken backend"].split())
    assert "twelve services and all faults" in text and "of fourteen with other clients" in text
    assert "the seven services with httpx or httpx2 give what nobody asked for" in text
    first, second = (linked("A broken backend", "faults", place) for place in range(2))
    assert (len(first.run.services), len(second.run.services)) == (12, 14)
    wrong = {
        (name, fault): part.run.services[name]["client"]
        for part in (first, second)
        for name, found in outcomes(part).items()
        for fault, one in found.items()
        if one.wrong
    }
    assert {fault for _, fault in wrong} == {"two-answers"}
    assert len(wrong) == 7 and all(client.startswith("httpx") for client in wrong.values())
    assert "with httpx the loop answers again only seconds after the name is back" in text
    in_loops = [
        found["no-name"].recovery_s
        for name, found in outcomes(second).items()
        if "httpx" in second.run.services[name]["client"] and waiter(second, name) == "a coroutine"
    ]
    assert in_loops and all(seconds is None or seconds > 2 for seconds in in_loops)


def test_the_kernel_s_part_of_a_request_is_that_of_the_linked_run() -> None:
    part = linked("The same in a service", "held")
    kib = {
        name: round(found.spread.median / 1024)
        for name in part.run.services
        if (found := kernel(part, name))
    }
    of_threads = {kib.pop(name) for name in list(kib) if waiter(part, name) == "a thread"}
    text = " ".join(WAITING.read_text(encoding="utf-8").split())
    ((least, most, thread),) = re.findall(
        r"takes (\d+)(?: to (\d+))? KiB more, and (\d+) where a thr", text
    )
    assert [*of_threads] == [int(thread)]
    assert (min(kib.values()), max(kib.values())) == (int(least), int(most or least))
    found = sections(WAITING)
    for title, name in {"A greenlet": "flask-gevent", "A coroutine": "fastapi"}.items():
        assert f"and {kib[name]} in the kernel" in " ".join(found[title].split())
    assert f"and {thread} in the kernel" in " ".join(found["A thread"].split())
    assert kib["twisted"] == kib["asyncio-protocol"]
    assert f"and {kib['twisted']} more in the kernel" in found["A callback"]


def test_the_tail_of_the_generator_alone_is_that_of_the_linked_run() -> None:
    alone = linked("A slow tail", "tail").perfect("tail-bimodal")["added_p99_ms"]
    assert f"{milliseconds(alone)} in [that" in sections(WAITING)["A slow tail"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if re.match(r"https?://", target) or target in OF_GITHUB:
            continue
        name, _, anchor = target.partition("#")
        file = (document.parent / name).resolve() if name else document
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_sentence_begins_with_what_who_or_else(document: Path) -> None:
    """Questions may. The ladder keeps its own words."""
    text = re.sub(r"^#+ .*$", "", document.read_text(encoding="utf-8"), flags=re.M)
    for ladder in re.findall(r"^\*\*\d\. .*?\n\n", text, re.M | re.S):
        text = text.replace(ladder, "")
    prose = re.sub(r"\s+", " ", seen(text))
    assert re.findall(r"(?<=[.:;!?] )(?:What|Who|Else)\b[^.?]*[.]", prose) == []
