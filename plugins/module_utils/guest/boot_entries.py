# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What GRUB offers, in its order, and which entry it starts by itself.

Entries are written in the menu itself (`menuentry`, some inside of a `submenu`), or one to a file, where the
menu says `blscfg` (Boot Loader Specification; the order is GRUB's blscfg.c: newest version first).
"""

from __future__ import annotations

import posixpath
import re
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .grubenv import read_variables
from .versions import version_key

ENTRIES = "/boot/loader/entries/"
MENUS = ("/boot/grub2/grub.cfg", "/boot/grub/grub.cfg")
_BLSCFG = re.compile(r"^\s*blscfg\b", re.MULTILINE)
_HEAD = re.compile(r"^\s*(menuentry|submenu)\s+(\"[^\"]*\"|'[^']*'|\S+)(.*)\{\s*$")
_IDENTITY = re.compile(r"(?:--id|\$menuentry_id_option)\s+[\"']?([^\s\"'{]+)")
_END = re.compile(r"^\s*\}\s*$")
_LINUX = re.compile(r"^\s*(?:linux|linux16|linuxefi)\s+(\S+)\s*(.*?)\s*$")
_DEFAULT = re.compile(r"^\s*set\s+default=[\"']?(.*?)[\"']?\s*$", re.MULTILINE)
_SAVED = "${saved_entry}"


class Entry(NamedTuple):
    """One entry. `names` are those by which a default may mean it; `place` counts from 0 on each level."""

    names: Tuple[str, ...]
    place: Tuple[int, ...]
    kernel: str
    arguments: str

    @property
    def default_name(self) -> str:
        """What `saved_entry` must be to mean this entry: its name, or inside of submenus its place."""
        return self.names[0] if len(self.place) == 1 else ">".join(map(str, self.place))


def main_menu(files: Mapping[str, str], firmware: str) -> Optional[str]:
    """Return the path of the menu with the entries; None if there is no menu of GRUB 2.

    For UEFI it may lie beside the loader (RHEL 7 and 8); a file there that only calls the one in /boot
    (RHEL 9, SUSE) has no entries.
    """
    vendors = [path for path in files if path.endswith("/grub.cfg") and "/EFI/" in path]
    own = [path for path in MENUS if path in files]
    ordered = [*vendors, *own] if firmware == "uefi" else own
    full = (path for path in ordered if is_by_files(files[path]) or menu_entries(files[path]))
    return next(full, None)


def read_entries(files: Mapping[str, str], menu: str) -> List[Entry]:
    """Return the entries that the menu at this path offers, first one first."""
    text = files[menu]
    return [*file_entries(files), *menu_entries(text)] if is_by_files(text) else menu_entries(text)


def read_environment(
    menu: str, files: Mapping[str, str], environments: Mapping[str, str]
) -> Dict[str, str]:
    """Return the variables that the menu at this path has from its environment block."""
    return read_variables(files.get(environments.get(menu, ""), ""))


def is_by_files(menu: str) -> bool:
    """Return whether the menu's entries are the files of `ENTRIES`."""
    return _BLSCFG.search(menu) is not None


def file_entries(files: Mapping[str, str]) -> List[Entry]:
    """Return the entries that are files, in GRUB's order."""
    paths = sorted((p for p in files if p.startswith(ENTRIES)), key=version_key, reverse=True)
    return [_file_entry(path, files[path], (place,)) for place, path in enumerate(paths)]


def menu_entries(menu: str) -> List[Entry]:
    """Return the entries of the menu itself that start a kernel, in their order."""
    found: List[Entry] = []
    counts = [0]
    open_heads: List[Tuple[str, Tuple[str, ...], Tuple[int, ...]]] = []
    for line in menu.split("\n"):
        head, linux = _HEAD.match(line), _LINUX.match(line)
        if head:
            place = (*(open_heads[-1][2] if open_heads else ()), counts[-1])
            counts[-1] += 1
            counts.append(0)
            open_heads.append((head.group(1), _names(head), place))
        elif _END.match(line) and open_heads:
            open_heads.pop()
            counts.pop()
        elif linux and open_heads and open_heads[-1][0] == "menuentry":
            _kind, names, place = open_heads[-1]
            found.append(Entry(names, place, linux.group(1), linux.group(2)))
    return found


def uses_saved_entry(menu: str) -> bool:
    """Return whether the menu's default is what the environment block says."""
    return any(_SAVED in value for value in _DEFAULT.findall(menu))


def default_of(
    menu: str, files: Mapping[str, str], environments: Mapping[str, str]
) -> Optional[Entry]:
    """Return the entry that the menu at this path starts by itself: the chosen one, else the first."""
    text, entries = files[menu], read_entries(files, menu)
    saved = read_environment(menu, files, environments).get("saved_entry", "")
    wanted = saved if uses_saved_entry(text) else (_DEFAULT.findall(text) or [""])[-1]
    return find_entry(wanted, entries) or (entries[0] if entries else None)


def find_entry(wanted: str, entries: Sequence[Entry]) -> Optional[Entry]:
    """Return the entry that a default means: an id, a title, a number, or a path of these (`1>0`)."""
    if not wanted:
        return None
    last = wanted.rpartition(">")[2]
    if all(part.isdigit() for part in wanted.split(">")):
        place = tuple(int(part) for part in wanted.split(">"))
        return next((each for each in entries if each.place == place), None)
    return next((each for each in entries if wanted in each.names or last in each.names), None)


def _names(head: "re.Match[str]") -> Tuple[str, ...]:
    identity = _IDENTITY.search(head.group(3))
    return (head.group(2).strip("\"'"), *((identity.group(1),) if identity else ()))


def _file_entry(path: str, text: str, place: Tuple[int, ...]) -> Entry:
    name = posixpath.basename(path)[: -len(".conf")]
    return Entry(
        (name, entry_value(text, "title")),
        place,
        entry_value(text, "linux"),
        entry_value(text, "options"),
    )


def entry_value(text: str, key: str) -> str:
    """Return the values of a key of an entry's file, joined as they are for `options`; empty if none."""
    return " ".join(re.findall(rf"^{key}[ \t]+(.*?)[ \t]*$", text, re.MULTILINE))
