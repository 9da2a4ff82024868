# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small client of the lab's appliance for its tests; it shares no code with Ferry's own client.

Where the vendor's description lies beside the checkout, every successful answer is checked against it.
"""

from __future__ import annotations

import json
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import jsonschema  # type: ignore[import-untyped]

from lab.appliance.local import LocalAppliance, local_appliance

Json = Mapping[str, Any]
Found = TypeVar("Found")

DESCRIPTION = (
    Path(__file__).resolve().parents[3]
    / "shared"
    / "openapi"
    / "morpheus-8.1.2-migration-subset.json"
)
# The tests' appliance changes states in 0.05 s; a busy machine (load 10 seen) is far slower.
DEADLINE = 60.0
MIB = 1 << 20


@dataclass(frozen=True)
class Answer:
    status: int
    json: dict[str, Any]
    content_type: str = "application/json"

    @property
    def is_success(self) -> bool:
        return self.status == 200 and self.json.get("success", True) is True

    @property
    def refusal(self) -> str:
        """Why it was refused; fails the test if it was not."""
        assert not self.is_success, self.json
        assert self.json["success"] is False
        return str(self.json["msg"])


@dataclass
class Api:
    """Requests with a bearer, and the few sequences of them that many tests need."""

    appliance: LocalAppliance
    token: str = ""
    description: Json = field(default_factory=dict)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to a request with a JSON body, or with these very bytes."""
        content = json.dumps(body).encode() if body is not None else data
        head = {"Content-Type": "application/json", **(headers or {})}
        if self.token:
            head.setdefault("Authorization", f"Bearer {self.token}")
        request = urllib.request.Request(
            self.appliance.url + path, data=content, method=method, headers=head
        )
        answer = self._send(request)
        if answer.is_success:
            check_answer(self.description, method, path, answer.json)
        return answer

    def get(self, path: str) -> dict[str, Any]:
        answer = self.request("GET", path)
        assert answer.is_success, answer
        return answer.json

    def put(self, path: str, body: object = None) -> Answer:
        return self.request("PUT", path, body)

    def log_in(self) -> None:
        query = {"grant_type": "password", "scope": "write", "client_id": "morph-api"}
        form = {"username": self.appliance.username, "password": self.appliance.password}
        answer = self.request(
            "POST",
            f"/oauth/token?{urllib.parse.urlencode(query)}",
            data=urllib.parse.urlencode(form).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        self.token = answer.json["access_token"]

    def instance(self, number: int) -> dict[str, Any]:
        return dict(self.get(f"/api/instances/{number}")["instance"])

    def server(self, number: int) -> dict[str, Any]:
        """The server of the instance with this id."""
        server = self.instance(number)["servers"][0]
        return dict(self.get(f"/api/servers/{server}")["server"])

    def await_status(self, number: int, status: str) -> dict[str, Any]:
        """The instance, once it is idle in this state."""

        def reached() -> dict[str, Any] | None:
            instance = self.instance(number)
            return None if instance["isBusy"] or instance["status"] != status else instance

        return eventually(reached, f"instance {number} {status}")

    def await_gone(self, path: str) -> None:
        eventually(lambda: self.request("GET", path).status == 404 or None, f"{path} gone")

    def create_image(self, name: str, content: bytes, **more: Any) -> int:
        """The id of a new image with one file of this content."""
        wanted = {"name": name, "imageType": "raw", "isCloudInit": False, **more}
        created = self.request("POST", "/api/virtual-images", {"virtualImage": wanted})
        number = int(created.json["virtualImage"]["id"])
        path = f"/api/virtual-images/{number}/upload?filename={name}.img"
        headers = {"Content-Type": "application/octet-stream"}
        assert self.request("POST", path, data=content, headers=headers).is_success
        return number

    def create_instance(self, name: str, **more: Any) -> int:
        """The id of a new instance, stopped; see `creation` for its shape."""
        answer = self.request("POST", "/api/instances", creation(name, **more))
        assert answer.is_success, answer
        number = int(answer.json["instance"]["id"])
        self.await_status(number, "stopped")
        return number

    def move(self, number: int, volume: int, verb: str, body: object = None) -> Answer:
        """Attach or detach a volume, and wait until the instance is idle if that was accepted."""
        answer = self.put(f"/api/servers/{self.server(number)['id']}/volumes/{volume}/{verb}", body)
        if answer.is_success:
            self.await_status(number, self.instance(number)["status"])
        return answer

    def mount_point(self, number: int, unit: str) -> Json:
        controller = self.server(number)["controllers"][0]["id"]
        return {"controller": {"id": controller}, "unitNumber": unit}

    def _send(self, request: urllib.request.Request) -> Answer:
        trust = ssl.create_default_context(cafile=str(self.appliance.ca_path))
        try:
            with urllib.request.urlopen(request, context=trust, timeout=DEADLINE) as response:
                return _read(response.status, response)
        except urllib.error.HTTPError as response:
            return _read(response.code, response)


def creation(name: str, **more: Any) -> dict[str, Any]:
    """The body for an instance with an empty root of 1 GiB, powered off; `more` replaces its parts."""
    body = {
        "zoneId": 2,
        "instance": {
            "name": name,
            "site": {"id": 3},
            "instanceType": {"code": "mvm"},
            "layout": {"id": 301},
            "plan": {"id": 71},
        },
        "config": {
            "resourcePoolId": "pool-7",
            "poolProviderType": "mvm",
            "provisionPoweredOff": True,
            "noAgent": True,
        },
        "volumes": [{"id": -1, "rootVolume": True, "name": "root", "size": 1, "datastoreId": 12}],
        "networkInterfaces": [{"network": {"id": "network-22"}}],
    }
    config = {**body["config"], **more.pop("config", {})}  # type: ignore[dict-item]
    return {**body, **more, "config": config}


@contextmanager
def fresh_api(directory: Path) -> Iterator[Api]:
    """A client that is logged in to an appliance over this directory."""
    description = load_description() if DESCRIPTION.exists() else {}
    with local_appliance(directory) as appliance:
        api = Api(appliance, description=description)
        api.log_in()
        api.put("/lab/config", {"delay": 0.05})
        yield api


def load_description() -> Json:
    """The vendor's description, with `anyOf` for each `oneOf`.

    Its alternatives overlap (a created instance is also a `successError`, which requires nothing), so
    that by the letter not even its own examples are valid.
    """

    def loosen(entry: dict[str, Any]) -> dict[str, Any]:
        return {"anyOf" if key == "oneOf" else key: value for key, value in entry.items()}

    loaded: Json = json.loads(DESCRIPTION.read_text(), object_hook=loosen)
    return loaded


def eventually(look: Callable[[], Found | None], what: str) -> Found:
    """What `look` returns as soon as it is not None. Fails the test after the deadline."""
    last = time.monotonic() + DEADLINE
    while time.monotonic() < last:
        found = look()
        if found is not None:
            return found
    raise AssertionError(f"did not happen within {DEADLINE} s: {what}")


def check_answer(description: Json, method: str, path: str, answer: Json) -> None:
    """The answer has the shape that the vendor's description gives it, if it describes this path."""
    operation = _operation(description.get("paths", {}), method, path.partition("?")[0])
    content = operation.get("responses", {}).get("200", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    if schema:
        whole = {**schema, "components": description["components"]}
        jsonschema.Draft202012Validator(whole).validate(answer)


def _operation(paths: Json, method: str, path: str) -> Json:
    """What is described for the path: as it stands, else for the first template that fits."""
    for template, operations in sorted(paths.items(), key=lambda entry: entry[0].count("{")):
        if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", template), path):
            operation: Json = operations.get(method.lower(), {})
            return operation
    return {}


def _read(status: int, response: Any) -> Answer:
    content = response.read()
    content_type = response.headers.get_content_type()
    is_json = content_type == "application/json"
    return Answer(status, json.loads(content) if is_json and content else {}, content_type)
