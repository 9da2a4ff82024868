# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces in each kind of configuration: phony files before and after, and any bytes at all.

The files are in the form that each family's installer writes; no such guest was at hand to take
them from (docs/guests.md).
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest.changes import EditFile
from ansible_collections.ferry.hvm.plugins.module_utils.guest.cloud_init import network_stays
from ansible_collections.ferry.hvm.plugins.module_utils.guest.errors import PlanError
from ansible_collections.ferry.hvm.plugins.module_utils.guest.facts import GuestFacts
from ansible_collections.ferry.hvm.plugins.module_utils.guest.network import Interface
from ansible_collections.ferry.hvm.plugins.module_utils.guest.nic_kinds import kind_of
from ansible_collections.ferry.hvm.plugins.module_utils.guest.plan import make_plan
from ansible_collections.ferry.hvm.plugins.module_utils.guest.rules import Options
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.guest.guest_samples import SDA1, guest

OLD, NEW = "00:50:56:aa:bb:01", "52:54:00:12:34:56"
MACS = (OLD, NEW)
UNNAMED = Options(interfaces=(Interface(None, MACS),))
CLOUD = "/etc/cloud/cloud.cfg"
DISABLED = "/etc/cloud/cloud.cfg.d/99-disable-network-config.cfg"


class Golden(NamedTuple):
    """A file of a guest, and what it is once the interface `name` has two MACs."""

    path: str
    name: str
    before: str
    after: str


GOLDEN = {
    "netplan of Ubuntu 22.04, as its cloud-init writes it": Golden(
        "/etc/netplan/50-cloud-init.yaml",
        "ens192",
        """# kept comment
network:
    ethernets:
        lan:
            addresses: [192.0.2.5/24]   # static
            match:
                macaddress: '00:50:56:AA:BB:01'  # by hand
            set-name: ens192
            macaddress: 00:50:56:aa:bb:01
    version: 2
""",
        """# kept comment
network:
    ethernets:
        lan:
            addresses: [192.0.2.5/24]   # static
            match:
                name: ens192  # by hand
            set-name: ens192
            macaddress: 00:50:56:aa:bb:01
    version: 2
""",
    ),
    "netplan in braces": Golden(
        "/etc/netplan/01.yaml",
        "lan0",
        f"network:\n  ethernets:\n    x:\n      match: {{macaddress: {OLD}}}\n      set-name: lan0",
        "network:\n  ethernets:\n    x:\n      match: {name: lan0}\n      set-name: lan0",
    ),
    "netplan that matches the name too": Golden(
        "/etc/netplan/01.yaml",
        "lan0",
        f"network:\n  ethernets:\n    x:\n      set-name: lan0\n      match:\n"
        f"        macaddress: {OLD}\n        name: lan0\n",
        "network:\n  ethernets:\n    x:\n      set-name: lan0\n      match:\n        name: lan0\n",
    ),
    "ifcfg of RHEL 7": Golden(
        "/etc/sysconfig/network-scripts/ifcfg-ens192",
        "ens192",
        f'# office\nTYPE=Ethernet\nHWADDR="{OLD.upper()}"\nDEVICE=ens192\nIPADDR=192.0.2.5\n#HWADDR={OLD}\n',
        f"# office\nTYPE=Ethernet\nDEVICE=ens192\nIPADDR=192.0.2.5\n#HWADDR={OLD}\n",
    ),
    "ifcfg of SLES 15 is bound by the file's name": Golden(
        "/etc/sysconfig/network/ifcfg-eth0",
        "eth0",
        "BOOTPROTO='static'\nIPADDR='192.0.2.5/24'\nSTARTMODE='auto'\n",
        "BOOTPROTO='static'\nIPADDR='192.0.2.5/24'\nSTARTMODE='auto'\n",
    ),
    "keyfile of RHEL 9": Golden(
        "/etc/NetworkManager/system-connections/office.nmconnection",
        "ens192",
        f"[connection]\nid=office\ninterface-name=ens192\n\n[ethernet]\nmac-address={OLD.upper()}\n"
        f"cloned-mac-address={OLD}\n\n[ipv4]\naddress1=192.0.2.5/24,192.0.2.1\nmethod=manual\n",
        f"[connection]\nid=office\ninterface-name=ens192\n\n[ethernet]\n"
        f"cloned-mac-address={OLD}\n\n[ipv4]\naddress1=192.0.2.5/24,192.0.2.1\nmethod=manual\n",
    ),
    "networkd, with more than one MAC": Golden(
        "/etc/systemd/network/10-lan.network",
        "lan0",
        f"[Link]\nMACAddress={OLD}\n[Match]\nName=lan0\nMACAddress={OLD.upper()} 02:00:00:00:00:01 \n"
        "; static\n[Network]\nAddress=192.0.2.5/24\n",
        f"[Link]\nMACAddress={OLD}\n[Match]\nName=lan0\nMACAddress={OLD.upper()} 02:00:00:00:00:01 {NEW} \n"
        "; static\n[Network]\nAddress=192.0.2.5/24\n",
    ),
}
UNNAMED_FILES = {
    "/etc/sysconfig/network-scripts/ifcfg-Wired_connection_1": (
        f"TYPE=Ethernet\nHWADDR={OLD}\nONBOOT=yes\n",
        "TYPE=Ethernet\nDEVICE=ens192\nONBOOT=yes\n",
    ),
    "/etc/NetworkManager/system-connections/Wired 1": (
        f"[connection]\nid=Wired 1\n[802-3-ethernet]\nmac-address={OLD}\n",
        "[connection]\ninterface-name=ens192\nid=Wired 1\n[802-3-ethernet]\n",
    ),
    "/etc/netplan/x.yaml": (
        f"network:\n  ethernets:\n    x:\n      match:\n        macaddress: {OLD}\n",
        "network:\n  ethernets:\n    x:\n      match:\n        name: ens192\n",
    ),
}


