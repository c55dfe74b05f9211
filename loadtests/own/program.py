"""The command of a `waits.toml` as a process is started with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from loadtests.own.file import OwnFile
from loadtests.runtime import ServiceFailed
from loadtests.runtime.process import Program
from services import folders


def started_with(
    own: OwnFile, port: int, backend_url: str, environ: Mapping[str, str] = os.environ
) -> Program:
    """The command, its program found, and all variables; ServiceFailed where there is no such.

    A virtual environment in its folder comes first, then one beside its file. Of this process's
    variables only those of the system are passed on, and those that the file asks for.
    """
    words = own.words(port, backend_url)
    folders_of_it = dict.fromkeys([own.folder, own.file.parent.resolve()])
    places = [str(one / venv / "bin") for one in folders_of_it for venv in (".venv", "venv")]
    path = os.pathsep.join([*places, environ.get("PATH", os.defpath)])
    here = str(own.folder / words[0]) if os.sep in words[0] else words[0]
    program = shutil.which(here, path=path)
    if program is None:
        looked = f"PATH, {', '.join(places)}" if here == words[0] else own.folder
        raise ServiceFailed(f"{own.name}: there is no program {words[0]!r} in {looked}")
    variables = {name: environ[name] for name in folders.SYSTEM if name in environ}
    variables |= {"PATH": path, "PYTHONUNBUFFERED": "1"}
    variables |= own.variables(port, backend_url, environ)
    return Program([program, *words[1:]], variables, own.folder)
