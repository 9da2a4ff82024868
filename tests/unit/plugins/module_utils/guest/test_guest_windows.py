# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows guests as trees of files with real hives: what is found, planned, refused, and done.

What is written is read back by two readers that are not ours: hivexregedit (libhivex through Perl) and
reged (chntpw, a code base of its own).
"""

from __future__ import annotations

import dataclasses
import re
import subprocess
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ContextManager

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest import hives
from ansible_collections.ferry.hvm.plugins.module_utils.guest.changes import (
    EditFile,
    PlaceFile,
    Plan,
    SetValue,
    describe,
    show_diff,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.errors import (
    PlanError,
    PreparationError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.network import Interface
from ansible_collections.ferry.hvm.plugins.module_utils.guest.registry import number, text
from ansible_collections.ferry.hvm.plugins.module_utils.guest.rules import Options
from ansible_collections.ferry.hvm.plugins.module_utils.guest.windows_apply import (
    apply_windows_plan,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.windows_disks import (
    is_bitlocker,
    is_dynamic,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.windows_drivers import (
    VirtioWin,
    find_virtio_win,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.windows_facts import (
    Controller,
    WindowsFacts,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.windows_inf import read_inf
from ansible_collections.ferry.hvm.plugins.module_utils.guest.windows_inspection import (
    inspect_windows,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.windows_plan import make_windows_plan
from ansible_collections.ferry.hvm.plugins.module_utils.guest.windows_tree import WindowsTree

from tests.unit.plugins.module_utils.guest.windows_samples import (
    CONTROL,
    TOOLS,
    VOLUME,
    disk,
    driver_inf,
    fill_virtio_win,
    fill_windows,
    software,
    system,
)

OLD, NEW = "00:50:56:aa:bb:01", "52:54:00:12:34:56"
ONE_INTERFACE = Options(interfaces=(Interface(None, (OLD, NEW)),))


def no_timer(_step: str) -> ContextManager[None]:
    return nullcontext()


class Guest:
    """A Windows in a folder, and the virtio-win that is given for it."""

    def __init__(self, place: Path) -> None:
        self.root, self.virtio, self.disk = place / "C", place / "virtio-win", place / "disk"
        self.disk.write_bytes(bytes(1 << 16))
        self.volume = place / "volume"
        self.volume.write_bytes(b"\xeb\x52\x90NTFS    ".ljust(512, b"\0"))
        self.clean = True

    def fill(self, *, release: dict[str, Any] | None = None, **changes: Any) -> None:
        fill_windows(self.root, system(**changes), software(**(release or {})))

    @property
    def tree(self) -> WindowsTree:
        return WindowsTree(str(self.root))

    def hive(self, name: str) -> Path:
        return self.root / "Windows" / "System32" / "config" / name

    def facts(self) -> WindowsFacts:
        volume = dataclasses.replace(VOLUME, device=str(self.volume))
        return inspect_windows(
            self.tree,
            disks=[disk(self.disk)],
            file_systems=[volume],
            root=volume,
            is_clean=self.clean,
        )

    def drivers(self) -> VirtioWin:
        return find_virtio_win(str(self.virtio), release="2k22", architecture="amd64")

    def plan(self, options: Options = ONE_INTERFACE) -> Plan:
        return make_windows_plan(self.facts(), options, self.drivers())

    def prepare(self, options: Options = ONE_INTERFACE) -> Plan:
        plan = self.plan(options)
        apply_windows_plan(plan, self.tree, no_timer)
        return plan

    def refusal(self) -> str:
        with pytest.raises(PlanError) as caught:
            self.plan()
        return str(caught.value)


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    made = Guest(tmp_path)
    fill_virtio_win(made.virtio)
    return made


def exported(path: Path) -> str:
    """Return the hive as hivexregedit exports it."""
    command = ["hivexregedit", "--export", "--unsafe-printable-strings", str(path), "\\"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def exported_by_chntpw(path: Path, output: Path) -> str:
    """Return the hive as reged of chntpw exports it. 2 is its word for "nothing was changed"."""
    command = ["reged", "-x", str(path), "HKEY_LOCAL_MACHINE\\SYSTEM", "\\", str(output)]
    subprocess.run(command, check=False, capture_output=True)
    return output.read_text(encoding="latin-1").replace("\r", "")


def key_of(export: str, key: str) -> list[str]:
    """Return the lines of one key in an export."""
    block = export.split(f"\n[{key}]\n", 1)[1]
    return block.split("\n\n", 1)[0].splitlines()


def test_facts_of_windows_come_from_its_hives(guest: Guest) -> None:
    guest.fill()
    facts = guest.facts()
    assert dataclasses.astuple(facts.release) == (
        "Windows Server 2022 Standard",
        "ServerStandard",
        "Server",
        20348,
    )
    assert (facts.architecture, facts.control_set) == ("amd64", CONTROL)
    assert facts.controllers == (Controller("VEN_15AD&DEV_07C0&SUBSYS_07C015AD&REV_02", "pvscsi"),)
    assert {name: each.start for name, each in facts.services.items()} == {
        "pvscsi": 0,
        "vmtools": 2,
    }
    assert [each.product_code for each in facts.uninstallers] == [TOOLS]
    [connection] = facts.interfaces
    assert connection.addresses == (
        ("192.0.2.10", "255.255.255.0"),
        ("192.0.2.11", "255.255.255.0"),
    )
    assert (connection.gateways, connection.name_servers) == (
        ("192.0.2.1",),
        ("192.0.2.53", "192.0.2.54"),
    )


def test_addresses_under_dhcp_are_not_static(guest: Guest) -> None:
    guest.fill()
    key = rf"{CONTROL}\Services\Tcpip\Parameters\Interfaces\{guest.facts().interfaces[0].guid}"
    with hives.change_hive(str(guest.hive("SYSTEM")), "SYSTEM") as hive:
        hive.set(key, "EnableDHCP", number(1))
    assert guest.facts().interfaces[0].addresses == ()


@pytest.mark.parametrize("version", ["2k12R2", "2k22"])
@pytest.mark.parametrize(
    "layout",
    [
        pytest.param("{folder}/{release}/amd64", id="iso-by-driver"),
        pytest.param("amd64/{release}", id="iso-by-release"),
        pytest.param("drivers/by-driver/{folder}/{release}/amd64", id="package-by-driver"),
        pytest.param("drivers/by-os/amd64/{release}", id="package-by-release"),
    ],
)
def test_drivers_are_found_in_each_layout_of_virtio_win(
    tmp_path: Path, layout: str, version: str
) -> None:
    fill_virtio_win(tmp_path, layout=layout)
    found = find_virtio_win(str(tmp_path), release=version, architecture="amd64")
    assert [each.name for each in found.drivers] == [
        "viostor",
        "vioscsi",
        "netkvm",
        "balloon",
        "vioser",
    ]
    texts = [Path(each.files[f"{each.name}.sys"].path).read_text() for each in found.drivers]
    assert texts == [f"{each.name} {version} sys" for each in found.drivers]
    assert not any(name.endswith(".pdb") for each in found.drivers for name in each.files)
    assert found.agent is not None


def test_an_inf_tells_devices_service_and_version() -> None:
    inf = read_inf(driver_inf("viostor").encode("utf-16"), name="viostor.inf", architecture="amd64")
    assert inf.devices == (
        ("VEN_1AF4&DEV_1001&SUBSYS_00021AF4&REV_00", 0),
        ("VEN_1AF4&DEV_1001", 1),
        ("VEN_1AF4&DEV_1042&SUBSYS_11001AF4&REV_01", 0),
        ("VEN_1AF4&DEV_1042", 1),
    )
    assert (inf.service, inf.group, inf.provider) == ("viostor", "SCSI miniport", "Red Hat, Inc.")
    assert inf.version == (100, 95, 104, 26200)
    # 2024-07-29 00:00 UTC in seconds since 1970 is 1722211200; 1601 is 11644473600 s before that.
    assert inf.date == (1722211200 + 11644473600) * 10**7
    assert inf.parameters == (("Parameters\\PnpInterface", "5", 1), ("Parameters", "BusType", 10))


def test_an_inf_for_another_processor_is_refused() -> None:
    with pytest.raises(PreparationError, match=r"viostor\.inf describes no driver"):
        read_inf(driver_inf("viostor").encode(), name="viostor.inf", architecture="x86")


# kubev2v/forklift issue 1029, kubevirt 11332, kubevirt 16703: INACCESSIBLE_BOOT_DEVICE, and virtio that
# boots only after one boot on SATA, because the boot's plug and play does not know the driver.
def test_boot_drivers_are_bound_to_their_devices_in_the_driver_database(guest: Guest) -> None:
    guest.fill()
    guest.prepare()
    export = exported(guest.hive("SYSTEM"))
    for name in ("viostor", "vioscsi"):
        service = key_of(export, rf"\{CONTROL}\Services\{name}")
        assert '"Start"=dword:00000000' in service
        assert f'"ImagePath"=str(2):"System32\\drivers\\{name}.sys"' in service
        [label] = {
            line.split('"')[3]
            for line in key_of(export, rf"\DriverDatabase\DriverInfFiles\ferry_{name}.inf")
            if line.startswith('"Active"')
        }
        package = rf"\DriverDatabase\DriverPackages\{label}"
        assert f'"Service"=str(1):"{name}"' in key_of(
            export, rf"{package}\Configurations\scsi_inst"
        )
        for device in (each for each, _rank in guest.drivers().drivers[0].inf.devices):
            if name == "viostor":
                assert key_of(export, rf"\DriverDatabase\DeviceIds\PCI\{device}")
                assert '"Configuration"=str(1):"scsi_inst"' in key_of(
                    export, rf"{package}\Descriptors\PCI\{device}"
                )
        store = guest.root / "Windows/System32/DriverStore/FileRepository" / label
        assert {each.name for each in store.iterdir()} == {
            f"{name}.{e}" for e in ("inf", "sys", "cat")
        }
        assert (
            guest.root / f"Windows/System32/drivers/{name}.sys"
        ).read_text() == f"{name} 2k22 sys"


def test_another_reader_sees_the_same_registration(guest: Guest, tmp_path: Path) -> None:
    guest.fill()
    guest.prepare()
    export = exported_by_chntpw(guest.hive("SYSTEM"), tmp_path / "out.reg")
    base = "HKEY_LOCAL_MACHINE\\SYSTEM"
    device = rf"{base}\DriverDatabase\DeviceIds\PCI\VEN_1AF4&DEV_1001&SUBSYS_00021AF4&REV_00"
    assert key_of(export, device) == ['"ferry_viostor.inf"=hex:01,ff,00,00']
    assert '"Start"=dword:00000000' in key_of(export, rf"{base}\{CONTROL}\Services\viostor")
    assert '"SanPolicy"=dword:00000001' in key_of(
        export, rf"{base}\{CONTROL}\Services\partmgr\Parameters"
    )
    assert '"Start"=dword:00000002' in key_of(export, rf"{base}\{CONTROL}\Services\FerryFirstBoot")


def test_without_a_driver_database_devices_are_critical(guest: Guest) -> None:
    guest.fill(database=False)
    guest.prepare()
    export = exported(guest.hive("SYSTEM"))
    key = rf"\{CONTROL}\Control\CriticalDeviceDatabase\PCI#VEN_1AF4&DEV_1042&SUBSYS_11001AF4&REV_01"
    assert '"Service"=str(1):"viostor"' in key_of(export, key)
    assert "DriverDatabase" not in export


def test_a_boot_driver_that_windows_put_off_starts_at_boot_again(guest: Guest) -> None:
    guest.fill()
    key = rf"{CONTROL}\Services\viostor\StartOverride"
    with hives.change_hive(str(guest.hive("SYSTEM")), "SYSTEM") as hive:
        hive.set(key, "0", number(3))
    guest.prepare()
    assert '"0"=dword:00000000' in key_of(exported(guest.hive("SYSTEM")), rf"\{key}")


def test_what_was_in_the_hive_before_is_still_there(guest: Guest) -> None:
    guest.fill()
    before = exported(guest.hive("SYSTEM")).split("\n\n")
    software_before = guest.hive("SOFTWARE").read_bytes()
    guest.prepare()
    after = exported(guest.hive("SYSTEM"))
    changed = [block for block in before if block.strip() and block.rstrip() not in after]
    # The old platform's tools are the one thing that is changed and not added.
    assert [block.splitlines()[0] for block in changed] == [rf"[\{CONTROL}\Services\VMTools]"]
    assert guest.hive("SOFTWARE").read_bytes() == software_before


def test_a_second_preparation_changes_nothing(guest: Guest) -> None:
    guest.fill()
    assert guest.prepare().changes
    before = {path: path.read_bytes() for path in guest.root.rglob("*") if path.is_file()}
    assert guest.prepare().changes == ()
    assert {path: path.read_bytes() for path in guest.root.rglob("*") if path.is_file()} == before


def test_newer_drivers_replace_older_ones(guest: Guest) -> None:
    guest.fill()
    guest.prepare()
    (guest.virtio / "viostor" / "2k22" / "amd64" / "viostor.sys").write_text("newer")
    changes = guest.prepare().changes
    assert {each.path.rsplit("\\", 1)[1] for each in changes if isinstance(each, PlaceFile)} >= {
        "viostor.sys"
    }
    assert (guest.root / "Windows/System32/drivers/viostor.sys").read_text() == "newer"
    assert guest.plan().changes == ()


def test_the_plan_is_shown_before_it_is_made(guest: Guest) -> None:
    guest.fill()
    before = guest.hive("SYSTEM").read_bytes()
    changes = guest.plan().changes
    [registry] = [each for each in show_diff(changes) if each.get("before_header") == "registry"]
    assert rf"SYSTEM\{CONTROL}\Services\VMTools\Start = dword:00000002" in registry["before"]
    assert rf"SYSTEM\{CONTROL}\Services\VMTools\Start = dword:00000004" in registry["after"]
    assert any("viostor.sys <" in each.get("prepared", "") for each in show_diff(changes))
    described = [describe(each) for each in changes]
    assert {"set", "place", "create"} == {each["action"] for each in described}
    assert all(each["why"] for each in described)
    assert guest.hive("SYSTEM").read_bytes() == before


def test_folders_are_found_in_any_case(guest: Guest) -> None:
    guest.fill()
    (guest.root / "Windows").rename(guest.root / "WINDOWS")
    (guest.root / "WINDOWS" / "System32").rename(guest.root / "WINDOWS" / "system32")
    apply_windows_plan(guest.plan(), guest.tree, no_timer)
    assert [each.name for each in guest.root.iterdir()] == ["WINDOWS"]
    assert (guest.root / "WINDOWS/system32/drivers/viostor.sys").is_file()


def test_no_link_of_the_guest_leads_out_of_it(guest: Guest, tmp_path: Path) -> None:
    guest.fill()
    outside = tmp_path / "outside"
    outside.mkdir()
    plan = guest.plan()
    (guest.root / "Windows" / "Ferry").symlink_to(outside)
    with pytest.raises(PreparationError, match="leads over a link"):
        apply_windows_plan(plan, guest.tree, no_timer)
    assert list(outside.iterdir()) == []


def scripts(plan: Plan) -> dict[str, str]:
    """Return the text of each script, by its name."""
    edits = [each for each in plan.changes if isinstance(each, EditFile)]
    return {each.path.rsplit("\\", 1)[1]: each.after for each in edits}


def test_first_boot_scripts_are_numbered_and_have_windows_line_ends(guest: Guest) -> None:
    guest.fill()
    found = scripts(guest.plan())
    assert sorted(found) == [
        "10-drivers.cmd",
        "20-disks.cmd",
        "30-network.cmd",
        "30-network.ps1",
        "40-guest-agent.cmd",
        "50-old-tools.cmd",
        "firstboot.cmd",
    ]
    assert all("\n" not in each.replace("\r\n", "") for each in found.values())
    assert f"msiexec.exe /x {TOOLS} /qn /norestart" in found["50-old-tools.cmd"]
    for name in ("viostor", "vioscsi", "netkvm", "balloon", "vioser"):
        assert rf"..\drivers\{name}\{name}.inf" in found["10-drivers.cmd"]


# `%NAME%`, `%~1` or a digit, right before a redirection that has no number of its own.
_MISREAD = re.compile(r"(?:%\w+%|%~?\w+|[^\s\d>]\d|\d\d)>")


def test_no_digit_that_is_written_becomes_the_number_of_a_handle(guest: Guest) -> None:
    # `echo ... ended with 0>> firstboot.log`: cmd.exe reads `0>>`, and the log had no such line.
    guest.fill()
    commands = {name: text for name, text in scripts(guest.plan()).items() if name.endswith(".cmd")}
    lines = [line for text in commands.values() for line in text.split("\r\n")]
    assert [line for line in lines if _MISREAD.search(line)] == []
    assert ">>firstboot.log echo %DATE% %TIME% %~1 ended with %ERRORLEVEL%" in lines


def test_static_addresses_follow_the_mac_of_either_side(guest: Guest) -> None:
    guest.fill()
    call = (
        "Set-Connection @('00-50-56-AA-BB-01', '52-54-00-12-34-56')"
        " @('192.0.2.10/24', '192.0.2.11/24') @('192.0.2.1') @('192.0.2.53', '192.0.2.54')"
    )
    assert call in scripts(guest.plan())["30-network.ps1"]


@pytest.mark.parametrize(
    "interfaces",
    [
        pytest.param((), id="none-given"),
        pytest.param(
            (Interface("eth0", (OLD,)), Interface("eth1", (NEW,))), id="names-that-windows-lacks"
        ),
    ],
)
def test_addresses_without_a_known_mac_are_told(
    guest: Guest, interfaces: tuple[Interface, ...]
) -> None:
    guest.fill()
    plan = guest.plan(Options(interfaces=interfaces))
    assert "30-network.ps1" not in scripts(plan)
    (note,) = [each for each in plan.notes if "'Ethernet0'" in each]
    assert "192.0.2.10/24" in note
    assert "ferry_interface_names" in note


def test_a_connection_is_found_by_the_name_that_windows_has_for_it(guest: Guest) -> None:
    guest.fill()
    given = (Interface("other", (OLD,)), Interface("ethernet0", (NEW,)))
    script = scripts(guest.plan(Options(interfaces=given)))["30-network.ps1"]
    assert "Set-Connection @('52-54-00-12-34-56')" in script


def test_what_is_no_address_never_gets_into_a_script(guest: Guest) -> None:
    guest.fill()
    key = rf"{CONTROL}\Services\Tcpip\Parameters\Interfaces\{guest.facts().interfaces[0].guid}"
    with hives.change_hive(str(guest.hive("SYSTEM")), "SYSTEM") as hive:
        hive.set(key, "NameServer", text("192.0.2.53,');Remove-Item"))
    script = scripts(guest.plan())["30-network.ps1"]
    assert "Remove-Item" not in script
    assert "@('192.0.2.53')" in script


def test_without_an_agent_a_note_says_so(guest: Guest) -> None:
    guest.fill()
    (guest.virtio / "guest-agent" / "qemu-ga-x86_64.msi").unlink()
    plan = guest.plan()
    assert "40-guest-agent.cmd" not in scripts(plan)
    assert any("guest agent" in note for note in plan.notes)


# Refusals. platform9/vjailbreak PR 1856: a dirty disk after the migration of a Windows; hibernation,
# Fast Startup and dynamic disks are limits that a preflight must name.


@pytest.mark.parametrize("mark", [b"hibr", b"HIBR", b"wake", b"rstr"])
def test_a_saved_session_is_refused(guest: Guest, mark: bytes) -> None:
    guest.fill()
    (guest.root / "hiberfil.sys").write_bytes(mark.ljust(4096, b"\0"))
    guest.clean = False
    assert "powercfg /h off" in guest.refusal()


def test_a_wiped_session_is_none(guest: Guest) -> None:
    guest.fill()
    (guest.root / "hiberfil.sys").write_bytes(bytes(4096))
    assert guest.plan().changes


def test_fast_startup_that_saved_nothing_is_a_note(guest: Guest) -> None:
    guest.fill()
    with hives.change_hive(str(guest.hive("SYSTEM")), "SYSTEM") as hive:
        hive.set(rf"{CONTROL}\Control\Session Manager\Power", "HiberbootEnabled", number(1))
    assert any("Fast Startup is on" in note for note in guest.plan().notes)


def test_a_volume_that_was_in_use_is_refused(guest: Guest) -> None:
    guest.fill()
    guest.clean = False
    assert "shutdown /s /f /t 0" in guest.refusal()


def test_a_hive_with_a_log_to_come_is_refused(guest: Guest) -> None:
    guest.fill()
    content = bytearray(guest.hive("SOFTWARE").read_bytes())
    # The first counter is ahead of the second; the checksum is the fields' exclusive or.
    content[4] ^= 8
    content[508] ^= 8
    guest.hive("SOFTWARE").write_bytes(content)
    assert "its hive SOFTWARE" in guest.refusal()


@pytest.mark.parametrize("head", [b"-FVE-FS-", b"MSWIN4.1"], ids=["bitlocker", "to-go"])
def test_bitlocker_is_refused(guest: Guest, head: bytes) -> None:
    guest.fill()
    sector = bytearray(512)
    sector[3:11] = head
    sector[424:440] = bytes.fromhex("3bd66749292ed84a8399f6a339e3d001")
    guest.volume.write_bytes(sector)
    assert "manage-bde -off" in guest.refusal()


def test_a_fat_volume_is_not_taken_for_bitlocker(tmp_path: Path) -> None:
    (tmp_path / "fat").write_bytes(b"\xeb\x58\x90MSWIN4.1".ljust(512, b"\0"))
    assert not is_bitlocker(str(tmp_path / "fat"))


def _dos_disk(kind: int) -> bytes:
    head = bytearray(1 << 16)
    head[446 + 16 + 4] = kind
    head[510:512] = b"\x55\xaa"
    return bytes(head)


def _gpt_disk(kind: str) -> bytes:
    head = bytearray(_dos_disk(0xEE))
    head[512:520] = b"EFI PART"
    head[512 + 72 : 512 + 88] = (2).to_bytes(8, "little") + bytes.fromhex("8000000080000000")
    head[1024 + 128 : 1024 + 144] = bytes.fromhex(kind)
    return bytes(head)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(_dos_disk(0x42), True, id="dos-ldm"),
        pytest.param(_dos_disk(0x07), False, id="dos-ntfs"),
        pytest.param(_gpt_disk("aac808588f7ee04285d2e1e90434cfb3"), True, id="gpt-ldm-metadata"),
        pytest.param(_gpt_disk("a0609baf3114624fbc683311714a69ad"), True, id="gpt-ldm-data"),
        pytest.param(_gpt_disk("a2a0d0ebe5b9334487c068b6b72699c7"), False, id="gpt-basic-data"),
    ],
)
def test_dynamic_disks_are_known_by_their_partitions(
    tmp_path: Path, content: bytes, expected: bool
) -> None:
    (tmp_path / "disk").write_bytes(content)
    assert is_dynamic(str(tmp_path / "disk")) is expected


def test_a_dynamic_disk_is_refused(guest: Guest) -> None:
    guest.fill()
    guest.disk.write_bytes(_dos_disk(0x42))
    assert "The disk sda is a dynamic disk" in guest.refusal()


@pytest.mark.parametrize(
    "release",
    [
        {"product": "Windows Server 2008 R2 Standard", "build": "7601"},
        {"product": "Windows 11 Pro", "build": "26100", "installation": "Client"},
        {"product": "", "build": "x"},
    ],
    ids=["too-old", "client", "unknown"],
)
def test_other_releases_of_windows_are_refused(guest: Guest, release: dict[str, str]) -> None:
    guest.fill(release=release)
    assert "handled are Windows Server 2012 R2, 2016, 2019, 2022, 2025" in guest.refusal()


def test_windows_without_given_drivers_is_refused(guest: Guest) -> None:
    guest.fill()
    with pytest.raises(PlanError, match="ferry_virtio_win"):
        make_windows_plan(guest.facts(), ONE_INTERFACE, None)


def test_a_virtio_win_without_drivers_for_the_release_is_refused(tmp_path: Path) -> None:
    guest = Guest(tmp_path)
    fill_virtio_win(guest.virtio, ["2k25"])
    guest.fill()
    refusal = guest.refusal()
    for name in ("viostor", "vioscsi", "netkvm"):
        assert f"has no {name} for Windows Server 2022 Standard" in refusal


def test_a_driver_without_its_catalogue_is_refused(guest: Guest) -> None:
    (guest.virtio / "viostor" / "2k22" / "amd64" / "viostor.cat").unlink()
    with pytest.raises(PreparationError, match=r"without its viostor\.sys or viostor\.cat"):
        guest.drivers()


def test_a_file_that_is_no_hive_is_refused(guest: Guest) -> None:
    guest.fill()
    guest.hive("SYSTEM").write_bytes(b"no hive")
    with pytest.raises(PreparationError):
        guest.facts()


def test_values_keep_their_bytes(guest: Guest) -> None:
    guest.fill()
    [value] = [
        each.after
        for each in guest.plan().changes
        if isinstance(each, SetValue) and each.name.name == "Version"
        if "viostor" in each.name.key
    ]
    # Head, class, date, version: as an export of a guest shows them for a driver of that class.
    assert value.data[:24].hex() == "00ff0900000000007be9364d25e3ce11bfc108002be10318"
    assert value.data[32:40].hex() == "586668005f006400"
    assert len(value.data) == 48