def with_files(files: dict[str, str]) -> GuestFacts:
    """Return a guest without ifupdown's file, with these."""
    return guest(files={"/etc/network/interfaces": "", **files})


def edits(facts: GuestFacts, options: Options = UNNAMED) -> dict[str, str]:
    return {c.path: c.after for c in make_plan(facts, options).changes if isinstance(c, EditFile)}


@pytest.mark.parametrize("golden", GOLDEN.values(), ids=GOLDEN)
def test_libguestfs_363_a_static_address_stays_with_the_new_mac(golden: Golden) -> None:
    # virt-v2v #99, libguestfs #363, proxcenter-ui #554; vjailbreak PR 2160 and forklift PR 8144:
    # MACs in upper case. The interface's name is found in the file itself.
    link = f"[Match]\nMACAddress={OLD} {NEW}\n\n[Link]\nName={golden.name}\n"
    changed = {} if golden.before == golden.after else {golden.path: golden.after}
    assert edits(with_files({golden.path: golden.before})) == {
        f"/etc/systemd/network/10-{golden.name}.link": link,
        **changed,
    }


@pytest.mark.parametrize("golden", GOLDEN.values(), ids=GOLDEN)
def test_a_file_that_is_right_is_left(golden: Golden) -> None:
    kind = kind_of(golden.path)
    assert kind is not None
    assert kind.rebind(golden.after, golden.name, MACS) == golden.after
    other = ("02:00:00:00:00:08", "02:00:00:00:00:09")
    assert kind.rebind(golden.before, golden.name, other) == golden.before


@pytest.mark.parametrize("path", UNNAMED_FILES)
def test_a_file_that_tells_no_name_gets_the_one_that_was_given(path: str) -> None:
    before, after = UNNAMED_FILES[path]
    facts = with_files({path: before})
    with pytest.raises(PlanError, match="give its name"):
        edits(facts)
    assert edits(facts, Options(interfaces=(Interface("ens192", MACS),)))[path] == after


def test_a_kept_mac_changes_no_binding() -> None:
    for golden in GOLDEN.values():
        kept = Options(interfaces=(Interface(golden.name, (OLD,)),))
        assert golden.path not in edits(with_files({golden.path: golden.before}), kept)


def test_two_interfaces_in_one_file_are_both_bound_anew() -> None:
    text = "network:\n  ethernets:\n"
    for name, mac in (("lan0", OLD), ("lan1", "00:50:56:aa:bb:02")):
        text += f"    {name}:\n      match:\n        macaddress: {mac}\n      set-name: {name}\n"
    second = Interface(None, ("00:50:56:aa:bb:02", "52:54:00:12:34:57"))
    changed = edits(
        with_files({"/etc/netplan/x.yaml": text}),
        Options(interfaces=(*UNNAMED.interfaces, second)),
    )
    assert "macaddress" not in changed["/etc/netplan/x.yaml"]
    assert "name: lan0\n      set-name: lan0" in changed["/etc/netplan/x.yaml"]
    assert "name: lan1\n      set-name: lan1" in changed["/etc/netplan/x.yaml"]


