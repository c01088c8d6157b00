"""All that a component of WASI 0.2 can import of the host, wasi:nn beside it."""

from dataclasses import replace
from functools import partial

from wherry.wasm.component import Interface
from wherry.wasm.nn import component as nn
from wherry.wasm.wasi import cli, clocks, filesystem, http, io, random, sockets
from wherry.wasm.wasi.contract import fault

RUN = "wasi:cli/run"
INCOMING_HANDLER = "wasi:http/incoming-handler"


def interfaces() -> dict[str, Interface]:
    found = dict(nn.interfaces())
    for package in (io, clocks, random, cli, filesystem, sockets, http):
        for name, interface in package.interfaces().items():
            found[name] = replace(interface, fault=partial(fault, name))
    return found
