# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""A target instance from what its source is and what the operator wishes. PRIVATE to the collection. Pure.

    source (facts) + profile (the operator) + offer (the appliance)  -->  Target

What the operator names is taken; what is left out follows the source. Nothing that the appliance does not
offer is asked of it, so that a wrong name is found before anything was made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Sequence

from ..errors import InputError
from ..units import show_exact_size
from .pairing import fixed_disks, volumes_for_disks
from .volume_changes import Wishes

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Profile:
    """What the operator said. `memory` in bytes; `network_map` is from the source's networks to the target's."""

    plan: str = ""
    cpus: Optional[int] = None
    memory: Optional[int] = None
    network_map: Mapping[str, str] = field(default_factory=dict)
    only_disks: Sequence[str] = ()
    wishes: Wishes = field(default_factory=Wishes)


@dataclass(frozen=True)
class Size:
    """A plan, by its number, and CPUs and memory of the instance's own; None for the plan's."""

    plan: int
    plan_name: str
    cpus: Optional[int] = None
    memory: Optional[int] = None

    def tell(self) -> str:
        """Return the size for an operator."""
        cpus = f"{self.cpus} CPUs" if self.cpus else "its CPUs"
        memory = show_exact_size(self.memory) if self.memory else "its memory"
        return f"plan {self.plan_name} with {cpus} and {memory}"


def target_options(source: Mapping[str, Any], profile: Profile, offer: Entry) -> dict[str, Any]:
    """Return the options of `morpheus_instance` that make the target of this source.

    Raises InputError where the appliance offers no such thing, and where no disk is left to carry.
    """
    size = choose_size(source, profile, offer["plans"])
    disks = fixed_disks(source["disks"], profile.only_disks)
    wishes = profile.wishes
    volumes = volumes_for_disks(disks, datastore=wishes.datastore)
    volumes = [{**each, "datastore": wishes.datastore_of(each["name"])} for each in volumes]
    for volume in volumes:
        find_offered("datastore", volume["datastore"], offer["datastores"])
    own = {"cpus": size.cpus, "memory": size.memory}
    return {
        "plan": str(size.plan),
        "volumes": volumes,
        **{name: value for name, value in own.items() if value},
    }


def choose_size(source: Mapping[str, Any], profile: Profile, plans: Sequence[Entry]) -> Size:
    """Return the plan for the target, and what it has of its own.

    A plan that is named is taken with its own CPUs and memory, unless the profile has other ones. Else the
    one that fits the source (or the profile) best: nothing is ever smaller, and of what is as large as asked a
    fixed plan is preferred. Raises InputError where no plan will do.
    """
    if profile.plan:
        return _named_size(profile, find_offered("plan", profile.plan, plans))
    cpus = int(profile.cpus or source["cpus"])
    memory = int(profile.memory or source["memory"])
    fitting = [each for each in plans if _fits(each, cpus, memory)]
    if not fitting:
        raise InputError(
            f"No plan has {cpus} CPUs and {show_exact_size(memory)} of memory, or lets an instance have its own:"
            f" there are {_listed(plans)}.",
            hint="Name a plan in ferry_plan, or less in ferry_cpus and ferry_memory.",
        )
    best = min(fitting, key=lambda each: _excess(each, cpus, memory))
    return Size(
        plan=best["id"],
        plan_name=best["name"],
        cpus=cpus if best["own_cpus"] else None,
        memory=memory if best["own_memory"] else None,
    )


def find_offered(kind: str, wanted: str, offered: Sequence[Entry]) -> Entry:
    """Return the entry with this name, else code, else id (C(network-22) is the network 22).

    Raises InputError that names what there is.
    """
    for key in ("name", "code", "id"):
        name = wanted[len(kind) + 1 :] if key == "id" and wanted.startswith(f"{kind}-") else wanted
        found = [each for each in offered if str(each[key]) == name]
        if found:
            return found[0]
    raise InputError(
        f"The appliance offers no {kind} {wanted}: there are {_listed(offered)}.",
        hint="Correct the name; what this user may not see is not there either.",
    )


def cutover_cards(interfaces: Sequence[Entry], network_map: Mapping[str, str]) -> str:
    """Return what the target's network cards are at cutover, as one line for a tag: public facts.

    For each hardware card of the source, in its order, the MAC and, where the card's network is mapped, the
    target's: "00:50:56:01:02:03 production, 00:50:56:01:02:04".
    """
    cards = [each for each in interfaces if each["is_physical"]]
    pairs = ((each["mac"], network_map.get(network_of(each), "")) for each in cards)
    return ", ".join(f"{mac} {network}".strip() for mac, network in pairs)


def network_of(interface: Entry) -> str:
    """Return what a card's network is called: a VM's by its vCenter, a server's after the interface."""
    return str(interface.get("network") or interface["name"])


def _named_size(profile: Profile, plan: Entry) -> Size:
    for what, wanted, own in (
        ("CPUs", profile.cpus, "own_cpus"),
        ("memory", profile.memory, "own_memory"),
    ):
        if wanted and not plan[own]:
            raise InputError(
                f"Plan {plan['name']} does not let an instance have its own {what}, and {wanted} is wanted.",
                hint="Leave out ferry_cpus and ferry_memory, or name another plan, or none, in ferry_plan.",
            )
    return Size(plan["id"], plan["name"], profile.cpus, profile.memory)


def _fits(plan: Entry, cpus: int, memory: int) -> bool:
    has_cpus = plan["own_cpus"] or plan["cpus"] >= cpus
    has_memory = plan["own_memory"] or plan["memory"] >= memory
    return bool(has_cpus and has_memory)


def _excess(plan: Entry, cpus: int, memory: int) -> tuple[int, int, bool, str]:
    return (
        0 if plan["own_memory"] else plan["memory"] - memory,
        0 if plan["own_cpus"] else plan["cpus"] - cpus,
        plan["own_cpus"] or plan["own_memory"],
        str(plan["name"]),
    )


def _listed(offered: Sequence[Entry]) -> str:
    return ", ".join(sorted(str(each["name"]) for each in offered)) or "none"
