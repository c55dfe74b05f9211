"""The use of a container, read from its cgroup within it."""

from __future__ import annotations

import contextlib
import select

from loadtests.runtime import Usage, footprint
from loadtests.runtime.engine import Engine, EngineError, kill_session

ANSWER_S = 30.0

# Answers each empty line on stdin with the figures of the container's cgroup, of
# version 1 or 2. Only builtins: nothing is started while we measure. Any other line it
# answers with the footprint's figures, a line each and an empty one at the end.
READ_CGROUP = f"""
cd /sys/fs/cgroup
files='cpu.stat memory.stat'
[ -e cpu.stat ] || files='cpuacct/cpuacct.usage memory/memory.stat'
while read -r wanted; do
    if [ "$wanted" ]; then
        {footprint.SHELL}
        continue
    fi
    figures=
    for file in $files; do
        while read -r line; do
            case $line in
                'usage_usec '* | 'anon '* | 'file_mapped '* | 'rss '* | 'mapped_file '*)
                    figures="$figures $line" ;;
                [0-9]*) figures="usage_nsec $line" ;;
            esac
        done <$file
    done
    echo $figures
done
"""


class Cgroup:
    """CPU and memory of a container, read by a shell inside it.

    Not `/containers/…/stats`: within a second of the last question that waits,
    and says what was used at the end of the second.
    """

    def __init__(self, engine: Engine, container: str) -> None:
        self._shell = engine.shell(container, "sh", "-c", READ_CGROUP)

    def usage(self) -> Usage:
        """Its use so far; EngineError if it has ended.

        The memory is what its processes have mapped, anonymous pages and
        files, each page counted once, the shell's 200 KiB included. The sum of
        RSS of the local runtime counts a page that processes share once for
        each, and counts pages of libraries that here are another container's
        if that one has read the same file before.
        """
        words = self._ask("").split()
        figures = {name: int(value) for name, value in zip(words[::2], words[1::2], strict=True)}
        if "usage_usec" in figures:
            mapped_bytes = figures["anon"] + figures["file_mapped"]
            return Usage(figures["usage_usec"] / 1e6, mapped_bytes)
        return Usage(figures["usage_nsec"] / 1e9, figures["rss"] + figures["mapped_file"])

    def footprint(self, switches: bool) -> footprint.Footprint:
        """Memory and threads of its processes; EngineError if it has ended."""
        lines = [self._ask("switches" if switches else "footprint")]
        while line := self._line().strip():
            lines.append(line)
        return footprint.read(lines)

    def _ask(self, what: str) -> str:
        assert self._shell.stdin and self._shell.stdout
        with contextlib.suppress(BrokenPipeError):
            self._shell.stdin.write(f"{what}\n")
        # Of an Engine elsewhere nothing comes, and no end either, once the link is cut.
        if not select.select([self._shell.stdout], [], [], ANSWER_S)[0]:
            raise EngineError(f"the container did not answer within {ANSWER_S:g} s")
        return self._line()

    def _line(self) -> str:
        assert self._shell.stdout is not None
        line = self._shell.stdout.readline()
        if not line:
            raise EngineError("the container has ended")
        return line

    def __enter__(self) -> Cgroup:
        self.usage()  # it is there, and the first answer's delay is not a window's
        return self

    def __exit__(self, *_: object) -> None:
        kill_session(self._shell.pid)
        self._shell.communicate()
