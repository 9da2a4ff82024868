# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The checks of the profile, by which a target is made and its volumes grow. PRIVATE to the collection. Pure."""

from __future__ import annotations

from typing import Iterator

from ..errors import InputError
from .findings import ERROR, NOTE, WARNING, Finding, Observed
from .profile import choose_size, find_offered, network_of


def plan_is_offered(observed: Observed) -> Iterator[Finding]:
    """Only a target that is to be made needs a plan."""
    if observed.instance is not None or observed.offer is None:
        return
    try:
        size = choose_size(observed.source, observed.profile, observed.offer["plans"])
    except InputError as error:
        yield Finding("no_plan_fits", ERROR, observed.workload, error.what, error.hint)
    else:
        text = f"The target is made by {size.tell()}."
        yield Finding("target_is_made", NOTE, observed.workload, text)


def places_are_offered(observed: Observed) -> Iterator[Finding]:
    """Datastores and networks are looked up by name; those of a cutover too, long before it."""
    if observed.offer is None:
        return
    wishes = observed.profile.wishes
    networks = [observed.migration_network, observed.guest_network]
    wanted = {
        "datastore": [wishes.datastore, *wishes.datastores.values()],
        "network": [*networks, *observed.profile.network_map.values()],
    }
    for kind, names in wanted.items():
        for name in dict.fromkeys(names):
            try:
                find_offered(kind, name, observed.offer[f"{kind}s"])
            except InputError as error:
                yield Finding(f"{kind}_unknown", ERROR, observed.workload, error.what, error.hint)


def networks_are_mapped(observed: Observed) -> Iterator[Finding]:
    """A map that names some of the networks, and not one of the source's cards, is a map with a slip."""
    mapped = observed.profile.network_map
    cards = [each for each in observed.source["interfaces"] if each["is_physical"]]
    left = [network_of(each) for each in cards if network_of(each) not in mapped]
    if mapped and left:
        yield Finding(
            "network_not_mapped",
            WARNING,
            observed.workload,
            f"ferry_network_map has no network for {', '.join(left)} of the source; it has {', '.join(mapped)}.",
            "Add it, or accept the code: at cutover such a card has its MAC and no network.",
        )
