# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Instances: what the appliance provisions, starts, stops and removes. PRIVATE to the collection.

An instance of ours has exactly one server. Power verbs and removal are asynchronous; the waiting
for their end is here too, because only here is known which states are passing ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..waiting import Waiter
from . import processes
from .client import MorpheusClient
from .errors import AmbiguousNameError, NoSuchObjectError, StateFailedError, UnexpectedAnswerError
from .parse import (
    Json,
    child,
    children,
    labels_of,
    maybe_int,
    need_child,
    need_id,
    tag_list,
    tags_of,
    text,
)
from .volumes import Volume, whole_gib

# Instance.Status of the vendor's plugin-core. What is in none of these three is not waited for.
PASSING = frozenset(
    {
        "pending",
        "provisioning",
        "finishing",
        "resizing",
        "restarting",
        "cloning",
        "restoring",
        "stopping",
        "starting",
        "suspending",
    }
)
LEAVING = frozenset({"removing", "pendingremoval"})
FAILED = frozenset({"failed", "denied", "cancelled"})

# "warning" is running with a failing health check.
RUNNING = frozenset({"running", "warning"})
STOPPED = frozenset({"stopped"})


@dataclass(frozen=True)
class Instance:
    """One instance as the appliance describes it; its hardware is its server's."""

    id: int
    uuid: str
    name: str
    status: str
    message: str
    is_locked: bool
    is_busy: bool
    server_id: Optional[int]
    cloud_id: Optional[int]
    cloud: str
    plan_id: Optional[int]
    tags: Mapping[str, str]
    labels: Tuple[str, ...]
    volume_ids: Tuple[int, ...]

    def __str__(self) -> str:
        return f'instance "{self.name}" (id {self.id})'

    @property
    def is_passing(self) -> bool:
        """Whether the appliance is at work on it, so that its state will change by itself."""
        return self.status in PASSING or self.is_busy


def parse_instance(thing: Json) -> Instance:
    """Return the instance that the API describes. Raises for one with several servers."""
    servers = [number for number in map(maybe_int, thing.get("servers") or ()) if number]
    if len(servers) > 1:
        raise UnexpectedAnswerError(
            f'Instance "{text(thing.get("name"))}" has {len(servers)} servers, Ferry expects one.',
            hint="It is not one of Ferry's; choose another name.",
        )
    messages = [text(thing.get(key)) for key in ("statusMessage", "errorMessage")]
    cloud, plan = child(thing, "cloud"), child(thing, "plan")
    return Instance(
        id=need_id(thing, "instance"),
        uuid=text(thing.get("uuid")),
        name=text(thing.get("name")),
        status=text(thing.get("status")).lower(),
        message="; ".join(message for message in messages if message),
        is_locked=thing.get("locked") is True,
        is_busy=thing.get("isBusy") is True,
        server_id=servers[0] if servers else None,
        cloud_id=maybe_int(cloud.get("id")),
        cloud=text(cloud.get("name")),
        plan_id=maybe_int(plan.get("id")),
        tags=tags_of(thing),
        labels=labels_of(thing),
        volume_ids=tuple(need_id(each, "volume") for each in children(thing, "volumes")),
    )


def list_instances(client: MorpheusClient, *, name: str = "") -> List[Instance]:
    """Return all instances, or all that have exactly this name."""
    query = {"name": name} if name else {}
    found = map(parse_instance, client.list_all("/api/instances", "instances", query))
    return [each for each in found if not name or each.name == name]


def find_instance(client: MorpheusClient, instance_id: int) -> Optional[Instance]:
    """Return the instance, None if there is none."""
    answer = client.find(f"/api/instances/{instance_id}")
    return parse_instance(need_child(answer, "instance")) if answer is not None else None


def find_instance_named(client: MorpheusClient, name: str) -> Optional[Instance]:
    """Return the instance, None if there is none. Raises `AmbiguousNameError` for several.

    Read again by its id: the list leaves out details (plan, messages).
    """
    found = list_instances(client, name=name)
    if len(found) > 1:
        raise AmbiguousNameError(
            f'{len(found)} instances are called "{name}"'
            f" (ids {', '.join(str(each.id) for each in found)}).",
            hint="Rename or remove the others: Ferry finds an instance by its name.",
        )
    return find_instance(client, found[0].id) if found else None


def get_instance(client: MorpheusClient, instance_id: int) -> Instance:
    """Return the instance. Raises `NoSuchObjectError`."""
    found = find_instance(client, instance_id)
    if found is None:
        raise NoSuchObjectError(
            f"There is no instance with id {instance_id}.", hint="It may have been removed."
        )
    return found


