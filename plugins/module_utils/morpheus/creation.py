# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""How a new instance is described: in the operator's names, and in the API's numbers. PRIVATE.

Profile (names)  -- resolve: look-ups, changes nothing -->  Creation (ids)  -->  request
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..errors import InputError
from ..units import show_exact_size
from . import lookups
from .client import MorpheusClient
from .errors import AmbiguousNameError, NoSuchObjectError
from .images import Image, list_images
from .lookups import Named
from .parse import tag_list
from .volumes import whole_gib

# A pool group is a name of its own to the API and stands in no list of pools.
POOL_GROUP = "poolGroup-"

# The type "standard" has id 1 on every appliance (vendor's API description, storage-volume-types).
STANDARD_VOLUME_TYPE = 1


@dataclass(frozen=True)
class WantedVolume:
    """A volume of a new instance. `size` in bytes; the appliance gets whole GiB, rounded up."""

    name: str
    size: int
    is_root: bool = False
    datastore: str = ""
    unit: Optional[int] = None


@dataclass(frozen=True)
class WantedInterface:
    """A network card. `mac` in lower case, "" for one that the appliance chooses."""

    network_id: int
    network: str
    mac: str = ""


@dataclass(frozen=True)
class Profile:
    """A new instance as the operator describes it: everything by name, code or id."""

    name: str
    cloud: str
    group: str
    instance_type: str
    layout: str
    plan: str
    volumes: Tuple[WantedVolume, ...]
    networks: Tuple[Mapping[str, str], ...]
    cluster: str = ""
    resource_pool: str = ""
    image: str = ""
    is_powered_off: bool = True
    # Its own instead of the plan's, where the plan allows that; memory in bytes.
    cpus: Optional[int] = None
    memory: Optional[int] = None


@dataclass(frozen=True)
class Creation:
    """A new instance with every name resolved. `pool_id` is as the API wants it: "pool-5"."""

    profile: Profile
    cloud: Named
    group: Named
    instance_type: Named
    layout: Named
    plan: Named
    pool_id: str
    image: Optional[Image]
    datastore_ids: Tuple[Optional[int], ...]
    interfaces: Tuple[WantedInterface, ...]

    def as_request(self, tags: Mapping[str, str], labels: Sequence[str]) -> Dict[str, Any]:
        """Return the body of the request that makes it."""
        request = {
            "zoneId": self.cloud.id,
            "instance": {
                "name": self.profile.name,
                "site": {"id": self.group.id},
                "instanceType": {"code": self.instance_type.code},
                "layout": {"id": self.layout.id},
                "plan": {"id": self.plan.id},
            },
            "config": self._config(),
            "volumes": [
                volume_request(*pair) for pair in zip(self.profile.volumes, self.datastore_ids)
            ],
            "networkInterfaces": [interface_request(each) for each in self.interfaces],
            "tags": tag_list(tags),
            "labels": sorted(labels),
        }
        options = self._plan_options()
        return {**request, "servicePlanOptions": options} if options else request

    def as_state(self) -> Dict[str, Any]:
        """Return what a diff shows."""
        return {
            "name": self.profile.name,
            "cloud": self.cloud.name,
            "group": self.group.name,
            "instance_type": self.instance_type.name,
            "layout": self.layout.name,
            "plan": self.plan.name,
            "cpus": self.profile.cpus or "the plan's",
            "memory": show_exact_size(self.profile.memory) if self.profile.memory else "the plan's",
            "image": self.image.name if self.image else None,
            "volumes": [
                {"name": each.name, "size": show_exact_size(each.size), "root": each.is_root}
                for each in self.profile.volumes
            ],
            "networks": [
                {"network": each.network, "mac": each.mac or "chosen by the appliance"}
                for each in self.interfaces
            ],
            "power_state": "off" if self.profile.is_powered_off else "on",
        }

    def _plan_options(self) -> Dict[str, int]:
        wanted = {"maxCores": self.profile.cpus, "maxMemory": self.profile.memory}
        return {name: value for name, value in wanted.items() if value}

    def _config(self) -> Dict[str, Any]:
        config: Dict[str, Any] = {
            "resourcePoolId": self.pool_id,
            "poolProviderType": lookups.HVM_POOL_PROVIDER,
            "noAgent": True,
            "createUser": False,
            "nestedVirtualization": "off",
            "provisionPoweredOff": self.profile.is_powered_off,
        }
        # The vendor's Terraform provider sends it; the API description of HVM instances lacks it.
        return {**config, "imageId": self.image.id} if self.image else config


