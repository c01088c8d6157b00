"""Makes tests/fixtures/kubernetes.json.gz: the API's schemas of the kinds in examples/kubernetes, without their descriptions.

Needs kubernetes-validate 1.37.0, which has the schemas that are generated from Kubernetes' own OpenAPI, and neither Wherry nor a
network:

    python tests/references/kubernetes_schemas.py tests/fixtures
"""

import gzip
import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

VERSION = "v1.35.0"
KINDS = {
    "batch/v1 Job": "io.k8s.api.batch.v1.Job",
    "apps/v1 Deployment": "io.k8s.api.apps.v1.Deployment",
    "v1 Secret": "io.k8s.api.core.v1.Secret",
    "v1 Service": "io.k8s.api.core.v1.Service",
    "node.k8s.io/v1 RuntimeClass": "io.k8s.api.node.v1.RuntimeClass",
}


def structure(value: Any, names: set[str]) -> Any:
    """A schema without words for people; `names` takes the definitions that it refers to."""
    if isinstance(value, list):
        return [structure(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, item in value.items():
        if (key == "description" and isinstance(item, str)) or key.startswith(("x-", "$schema", "$id")):
            continue
        if key == "$ref":
            name = item.rpartition("/")[2]
            names.add(name)
            item = f"#/definitions/{name}"
        found[key] = structure(item, names)
    return found


def main(target: Path) -> None:
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"{VERSION}-local-strict"
    known = json.loads((folder / "_definitions.json").read_text())["$defs"]
    left, definitions = set(KINDS.values()), {}
    while left:
        name = left.pop()
        names: set[str] = set()
        definitions[name] = structure(known[name], names)
        left |= names - definitions.keys()
    made = {"version": VERSION, "kinds": KINDS, "definitions": definitions}
    raw = json.dumps(made, sort_keys=True, separators=(",", ":")).encode()
    (target / "kubernetes.json.gz").write_bytes(gzip.compress(raw, 9, mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
