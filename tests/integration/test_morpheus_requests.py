# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ferry sends, against the vendor's description of the API: paths, query names, bodies.

The lab's appliance is ours and may share our mistakes; the description is not. Every request of a
whole migration is recorded and judged by it. The description is not part of Ferry: without it beside
the checkout this file is skipped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Optional

import jsonschema  # type: ignore[import-untyped]
import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.transport import (
    Answer,
    HttpsTransport,
    Request,
)

from tests.integration.morpheus_steps import Modules, snapshot_arguments, steps
from tests.support.appliance_api import DESCRIPTION, fresh_api, load_description

pytestmark = pytest.mark.skipif(
    not DESCRIPTION.exists(), reason=f"the vendor's {DESCRIPTION.name} is not beside the checkout"
)

# Known to the vendor's Terraform provider, not to the description.
UNDESCRIBED_PATHS = {"/api/options/zonePools"}
# Lists that are read page by page although the description names no offset for them.
PAGING = {"max", "offset"}


class Recorder(HttpsTransport):
    """The real transport, which also notes every request."""

    noted: list[Request] = []

    def exchange(self, request: Request, *, timeout: Optional[float] = None) -> Answer:
        self.noted.append(request)
        return super().exchange(request, timeout=timeout)


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> list[Request]:
    """Every request of a migration's steps."""
    folder = tmp_path_factory.mktemp("requests")
    image = folder / "worker.iso"
    image.write_bytes(b"worker")
    (folder / "appliance").mkdir()
    with pytest.MonkeyPatch.context() as patch, fresh_api(folder / "appliance") as api:
        # The entry layer opens its own transport; the recorder is the same one with a memory.
        entry = "ansible_collections.ferry.hvm.plugins.module_utils.entry.appliance.HttpsTransport"
        patch.setattr(entry, Recorder)
        modules = Modules(api.appliance)
        for step in steps(image):
            modules.call(step.module, **step.arguments)
            if step.name == "take a snapshot":
                modules.call("snapshot", **snapshot_arguments("reverted"))
                modules.call("snapshot_info", instance="web01")
        for kind in "image", "instance", "volume":
            modules.call(f"{kind}_info")
    return Recorder.noted


@pytest.fixture(scope="module")
def described() -> Mapping[str, Any]:
    return load_description()


def test_migration_sends_something(sent: list[Request]) -> None:
    assert {request.method for request in sent} == {"GET", "POST", "PUT", "DELETE"}


def test_every_path_is_described(sent: list[Request], described: Mapping[str, Any]) -> None:
    unknown = {
        request.path for request in sent if _operation(described, request) is None
    } - UNDESCRIBED_PATHS
    assert unknown == set()


def test_every_query_name_is_described(sent: list[Request], described: Mapping[str, Any]) -> None:
    unknown = {
        (str(request), name)
        for request in sent
        for name in request.query
        if name not in _query_names(described, request)
    }
    assert unknown == set()


def test_every_body_is_as_described(sent: list[Request], described: Mapping[str, Any]) -> None:
    judged = 0
    for request in sent:
        schema = _body_schema(described, request)
        if schema and isinstance(request.body, bytes):
            whole = {**schema, "components": described["components"]}
            jsonschema.Draft202012Validator(whole).validate(json.loads(request.body))
            judged += 1
    # Two instances, one image, attaching twice, a snapshot, tags, labels and a resize at the least.
    assert judged >= 9


def _operation(described: Mapping[str, Any], request: Request) -> Optional[Mapping[str, Any]]:
    for template, operations in sorted(
        described["paths"].items(), key=lambda entry: entry[0].count("{")
    ):
        if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", template), request.path):
            found: Optional[Mapping[str, Any]] = operations.get(request.method.lower())
            if found is not None:
                return found
    return None


def _query_names(described: Mapping[str, Any], request: Request) -> set[str]:
    operation = _operation(described, request)
    if operation is None:
        return set(request.query)
    parameters = (_followed(described, each) for each in operation.get("parameters", []))
    return {each["name"] for each in parameters} | PAGING


def _body_schema(described: Mapping[str, Any], request: Request) -> Optional[Mapping[str, Any]]:
    operation = _operation(described, request) or {}
    body = _followed(described, operation.get("requestBody", {}))
    schema: Optional[Mapping[str, Any]] = (
        body.get("content", {}).get("application/json", {}).get("schema")
    )
    return schema


def _followed(described: Mapping[str, Any], entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The entry, or what its `$ref` names."""
    if "$ref" not in entry:
        return entry
    found: Any = described
    for part in entry["$ref"].removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/")]
    return dict(found)
