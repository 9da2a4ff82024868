# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""From the options of morpheus_instance to instances and back. PRIVATE to the collection."""

from __future__ import annotations

from typing import Dict, List, Optional

from ..errors import InputError
from ..morpheus import creation, instance_plan, instance_work, lookups, machines
from ..morpheus.client import MorpheusClient
from ..morpheus.errors import NoSuchObjectError
from .appliance import Params, open_client, open_waiter, read_tags
from .run import Outcome

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
    marks = instance_plan.WantedMarks(read_tags(params), tuple(params["labels"] or ()))
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
        cpus=params["cpus"],
        memory=params["memory"],
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
