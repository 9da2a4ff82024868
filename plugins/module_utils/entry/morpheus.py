# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Arguments of the morpheus modules, and from them to the room and back. PRIVATE to the collection.

Entry layer. What a module's options are in Ansible's words is turned here into the room's nouns;
the module's own file holds only its documentation, its specification and one call.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

from ansible.module_utils.basic import env_fallback

from ..errors import InputError
from ..morpheus import (
    creation,
    image_plan,
    image_work,
    images,
    instance_plan,
    instance_work,
    instances,
    lookups,
    machines,
    servers,
    volume_plan,
    volume_work,
    volumes,
)
from ..morpheus.client import Credentials, MorpheusClient, Password, Token
from ..morpheus.errors import NoSuchObjectError
from ..morpheus.transport import HttpsTransport
from ..morpheus.waiting import Waiter
from .run import ArgumentSpec, Outcome

Params = Mapping[str, Any]

CONNECTION = ArgumentSpec(
    options={
        "url": {"type": "str", "fallback": (env_fallback, ["MORPHEUS_URL"])},
        "token": {
            "type": "str",
            "no_log": True,
            "fallback": (env_fallback, ["MORPHEUS_TOKEN"]),
        },
        "username": {"type": "str", "fallback": (env_fallback, ["MORPHEUS_USERNAME"])},
        "password": {
            "type": "str",
            "no_log": True,
            "fallback": (env_fallback, ["MORPHEUS_PASSWORD"]),
        },
        "ca_path": {"type": "path", "fallback": (env_fallback, ["MORPHEUS_CA_PATH"])},
        "validate_certs": {"type": "bool", "default": True},
        "timeout": {"type": "int", "default": 60},
        "wait_timeout": {"type": "int", "default": 900},
    }
)


# What a new instance cannot do without; of one that exists they are not looked at.
NEEDED_TO_CREATE = (
    "cloud",
    "group",
    "instance_type",
    "layout",
    "plan",
    "volumes",
    "networks",
)


def open_client(params: Params) -> MorpheusClient:
    """Return a client of the appliance that the options name, known to be new enough.

    Raises `InputError` for options that are missing, and what talking to the appliance raises.
    """
    if not params["url"]:
        raise InputError(
            "No appliance is given.", hint="Set the option url or the variable MORPHEUS_URL."
        )
    transport = HttpsTransport(
        params["url"],
        ca_path=params["ca_path"] or "",
        verify_peer=params["validate_certs"],
        timeout=params["timeout"],
    )
    client = MorpheusClient(transport, _credentials(params))
    client.require_version()
    return client


def open_waiter(params: Params) -> Waiter:
    """Return the patience that the option `wait_timeout` asks for."""
    return Waiter(timeout=params["wait_timeout"])


def work_image(params: Params, check_mode: bool) -> Outcome:
    """Bring about a virtual image, or its absence."""
    wanted = None if params["state"] == "absent" else _wanted_image(params)
    client, waiter = open_client(params), open_waiter(params)
    seen = images.list_images(client, name=params["name"])
    plan = image_plan.plan_present(wanted, seen) if wanted else image_plan.plan_absent(seen)
    if check_mode:
        shown = seen[0].as_result() if wanted and seen and not plan.is_change else None
        return Outcome(plan.is_change, {"image": shown}, plan.diff())
    image_work.apply(client, plan, waiter)
    image = image_work.verify(client, wanted, waiter).as_result() if wanted else None
    return Outcome(plan.is_change, {"image": image}, plan.diff())


def work_volume(params: Params, check_mode: bool) -> Outcome:
    """Bring a volume to its place, away from it, or out of the world."""
    client, waiter = open_client(params), open_waiter(params)
    called = volume_work.VolumeCalled(params["id"], params["name"] or "")
    is_leaving = params["state"] == "detached"
    observe = volume_work.observe_attached if is_leaving else volume_work.observe
    seen = observe(client, called, params["instance"] or "", waiter)
    plan = _volume_plan(params, seen)
    if seen.volume is not None and plan.is_change and not check_mode:
        volume_work.apply(client, plan, waiter)
        called = volume_work.VolumeCalled(seen.volume.id)
        seen = volume_work.observe(client, called, "", waiter)
    return Outcome(plan.is_change, {"volume": seen.as_result()}, plan.diff())


def work_instance(params: Params, check_mode: bool) -> Outcome:
    """Bring about an instance, its absence, or its power state."""
    client, waiter = open_client(params), open_waiter(params)
    machine = machines.find_machine(client, params["name"])
    if machine is not None:
        machine = machines.settle(client, machine, waiter)
    plan = _instance_plan(client, params, machine)
    if not check_mode and plan.is_change:
        instance_work.apply(client, plan, waiter)
        machine = machines.find_machine(client, params["name"])
    instance = machine.as_result() if machine else None
    return Outcome(plan.is_change, {"instance": instance}, plan.diff())


def work_image_info(params: Params, _check_mode: bool) -> Outcome:
    """Return the virtual images of a name, with certain tags, or all that users made."""
    client = open_client(params)
    wanted = _tags(params).items()
    found = [
        each.as_result()
        for each in images.list_images(client, name=params["name"] or "")
        if wanted <= each.tags.items()
    ]
    return Outcome(False, {"images": found})


