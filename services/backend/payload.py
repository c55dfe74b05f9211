"""JSON of a given size as APIs return it: a list of small objects, no long string.

Pure: what checks the answers of services makes the same.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import count

NOTHING_IN_IT = b', "items": [], "fill": ""}'
SEPARATOR = b", "


def filled(delay: str, request_id: str, size: int) -> bytes:
    """The answer to a call, of exactly `size` bytes; the plain one where that is no shorter.

    It is written with spaces, which a service that parses it and writes it anew leaves out.
    """
    plain = f'{{"delay":{delay},"id":"{request_id}"}}'.encode()
    if size <= len(plain):
        return plain
    begin = f'{{"delay": {delay}, "id": "{request_id}"'.encode()
    if size <= len(begin):  # there is no room for all those spaces
        return plain[:-1] + b" " * (size - len(plain)) + b"}"
    return begin + _rest(size - len(begin))


@lru_cache(maxsize=32)  # a MiB each at most; a load asks for a size or two, with ids of few lengths
def _rest(size: int) -> bytes:
    """So many bytes that end the object: as many items as have room, and what fills the rest."""
    room = size - len(NOTHING_IN_IT)
    if room < 0:
        return b" " * (size - 1) + b"}"
    items: list[bytes] = []
    for item in map(_item, count(1)):
        taken = len(item) + len(SEPARATOR) * bool(items)
        if taken > room:
            break
        items.append(item)
        room -= taken
    return b', "items": [%b], "fill": "%b"}' % (SEPARATOR.join(items), b"x" * room)


def _item(number: int) -> bytes:
    cents = number * 713 % 9000
    item = f'"id": {number}, "name": "item {number}", "price": {cents / 100:.2f}'
    return f'{{{item}, "count": {number * 3 % 10}, "tags": ["a", "b"]}}'.encode()
