"""The SVG that Vega writes, with what a still picture needs and no more."""

from __future__ import annotations

import re
from collections.abc import Iterator

from loadtests.report.charts import theme

# Attributes for pages, those that say what holds anyway, and shapes that nobody sees.
NEEDLESS = re.compile(
    r" (?:class|role|pointer-events|aria-[a-z]+|stroke-miterlimit|text-rendering|font-family"
    r'|xmlns:xlink|display)="[^"]*"|(?: (?:fill-opacity|opacity|stroke-width)="1")(?=[ />])'
    r'| (?:font-weight="normal"|text-anchor="start"|stroke-dasharray="1,0"|font-size="12px")'
    r'| transform="translate\(0,0\)"| [xy]2="0"| stroke="[^"]*" stroke-width="0"'
)
UNSEEN = re.compile(
    r'<path(?: d="[^"]*")?/>|<path[^>]* d=""[^>]*/>|<text[^>]*></text>|<text[^>]*/>'
)
CIRCLE = re.compile(r'<path ([^>]*)d="M([\d.]+),0A\2,\2,0,1,1,-\2,0A\2,\2,0,1,1,\2,0"')
PLACES = re.compile(r' (?:d|[rxy][12]?|width|height|transform)="[^"]*"')
OPACITY = re.compile(r'(opacity="\d\.\d\d)\d+')  # to a hundredth
MOVED = re.compile(r'<(text|circle)([^>]*?) transform="translate\(([-\d.]+),([-\d.]+)\)"')
LINE = re.compile(
    r'<line transform="translate\(([-\d.]+),([-\d.]+)\)"(?: x2="([-\d.]+)")?(?: y2="([-\d.]+)")?'
)
SHAPE = re.compile(r'<(text|path|circle|line|rect)((?: [\w:-]+="[^"]*")*)(?:/>|>[^<]*</\1>)')
INHERITED = re.compile(
    r" (?:fill|stroke|stroke-width|stroke-dasharray|fill-opacity|stroke-opacity|stroke-linecap"
    r'|font-size|font-weight|font-style|text-anchor)="[^"]*"'
)


def svg(drawn: str) -> str:
    """The same picture, to a tenth of a pixel, in fewer bytes."""
    drawn = NEEDLESS.sub("", drawn)
    drawn = CIRCLE.sub(r'<circle \1r="\2"', UNSEEN.sub("", drawn))
    drawn = PLACES.sub(lambda place: _to_a_tenth(place[0]), drawn)
    drawn = OPACITY.sub(r"\1", drawn)
    drawn = LINE.sub(_from_to, MOVED.sub(_placed, drawn))
    drawn = SHAPE.sub(_without_idle_stroke, drawn)
    for _ in range(4):  # groups in groups
        drawn = re.sub(r"<g(?: [^>]*)?>\s*</g>|<g/>", "", drawn)
    drawn = drawn.replace("<svg ", f'<svg font-family="{theme.FONT}" font-size="12px" ', 1)
    return _grouped(_unwrapped(drawn)).replace("><g", ">\n<g") + "\n"


def _to_a_tenth(place: str) -> str:
    return re.sub(r"\.0(?!\d)", "", re.sub(r"(\.\d)\d+", r"\1", place))


def _placed(shape: re.Match[str]) -> str:
    """The shape at its place instead of moved there."""
    name, look, x, y = shape.groups()
    c = "c" if name == "circle" else ""
    return f'<{name}{look} {c}x="{x}" {c}y="{y}"'


def _from_to(line: re.Match[str]) -> str:
    """The line from its place to its end instead of moved there."""
    x, y, along, down = (float(number or 0) for number in line.groups())
    ends = {"x1": x, "y1": y, "x2": x + along, "y2": y + down}
    return "<line" + "".join(f' {name}="{round(at, 1):g}"' for name, at in ends.items() if at)


def _without_idle_stroke(shape: re.Match[str]) -> str:
    """The shape without how its stroke looks, where it has none."""
    return shape[0] if ' stroke="' in shape[2] else re.sub(r' stroke-[a-z]+="[^"]*"', "", shape[0])


def _unwrapped(drawn: str) -> str:
    """The SVG without groups that say nothing."""
    kept: list[bool] = []  # of the groups that are open

    def tag(found: re.Match[str]) -> str:
        if found[0] != "</g>":
            kept.append(found[0] != "<g>")
            return found[0] if kept[-1] else ""
        return "</g>" if kept.pop() else ""

    return re.sub(r"</g>|<g(?: [^>]*)?>", tag, drawn)


def _grouped(drawn: str) -> str:
    """The SVG in which neighbours say once, in a group, how they look alike."""
    pieces, end = [], 0
    for shapes in _alike(drawn):
        look = _look(shapes[0])
        if len(look) * (len(shapes) - 1) > len("<g></g>\n"):
            inner = "".join(shape[0].replace(shape[2], _rest(shape), 1) for shape in shapes)
            pieces += [drawn[end : shapes[0].start()], f"<g{look}>{inner}</g>"]
            end = shapes[-1].end()
    return "".join(pieces) + drawn[end:]


def _alike(drawn: str) -> Iterator[list[re.Match[str]]]:
    """The shapes in runs: each begins where the one before it ends, and looks as it does."""
    run: list[re.Match[str]] = []
    for shape in SHAPE.finditer(drawn):
        if run and (shape.start() != run[-1].end() or _look(shape) != _look(run[0])):
            yield run
            run = []
        run.append(shape)
    if run:
        yield run


def _look(shape: re.Match[str]) -> str:
    """The attributes of a shape that a group may have in its place."""
    return "".join(INHERITED.findall(shape[2]))


def _rest(shape: re.Match[str]) -> str:
    """Its other attributes."""
    return INHERITED.sub("", shape[2])