def work_instance_info(params: Params, _check_mode: bool) -> Outcome:
    """Return the instances of a name, with certain tags, or all."""
    client, waiter = open_client(params), open_waiter(params)
    wanted = _tags(params).items()
    found = [
        machines.with_server(client, each)
        for each in instances.list_instances(client, name=params["name"] or "")
        if wanted <= each.tags.items()
    ]
    if params["settled"]:
        found = [machines.settle(client, each, waiter) for each in found]
    return Outcome(False, {"instances": [each.as_result() for each in found]})


def work_volume_info(params: Params, _check_mode: bool) -> Outcome:
    """Return the volumes with an id or of a name, or all, and who has them."""
    client = open_client(params)
    if params["id"] is None:
        found = volumes.list_volumes(client, name=params["name"] or "")
    else:
        volume = volumes.find_volume(client, params["id"])
        found = [volume] if volume else []
    holders = {
        volume.id: server for server in servers.list_servers(client) for volume in server.volumes
    }
    return Outcome(False, {"volumes": [_held_volume(each, holders.get(each.id)) for each in found]})


def _wanted_image(params: Params) -> image_plan.WantedImage:
    length, digest = image_work.measure(params["path"])
    return image_plan.WantedImage(
        name=params["name"],
        kind=params["image_type"],
        path=params["path"],
        length=length,
        digest=digest,
        min_disk=params["min_disk"],
        is_uefi=params["uefi"],
        tags=_tags(params),
        labels=tuple(params["labels"] or ()),
    )


def _volume_plan(params: Params, seen: volume_plan.VolumeSeen) -> volume_plan.VolumePlan:
    if params["state"] == "attached":
        return volume_plan.plan_attached(seen, volume_plan.Place(params["root"], params["unit"]))
    if params["state"] == "detached":
        return volume_plan.plan_detached(seen)
    return volume_plan.plan_absent(seen)


def _instance_plan(
    client: MorpheusClient, params: Params, machine: Optional[machines.Machine]
) -> instance_plan.InstancePlan:
    state = params["state"]
    if state == "absent":
        return instance_plan.plan_absent(
            machine, preserve_volumes=params["preserve_volumes"], force=params["force"]
        )
    if state == "present":
        return _present_plan(client, params, machine)
    if machine is None:
        raise NoSuchObjectError(
            f'There is no instance "{params["name"]}" to be {state}.',
            hint="Check the name, or create it first (state: present).",
        )
    plan = instance_plan.plan_started if state == "started" else instance_plan.plan_stopped
    return plan(machine)


def _present_plan(
    client: MorpheusClient, params: Params, machine: Optional[machines.Machine]
) -> instance_plan.InstancePlan:
    marks = instance_plan.WantedMarks(_tags(params), tuple(params["labels"] or ()))
    if machine is None:
        return instance_plan.plan_created(creation.resolve(client, _profile(params)), marks)
    networks = params["networks"]
    cloud = lookups.Named(machine.instance.cloud_id or 0, machine.instance.cloud)
    return instance_plan.plan_present(
        machine,
        marks,
        None if networks is None else creation.resolve_interfaces(client, _wires(params), cloud),
    )


def _profile(params: Params) -> creation.Profile:
    missing = [key for key in NEEDED_TO_CREATE if not params[key]]
    if missing:
        raise InputError(
            f'Instance "{params["name"]}" does not exist, and to create it these options are'
            f" missing: {', '.join(missing)}.",
            hint="Give them, or check the name if it should exist.",
        )
    return creation.Profile(
        name=params["name"],
        **{key: params[key] for key in ("cloud", "group", "instance_type", "layout", "plan")},
        cluster=params["cluster"] or "",
        resource_pool=params["resource_pool"] or "",
        image=params["image"] or "",
        volumes=creation.by_unit([_wanted_volume(each) for each in params["volumes"]]),
        networks=tuple(_wires(params)),
        is_powered_off=params["powered_off"],
    )


def _wanted_volume(volume: Params) -> creation.WantedVolume:
    return creation.WantedVolume(
        name=volume["name"],
        size=volume["size"],
        is_root=volume["root"],
        datastore=volume["datastore"] or "",
        unit=volume["unit"],
    )


def _wires(params: Params) -> List[Dict[str, str]]:
    return [
        {"network": each["network"], "mac": each["mac"] or ""} for each in params["networks"] or ()
    ]


def _tags(params: Params) -> Dict[str, str]:
    """Return the tags as text: numbers and booleans of a playbook have no type on the appliance."""
    return {str(name): str(value) for name, value in (params["tags"] or {}).items()}


def _held_volume(volume: volumes.Volume, server: Optional[servers.Server]) -> Dict[str, Any]:
    return {
        **volume.as_result(),
        "status": volume.status,
        "instance": server.instance_name if server else None,
        "server_id": server.id if server else None,
    }


def _credentials(params: Params) -> Credentials:
    if params["token"]:
        return Token(params["token"])
    if params["username"] and params["password"]:
        return Password(params["username"], params["password"])
    raise InputError(
        f"No credentials are given for the appliance {params['url']}.",
        hint="Set token, or username and password (or MORPHEUS_TOKEN, or MORPHEUS_USERNAME and"
        " MORPHEUS_PASSWORD).",
    )
