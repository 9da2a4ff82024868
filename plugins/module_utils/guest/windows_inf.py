# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Read Windows' driver descriptions (.inf): which devices a driver is for, and how it is installed.

Only what a boot driver's registration needs: identifiers of PCI devices, class, provider, version,
the service and its values. Format: Microsoft, "INF File Sections and Directives".
"""

from __future__ import annotations

import codecs
import re
import uuid
from datetime import datetime, timezone
from typing import Dict, Iterator, List, Mapping, NamedTuple, Tuple

from .errors import PreparationError

_SECTION = re.compile(r"\[([^\]]+)\]")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|[1-9][0-9]*|0")
_STRING = re.compile(r"%([^%]+)%")
# FLG_ADDREG_TYPE_DWORD of setupapi.h; a value's kind is in these bits.
_TYPE_MASK, _TYPE_DWORD = 0xFFFF0001, 0x00010001
_EPOCH = datetime(1601, 1, 1, tzinfo=timezone.utc)

Sections = Mapping[str, List[str]]


class DriverInf(NamedTuple):
    """What an .inf says for one architecture.

    `devices` are (identifier below `PCI\\`, rank among its line's identifiers: 0 is the hardware's
    own). `date` is in 100 ns since 1601 (a FILETIME), `version` four numbers. `parameters` are the
    service's DWORDs: (key below the service's, name, number).
    """

    class_guid: str
    provider: str
    date: int
    version: Tuple[int, int, int, int]
    configuration: str
    service: str
    group: str
    devices: Tuple[Tuple[str, int], ...]
    parameters: Tuple[Tuple[str, str, int], ...]


def read_inf(raw: bytes, *, name: str, architecture: str) -> DriverInf:
    """Return what the .inf says for `architecture` (`amd64`).

    Raises PreparationError, with the file's `name`, if it lacks what a driver's .inf must have.
    """
    sections = _sections(_decode(raw))
    version = dict(_pairs(sections, "version"))
    models = list(_models(sections, architecture))
    configuration = models[0][0] if models else ""
    service = _service(sections, configuration, architecture)
    if not models or not service or "classguid" not in version:
        raise PreparationError(
            f"{name} describes no driver of a PCI device for {architecture}.",
            hint="Give virtio-win as its publisher packs it.",
        )
    date, numbers = _driver_version(version.get("driverver", ""), name)
    install = dict(_pairs(sections, service[1]))
    return DriverInf(
        class_guid=version["classguid"],
        provider=version.get("provider", ""),
        date=date,
        version=numbers,
        configuration=configuration,
        service=service[0],
        group=install.get("loadordergroup", ""),
        devices=tuple(pair for _section, devices in models for pair in devices),
        parameters=tuple(_numbers(sections, install.get("addreg", ""))),
    )


def class_bytes(guid: str) -> bytes:
    """Return a class's GUID as Windows stores it."""
    return uuid.UUID(guid).bytes_le


def _decode(raw: bytes) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", "replace")
    return raw.decode("utf-8-sig", "replace")


def _sections(text: str) -> Dict[str, List[str]]:
    """Return the lines of each section, its name in lower case, with all strings filled in."""
    found: Dict[str, List[str]] = {}
    lines: List[str] = []
    for line in (_without_comment(each) for each in text.splitlines()):
        head = _SECTION.fullmatch(line)
        if head:
            lines = found.setdefault(head.group(1).lower(), [])
        elif line:
            lines.append(line)
    strings = dict(_pairs(found, "strings"))
    return {name: [_fill(line, strings) for line in lines] for name, lines in found.items()}


def _without_comment(line: str) -> str:
    """Return the line up to a semicolon that is not within quotes."""
    quoted = False
    for place, character in enumerate(line):
        quoted ^= character == '"'
        if character == ";" and not quoted:
            return line[:place].strip()
    return line.strip()


def _fill(line: str, strings: Mapping[str, str]) -> str:
    return _STRING.sub(lambda found: strings.get(found.group(1).lower(), found.group(0)), line)


def _pairs(sections: Sections, section: str) -> Iterator[Tuple[str, str]]:
    for line in sections.get(section.lower(), ()):
        key, mark, value = line.partition("=")
        if mark:
            yield key.strip().lower(), value.strip().strip('"')


def _models(sections: Sections, architecture: str) -> Iterator[Tuple[str, List[Tuple[str, int]]]]:
    """Yield (install section, devices) of each model for the architecture."""
    for _maker, entry in _pairs(sections, "manufacturer"):
        name = entry.split(",")[0].strip().lower()
        for section in sections:
            if section.startswith(f"{name}.nt{architecture}"):
                for _title, model in _pairs(sections, section):
                    install, *devices = (part.strip() for part in model.split(","))
                    yield install, list(_pci(devices))


def _pci(devices: List[str]) -> Iterator[Tuple[str, int]]:
    for rank, device in enumerate(devices):
        bus, _mark, identifier = device.partition("\\")
        if bus.upper() == "PCI":
            yield identifier.upper(), rank


def _service(sections: Sections, install: str, architecture: str) -> Tuple[str, ...]:
    """Return the name of the service and its section; nothing if none is installed."""
    for ending in (f".nt{architecture}.services", ".nt.services", ".services"):
        for key, value in _pairs(sections, f"{install}{ending}"):
            parts = [part.strip() for part in value.split(",")]
            if key == "addservice" and len(parts) > 2 and parts[0]:
                return parts[0], parts[2]
    return ()


def _numbers(sections: Sections, names: str) -> Iterator[Tuple[str, str, int]]:
    for name in names.split(","):
        for line in sections.get(name.strip().lower(), ()):
            parts = [part.strip().strip('"') for part in line.split(",")]
            if len(parts) != 5 or parts[0].upper() != "HKR" or not _NUMBER.fullmatch(parts[3]):
                continue
            if int(parts[3], 0) & _TYPE_MASK == _TYPE_DWORD:
                yield parts[1], parts[2], int(parts[4], 0)


def _driver_version(text: str, name: str) -> Tuple[int, Tuple[int, int, int, int]]:
    match = re.fullmatch(r"(\d+)/(\d+)/(\d+)\s*,\s*(\d+)\.(\d+)\.(\d+)\.(\d+)", text)
    if not match:
        raise PreparationError(f"{name} has no DriverVer that can be read ({text!r}).")
    month, day, year, *numbers = (int(each) for each in match.groups())
    age = datetime(year, month, day, tzinfo=timezone.utc) - _EPOCH
    first, second, third, fourth = numbers
    return age.days * 86400 * 10**7, (first, second, third, fourth)