def by_unit(volumes: Sequence[WantedVolume]) -> Tuple[WantedVolume, ...]:
    """Return the volumes in the order of their units, those without one last, else as given.

    The appliance numbers units in the order of the request; naming a unit would need the number of
    a controller that does not exist yet.
    """
    return tuple(sorted(volumes, key=lambda each: (each.unit is None, each.unit or 0)))


def resolve(client: MorpheusClient, profile: Profile) -> Creation:
    """Return the profile with every name looked up. Raises what a name is wrong with."""
    _check_volumes(profile)
    cloud = lookups.find_cloud(client, profile.cloud)
    group = lookups.find_group(client, profile.group)
    cluster = lookups.find_cluster(client, profile.cluster, cloud) if profile.cluster else None
    instance_type = lookups.find_instance_type(client, profile.instance_type)
    layout = lookups.find_layout(client, profile.layout, instance_type)
    return Creation(
        profile=profile,
        cloud=cloud,
        group=group,
        instance_type=instance_type,
        layout=layout,
        plan=lookups.find_plan(client, profile.plan, cloud=cloud, layout=layout, group=group),
        pool_id=_find_pool_id(client, profile, cloud=cloud, layout=layout),
        image=_find_image(client, profile.image) if profile.image else None,
        datastore_ids=tuple(
            lookups.find_datastore(client, each.datastore, cloud=cloud, cluster=cluster).id
            if each.datastore
            else None
            for each in profile.volumes
        ),
        interfaces=tuple(resolve_interfaces(client, profile.networks, cloud)),
    )


def resolve_interfaces(
    client: MorpheusClient, networks: Sequence[Mapping[str, str]], cloud: Named
) -> List[WantedInterface]:
    """Return the wanted network cards with their networks looked up in this cloud."""
    found = (lookups.find_network(client, each["network"], cloud) for each in networks)
    return [
        WantedInterface(network.id, network.name, each.get("mac", "").lower())
        for network, each in zip(found, networks)
    ]


def interface_request(
    wanted: WantedInterface, *, interface_id: Optional[int] = None, mac: str = ""
) -> Dict[str, Any]:
    """Return a network card as create and resize take it; `mac` is used where none is wanted."""
    request: Dict[str, Any] = {"network": {"id": f"network-{wanted.network_id}"}}
    if interface_id is not None:
        request["id"] = interface_id
    if wanted.mac or mac:
        request["macAddress"] = wanted.mac or mac
    return request


def volume_request(volume: WantedVolume, datastore_id: Optional[int]) -> Dict[str, Any]:
    """Return a new volume as create and resize take it; without a datastore the appliance chooses."""
    return {
        "id": -1,
        "name": volume.name,
        "rootVolume": volume.is_root,
        "size": whole_gib(volume.size),
        "sizeId": None,
        "storageType": STANDARD_VOLUME_TYPE,
        "datastoreId": "auto" if datastore_id is None else datastore_id,
    }


def _find_pool_id(client: MorpheusClient, profile: Profile, *, cloud: Named, layout: Named) -> str:
    """Return the pool's id; a cluster's pool has the cluster's name."""
    if profile.resource_pool.startswith(POOL_GROUP):
        return profile.resource_pool
    wanted = profile.resource_pool or profile.cluster
    if not wanted:
        raise InputError(
            f'Instance "{profile.name}" has neither cluster nor resource_pool.',
            hint="Give the HVM cluster that it shall run on.",
        )
    return f"pool-{lookups.find_pool(client, wanted, cloud=cloud, layout=layout).id}"


def _find_image(client: MorpheusClient, name: str) -> Image:
    found = list_images(client, name=name)
    if not found:
        raise NoSuchObjectError(
            f'There is no virtual image "{name}".', hint="Upload it first (morpheus_image)."
        )
    if len(found) > 1:
        raise AmbiguousNameError(
            f'{len(found)} virtual images are called "{name}"'
            f" (ids {', '.join(str(each.id) for each in found)}).",
            hint="Remove all but one.",
        )
    return found[0]


def _check_volumes(profile: Profile) -> None:
    roots = [each.name for each in profile.volumes if each.is_root]
    if len(roots) != 1:
        raise InputError(
            f'Instance "{profile.name}" shall have {len(roots)} root volumes'
            f" ({', '.join(roots) or 'none'}), it needs exactly one.",
            hint="Set root: true on the one that it boots from.",
        )
    names = [each.name for each in profile.volumes]
    if len(set(names)) != len(names):
        raise InputError(
            f'Instance "{profile.name}" shall have volumes of the same name: {", ".join(names)}.',
            hint="Give each its own name.",
        )
