"""examples/kubernetes against the schemas of Kubernetes' API, and against what the server does.

The schemas are those of its OpenAPI, strict: a field that the API does not know is an error.
tests/references/kubernetes_schemas.py has made them.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.conftest import ROOT

FOLDER = ROOT / "examples/kubernetes"
FILES = sorted(FOLDER.glob("*.yaml"))
SCHEMAS = json.loads(gzip.decompress((ROOT / "tests/fixtures/kubernetes.json.gz").read_bytes()))
Document = dict[str, Any]


def documents(path: Path) -> list[Document]:
    return list(yaml.safe_load_all(path.read_text()))


def check(document: Document) -> None:
    """Raises ValidationError."""
    kind = SCHEMAS["kinds"][f"{document['apiVersion']} {document['kind']}"]
    schema = {"$ref": f"#/definitions/{kind}", "definitions": SCHEMAS["definitions"]}
    jsonschema.Draft7Validator(schema).validate(document)


def one(name: str) -> Document:
    (document,) = documents(FOLDER / name)
    return document


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_examples_are_what_the_api_takes(path: Path) -> None:
    for document in documents(path):
        check(document)


def test_a_field_that_the_api_does_not_know_is_found() -> None:
    """The check can fail: for a mistyped field, a type, a kind's required part."""
    for change in ({"runtimeClass": "wherry"}, {"terminationGracePeriodSeconds": "45 s"}, {"containers": [{"image": "x"}]}):
        document = one("deployment.yaml")
        document["spec"]["template"]["spec"] |= change
        with pytest.raises(jsonschema.ValidationError):
            check(document)


def test_the_examples_fit_one_another() -> None:
    deployment, service, secret = one("deployment.yaml"), one("service.yaml"), one("secret.yaml")
    template = deployment["spec"]["template"]
    (app,) = template["spec"]["containers"]
    labels = template["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert service["spec"]["selector"].items() <= labels.items()
    (port,) = app["ports"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    keys = {entry["name"]: entry.get("valueFrom", {}).get("secretKeyRef") for entry in app["env"]}["WHERRY_API_KEYS"]
    assert keys["name"] == secret["metadata"]["name"] and keys["key"] in secret["stringData"]
    handler = one("runtimeclass.yaml")["metadata"]["name"]
    assert template["spec"]["runtimeClassName"] == one("job.yaml")["spec"]["template"]["spec"]["runtimeClassName"] == handler
    mounts = {mount["name"] for mount in app["volumeMounts"]}
    assert mounts == {volume["name"] for volume in template["spec"]["volumes"]}


def test_the_probes_ask_what_the_server_answers() -> None:
    """Paths that need no key and speak of life and readiness; a program that ends has none, and is no Deployment."""
    (app,) = one("deployment.yaml")["spec"]["template"]["spec"]["containers"]
    paths = {name: app[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")}
    assert paths == {"startup": "/readyz", "readiness": "/readyz", "liveness": "/healthz"}
    assert "args" not in app and app["ports"][0]["containerPort"] == 8080
    assert one("job.yaml")["spec"]["template"]["spec"]["restartPolicy"] == "Never"


@pytest.mark.parametrize("name", ["deployment.yaml", "job.yaml"])
def test_pods_have_no_more_rights_than_they_need(name: str) -> None:
    """The restricted profile of Kubernetes' Pod Security Standards, and a root that cannot be written to."""
    spec = one(name)["spec"]["template"]["spec"]
    for app in spec["containers"]:
        security = app["securityContext"]
        assert security["runAsNonRoot"] and security["runAsUser"] and security["readOnlyRootFilesystem"]
        assert security["allowPrivilegeEscalation"] is False and security["capabilities"] == {"drop": ["ALL"]}
        assert security["seccompProfile"]["type"] == "RuntimeDefault"
        assert app["resources"]["requests"].keys() == {"cpu", "memory"} and "memory" in app["resources"]["limits"]
    assert spec["automountServiceAccountToken"] is False