SECOND = "00:50:56:aa:bb:02"
TWO_CARDS = Options(interfaces=(Interface("ens192", MACS), Interface("ens224", (SECOND,))))


def test_a_card_that_the_target_gets_at_cutover_keeps_its_name_too() -> None:
    # OS based: before, only the first card was handled, and ens224 came up under another name.
    second = f"[Match]\nMACAddress={SECOND}\n\n[Link]\nName=ens224\n"
    assert edits(guest(), TWO_CARDS)["/etc/systemd/network/10-ens224.link"] == second


def test_an_unused_first_card_does_not_get_the_name_of_the_second() -> None:
    # VM based: the address of ens224, on the production network, went to the first card.
    facts = guest(files={"/etc/network/interfaces": "iface ens224 inet static\n"})
    both = (Interface(None, MACS), Interface(None, (SECOND,)))
    with pytest.raises(PlanError, match="ferry_interface_names") as caught:
        edits(facts, Options(interfaces=both))
    assert len(caught.value.findings) == 2


def profile(kind: str, name: str) -> dict[str, str]:
    path = f"/etc/NetworkManager/system-connections/{name}.nmconnection"
    return {path: f"[connection]\nid={name}\ntype={kind}\ninterface-name={name}\n"}


def ifcfg(name: str, *lines: str, folder: str = "network-scripts") -> dict[str, str]:
    return {f"/etc/sysconfig/{folder}/ifcfg-{name}": "\n".join((f"DEVICE={name}", *lines, ""))}


def stanza(name: str, *options: str, method: str = "static") -> dict[str, str]:
    text = "\n    ".join((f"auto {name}\niface {name} inet {method}", *options))
    return {"/etc/network/interfaces": f"{text}\nauto lo\niface lo inet loopback\n"}


def suse(name: str, *lines: str) -> dict[str, str]:
    return ifcfg(name, *lines, folder="network")


UPPER = {
    "a bond of Debian": stanza("bond0", "autoconf 1", "bond-slaves ens192 ens224"),
    "a bond whose members name it": stanza("bond0", "bond-mode active-backup"),
    "a bridge of Debian": stanza("br0", "bridge_ports ens192"),
    "a VLAN of Debian": stanza("vlan100", "vlan-raw-device ens192"),
    "a VLAN by its dot": stanza("ens192.100"),
    "a tunnel of Debian": stanza("tun0", method="tunnel"),
    "a bond of NetworkManager": profile("bond", "bond0"),
    "a VLAN of NetworkManager": profile("vlan", "vlan100"),
    "a bridge of NetworkManager": profile("bridge", "br0"),
    "a tunnel of NetworkManager": profile("ip-tunnel", "tun0"),
    "a bond of Red Hat": ifcfg("bond0", "BONDING_OPTS='mode=1'"),
    "a bridge of Red Hat": ifcfg("br0", "TYPE=Bridge"),
    "a team of Red Hat": ifcfg("team0", "DEVICETYPE=Team"),
    "a VLAN of Red Hat": ifcfg("vlan100", "VLAN=yes"),
    "a bond of SUSE": suse("bond0", "BONDING_MASTER='yes'"),
    "a bridge of SUSE": suse("br0", "BRIDGE='yes'"),
    "a VLAN of SUSE": suse("vlan100", "ETHERDEVICE='eth0'"),
    "a tunnel of SUSE": suse("tun0", "TUNNEL='sit'"),
    "a bond of networkd": {
        "/etc/systemd/network/bond0.netdev": "[NetDev]\nName=bond0\nKind=bond\n",
        "/etc/systemd/network/bond0.network": "[Match]\nName=bond0\n",
    },
}
CARD = {
    "Debian, a bond's member": stanza("ens192", "bond-master bond0", "bond-primary ens192"),
    "NetworkManager": profile("ethernet", "ens192"),
    "Red Hat, a bridge's port": ifcfg("ens192", "TYPE=Ethernet", "BRIDGE=br0", "VLAN=no"),
    "Red Hat, a team's port": ifcfg("ens192", "DEVICETYPE=TeamPort"),
    "SUSE": suse("ens192", "ETHERDEVICE=''", "STARTMODE='auto'"),
}