def create_instance(client: MorpheusClient, body: Json) -> Instance:
    """Ask for a new instance and return it as the appliance accepted it: still provisioning."""
    answer = client.request("POST", "/api/instances", body=body)
    return parse_instance(need_child(answer, "instance"))


def start_instance(client: MorpheusClient, instance: Instance) -> None:
    """Ask to start the instance and its server."""
    client.request("PUT", f"/api/instances/{instance.id}/start", query={"server": "true"})


def stop_instance(client: MorpheusClient, instance: Instance) -> None:
    """Ask to shut the instance and its server down."""
    client.request("PUT", f"/api/instances/{instance.id}/stop", query={"server": "true"})


def merge_tags(client: MorpheusClient, instance: Instance, tags: Mapping[str, str]) -> None:
    """Add the tags, or give them these values; other tags stay."""
    client.request(
        "PUT",
        f"/api/instances/{instance.id}",
        body={"instance": {"addTags": tag_list(tags)}},
    )


def set_labels(client: MorpheusClient, instance: Instance, labels: Sequence[str]) -> None:
    """Replace the labels."""
    client.request(
        "PUT", f"/api/instances/{instance.id}", body={"instance": {"labels": sorted(labels)}}
    )


def reconfigure(
    client: MorpheusClient,
    instance: Instance,
    *,
    volumes: Sequence[Mapping[str, Any]],
    plan_options: Mapping[str, int],
    interfaces: Optional[Sequence[Mapping[str, Any]]] = None,
) -> None:
    """Ask for these volumes and, unless None, network cards, and for nothing else to change.

    `volumes` are all that the server shall have (`echo_volume` for those that it has): resize
    deletes, with its data, what it is not told of. `plan_options` are the server's own: what becomes of
    CPUs and memory that are not named is not documented, the plan's may come back.
    """
    body: Dict[str, Any] = {
        "instance": {"plan": {"id": instance.plan_id}},
        "volumes": list(volumes),
        **({"servicePlanOptions": dict(plan_options)} if plan_options else {}),
    }
    if interfaces is not None:
        body["networkInterfaces"] = list(interfaces)
    client.request("PUT", f"/api/instances/{instance.id}/resize", body=body)


def echo_volume(volume: Volume, size: int = 0) -> Dict[str, Any]:
    """Return a volume as resize takes it, with `size` bytes if that is more than it has.

    In whole GiB, rounded up, because it refuses to shrink.
    """
    return {
        "id": volume.id,
        "name": volume.name,
        "size": whole_gib(max(volume.size, size)),
        "sizeId": None,
        "rootVolume": volume.is_root,
        "storageType": volume.type_id,
        "datastoreId": volume.datastore_id,
        "controllerMountPoint": volume.mount_point or None,
    }


def remove_instance(
    client: MorpheusClient, instance: Instance, *, preserve_volumes: bool, force: bool
) -> None:
    """Ask to remove the instance. On and off are words in this API, not booleans."""
    query = {"preserveVolumes": "on" if preserve_volumes else "off"}
    if force:
        query["force"] = "on"
    client.remove(f"/api/instances/{instance.id}", query, once=True)


def wait_until_settled(client: MorpheusClient, instance: Instance, waiter: Waiter) -> Instance:
    """Return the instance once its status does not change by itself any more, whatever it is."""
    return waiter.until(
        lambda: get_instance(client, instance.id),
        lambda seen: not seen.is_passing,
        what=f"{instance} to settle",
        describe=describe_state,
    )


def wait_until_gone(client: MorpheusClient, instance: Instance, waiter: Waiter) -> None:
    """Return once the appliance does not know the instance any more."""
    waiter.until(
        lambda: find_instance(client, instance.id),
        lambda seen: seen is None,
        what=f"{instance} to be gone",
        describe=lambda seen: describe_state(seen) if seen else "",
    )


def refuse_failed(client: MorpheusClient, instance: Instance) -> None:
    """Raise `StateFailedError`, with all that the appliance says of it, if the instance failed."""
    if instance.status in FAILED:
        raise StateFailedError(
            f'The {instance} is "{instance.status}": {_why(client, instance)}.',
            hint="Its history on the appliance says more. Remove it when the cause is mended.",
        )


def describe_state(instance: Instance) -> str:
    """Return what to tell an operator who waits for the instance."""
    if instance.status == "pendingremoval":
        return "it is kept by a policy of delayed removal; remove it on the appliance"
    busy = " and busy" if instance.is_busy else ""
    return f'it is "{instance.status}"{busy} {instance.message}'.strip()


def _why(client: MorpheusClient, instance: Instance) -> str:
    failed = processes.find_last_failure(client, instance.id)
    reasons = [instance.message, f"{failed.kind}: {failed.said}" if failed else ""]
    return "; ".join(reason for reason in reasons if reason) or "the appliance gives no reason"
