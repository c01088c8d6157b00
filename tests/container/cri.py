"""The Container Runtime Interface, as a kubelet speaks it: the few calls that the tests make, over gRPC.

A message is a dict of field numbers (api.proto of runtime.v1); protobuf's wire format for those is twenty lines.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc

CREATED, RUNNING, EXITED = 0, 1, 2
_HOST_NETWORK = 2  # NamespaceMode NODE: no network plugin is wanted then

Message = Mapping[int, Any]


def encode(message: Message) -> bytes:
    """int, str, bytes, a message, or a list of them, by field number -> protobuf."""
    parts = []
    for number, value in message.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, int):
                parts.append(_varint(number << 3) + _varint(item))
                continue
            data = encode(item) if isinstance(item, Mapping) else item.encode() if isinstance(item, str) else item
            parts.append(_varint(number << 3 | 2) + _varint(len(data)) + data)
    return b"".join(parts)


def decode(data: bytes) -> dict[int, list[Any]]:
    """protobuf -> by field number, ints and bytes."""
    fields: dict[int, list[Any]] = {}
    position = 0

    def number() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while position < len(data):
        key = number()
        if key & 7 == 0:
            fields.setdefault(key >> 3, []).append(number())
        else:
            assert key & 7 == 2, f"wire type {key & 7}"
            size = number()
            fields.setdefault(key >> 3, []).append(data[position : position + size])
            position += size
    return fields


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def pairs(values: Mapping[str, str]) -> list[Message]:
    """A map<string, string>, or KeyValue messages."""
    return [{1: key, 2: value} for key, value in values.items()]


class Cri:
    """One containerd. Every pod has the host's network."""

    def __init__(self, socket: Path) -> None:
        self._channel = grpc.insecure_channel(f"unix://{socket}", options=[("grpc.default_authority", "localhost")])

    def call(self, name: str, message: Message) -> dict[int, list[Any]]:
        """A call of RuntimeService. Raises grpc.RpcError with the runtime's words."""
        method = self._channel.unary_unary(
            f"/runtime.v1.RuntimeService/{name}", request_serializer=encode, response_deserializer=decode
        )
        answer: dict[int, list[Any]] = method(message, timeout=120)
        return answer

    def run_pod(self, name: str, handler: str, logs: Path, annotations: Mapping[str, str]) -> tuple[str, Message]:
        """A pod of the RuntimeClass's handler -> (its id, its configuration)."""
        config = {
            1: {1: name, 2: name, 3: "default"},
            3: str(logs),
            7: pairs(annotations),
            8: {2: {1: {1: _HOST_NETWORK}}},
        }
        return self.call("RunPodSandbox", {1: config, 2: handler})[1][0].decode(), config

    def create(
        self,
        pod: tuple[str, Message],
        image: str,
        arguments: list[str],
        environment: Mapping[str, str],
        devices: list[str],
        user: int,
        more: Message | None = None,
        resources: Message | None = None,
    ) -> str:
        """A container with a read-only root and no capabilities as `user` -> its id.

        Its log is `container.log` in the pod's folder. `more` are fields of its configuration, `resources` its
        LinuxContainerResources.
        """
        security = {1: {2: ["ALL"]}, 3: {1: _HOST_NETWORK}, 5: {1: user}, 7: 1, 11: 1}
        config = {
            1: {1: "app"},
            2: {1: image},
            4: arguments,
            6: pairs(environment),
            11: "container.log",
            15: {1: resources or {}, 2: security},
            17: [{1: device} for device in devices],
            **(more or {}),
        }
        answer = self.call("CreateContainer", {1: pod[0], 2: config, 3: pod[1]})
        return str(answer[1][0].decode())

    def state(self, container: str) -> tuple[int, int]:
        """(state, exit code)."""
        status = decode(self.call("ContainerStatus", {1: container})[1][0])
        return status.get(3, [CREATED])[0], status.get(7, [0])[0]

    def process(self, container: str) -> int:
        """The container's first process, as the runtime tells in its verbose status."""
        answer = self.call("ContainerStatus", {1: container, 2: 1})
        info = {entry[1][0]: entry[2][0] for entry in map(decode, answer[2])}
        return int(json.loads(info[b"info"])["pid"])