@pytest.mark.parametrize("files", UPPER.values(), ids=UPPER)
def test_a_card_is_not_called_as_what_stands_on_cards(files: dict[str, str]) -> None:
    with pytest.raises(PlanError, match="give its name"):
        edits(with_files(files))


@pytest.mark.parametrize("card", CARD.values(), ids=CARD)
def test_the_only_card_has_its_name_beside_what_stands_on_it(card: dict[str, str]) -> None:
    # VM based, RHEL 9 with one card and a VLAN was refused.
    files: dict[str, str] = {}
    for each in (card, *UPPER.values()):
        for path, text in each.items():
            files[path] = files.get(path, "") + text
    assert "/etc/systemd/network/10-ens192.link" in edits(with_files(files))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({CLOUD: "users: []\n"}, [DISABLED], id="it would write the network"),
        pytest.param({CLOUD: "", DISABLED: "network: {config: disabled}\n"}, [], id="told already"),
        pytest.param({CLOUD: "network:\n  config: disabled\n"}, [], id="told in its first file"),
        pytest.param({CLOUD: "", DISABLED: "#network: {config: disabled}\n"}, [DISABLED], id="#"),
        pytest.param({}, [], id="no cloud-init"),
    ],
)
def test_cloud_init_does_not_undo_the_network(files: dict[str, str], expected: list[str]) -> None:
    changes = [c for c in network_stays(guest(files=files), UNNAMED) if isinstance(c, EditFile)]
    assert [change.path for change in changes] == expected
    assert list(network_stays(guest(files=files), Options())) == []


def test_a_boot_loader_entry_names_the_root_by_uuid() -> None:
    path = "/boot/loader/entries/0123-5.14.0-1.el9.conf"
    entry = "title RHEL\nlinux /vmlinuz\noptions root=/dev/sda1 ro\tquiet $tuned_params\n"
    changed = edits(guest(files={path: entry}), Options())
    assert changed == {path: entry.replace("/dev/sda1", f"UUID={SDA1.uuid}")}


PIECES = st.sampled_from(
    [
        *(golden.before for golden in GOLDEN.values()),
        *("[connection]", "[Match]", "[ethernet]", "match:", "  match:", "ethernets:", "\t", ""),
        *(f"HWADDR={OLD}", f"  macaddress: {OLD}", f"match: {{macaddress: {OLD}}}", "set-name: "),
        *(
            f"mac-address='{OLD}",
            f"MACAddress={OLD}",
            "#x",
            "DEVICE=",
            "Name=a*",
            "- x: y",
            "\udcff",
        ),
    ]
)
TEXTS = st.one_of(
    st.lists(PIECES, max_size=8).map("\n".join),
    st.binary(max_size=200).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
)
PATHS = st.sampled_from(
    sorted(
        {
            *(golden.path for golden in GOLDEN.values()),
            *UNNAMED_FILES,
            *("/etc/fstab", "/etc/crypttab", "/etc/default/grub", "/boot/grub/grub.cfg", CLOUD),
            *("/etc/network/interfaces", "/boot/loader/entries/a.conf", DISABLED),
        }
    )
)


@settings(max_examples=200)
@given(st.dictionaries(PATHS, TEXTS, max_size=6))
def test_random_trees_are_planned_or_refused_and_only_bindings_change(
    files: dict[str, str],
) -> None:
    facts = guest(files=files)
    try:
        changes = make_plan(facts, Options(interfaces=(Interface("ens192", MACS),))).changes
    except PlanError:
        return
    for change in changes:
        kind = kind_of(change.path) if isinstance(change, EditFile) else None
        if kind and isinstance(change, EditFile) and change.before is not None:
            assert kind.rebind(change.after, "ens192", MACS) == change.after
            lost = _lines_without(change.before, change.after)
            assert lost
            assert all(OLD in line.lower() or NEW in line for line in lost)


def _lines_without(before: str, after: str) -> list[str]:
    """Return the lines that `after` lacks."""
    rest = after.split("\n")
    lost = []
    for line in before.split("\n"):
        if line in rest:
            rest.remove(line)
        else:
            lost.append(line)
    return lost
