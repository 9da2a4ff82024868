# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A vCenter without network: it stands where pyvmomi's own end of a connection stands.

Calls come as pyvmomi makes them and are answered from lists, the last answer for ever; an exception in a
list is raised, as a fault or a lost connection is.
"""

from __future__ import annotations

import ssl
from typing import Any, Dict, List

from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.session import Endpoint
from pyVmomi import StubAdapterBase, vim, vmodl


class FakeStub(StubAdapterBase):  # type: ignore[misc]
    """pyvmomi's stub, answered by a `FakeVcenter`."""

    def __init__(self, vcenter: FakeVcenter, version: str) -> None:
        super().__init__(version)
        self.vcenter = vcenter
        self.cookie = ""

    def InvokeMethod(self, mo: Any, info: Any, args: Any) -> Any:  # noqa: N802 - pyvmomi's name
        return self.vcenter.answer(info.wsdlName, self, args)

    def DropConnections(self) -> None:  # noqa: N802
        """There are none."""

    def SetSessionId(self, session: Any) -> None:  # noqa: N802
        self.cookie = ""


class FakeVcenter(Endpoint):
    """Says what it is asked for in `asked`; `answers` are by the name of a call."""

    def __init__(self, api_version: str = "8.0.2.0") -> None:
        super().__init__("vcenter.example", ssl.create_default_context())
        set_ = object.__setattr__  # An endpoint is frozen; what this one notes is not part of it.
        set_(self, "api_version", api_version)
        set_(self, "asked", [])
        set_(self, "versions", [])
        set_(self, "answers", {"Login": [None], "Logout": [None]})

    api_version: str
    asked: List[str]
    versions: List[str]
    answers: Dict[str, List[Any]]

    def open_stub(self, version: str) -> FakeStub:
        self.versions.append(version)
        return FakeStub(self, version)

    def answer(self, call: str, stub: FakeStub, args: Any) -> Any:
        self.asked.append(call)
        if call == "RetrieveServiceContent":
            return self._content(stub)
        found = self.answers[call]
        given = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(given, Exception):
            raise given
        if call == "Login":
            stub.cookie = f'vmware_soap_session="{len(self.asked)}"; Path=/; HttpOnly'
        return given

    def _content(self, stub: FakeStub) -> Any:
        about = vim.AboutInfo()
        about.apiVersion = self.api_version
        content = vim.ServiceInstanceContent()
        content.about = about
        content.sessionManager = vim.SessionManager("SessionManager", stub)
        content.propertyCollector = vmodl.query.PropertyCollector("propertyCollector", stub)
        return content
