# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Reading properties of managed objects. PRIVATE to the collection.

Always through the PropertyCollector and by path. pyvmomi's attribute access asks the vCenter for each
one alone, reads whole structures that a user may see only parts of, and cannot read some at all.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from .errors import GoneError
from .faults import show_ref
from .sdk import vim
from .session import Session

# One answer per object would take a second per thousand VMs; all at once can be hundreds of megabytes.
OBJECTS_AT_ONCE = 100

Properties = Mapping[str, Any]


def read(session: Session, obj: Any, paths: Sequence[str]) -> Properties:
    """Return the object's properties; one that is unset has no entry.

    Raises `GoneError` if the object is no more, `NoPrivilegeError` where one may not be seen.
    """
    found = read_all(session, [obj], paths)
    if not found:
        raise GoneError(f"There is no {show_ref(obj)} on the {session}.")
    return found[0][1]


def read_all(
    session: Session, objects: Sequence[Any], paths: Sequence[str]
) -> List[Tuple[Any, Properties]]:
    """Return the properties of a few objects of one kind. Raises `GoneError` if one is no more."""
    if not objects:
        return []
    kind, places = type(objects[0]), [vim.ObjectSpec(obj=each) for each in objects]
    what = f"properties of {show_ref(objects[0])}"
    return session.read(what, lambda: list(_collect(session, kind, places, paths)))


def read_everywhere(
    session: Session, kind: Any, paths: Sequence[str]
) -> List[Tuple[Any, Properties]]:
    """Return the properties of all objects of a kind that the user may see, by reference.

    The vCenter walks them itself, so that one which goes meanwhile is only left out.
    """
    content = session.content
    what = f"all objects of {kind.__name__}"
    view = session.read(
        what, lambda: content.viewManager.CreateContainerView(content.rootFolder, [kind], True)
    )
    walk = vim.TraversalSpec(type=vim.view.ContainerView, path="view", skip=False)
    places = [vim.ObjectSpec(obj=view, skip=True, selectSet=[walk])]
    try:
        found = session.read(what, lambda: list(_collect(session, kind, places, paths)))
    finally:
        session.read("the end of a view", view.DestroyView)
    return sorted(found, key=lambda each: str(each[0]._moId))


def _collect(
    session: Session, kind: Any, places: Sequence[Any], paths: Sequence[str]
) -> Iterator[Tuple[Any, Properties]]:
    collector = session.content.propertyCollector
    wanted = vim.PropertySpec(type=kind, pathSet=list(paths))
    filters = [vim.PropertyFilterSpec(objectSet=list(places), propSet=[wanted])]
    options = vim.RetrieveOptions(maxObjects=OBJECTS_AT_ONCE)
    answer = collector.RetrievePropertiesEx(filters, options)
    while answer is not None:
        yield from ((each.obj, _readable(each)) for each in answer.objects)
        if not answer.token:
            return
        answer = collector.ContinueRetrievePropertiesEx(answer.token)


def _readable(content: Any) -> Dict[str, Any]:
    """Return the object's properties. Raises the fault of one that could not be read."""
    for missing in content.missingSet:
        raise missing.fault
    return {each.name: each.val for each in content.propSet}
