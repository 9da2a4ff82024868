# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
r"""What a Windows guest does at its first boot on the target: numbered scripts, and what runs them.

    \Windows\Ferry\firstboot.cmd         the runner, started by the service FerryFirstBoot
    \Windows\Ferry\scripts\10-*.cmd ...  each runs once; one that succeeded goes to \Windows\Ferry\done
    \Windows\Ferry\firstboot.log         what they said

The service's program is cmd.exe, which starts the runner and ends at once: no program of ours is needed
in the guest. Windows then notes that the service did not answer, once each boot, and lets the runner be.
The runner removes the service when nothing is left to do, or after the third boot. Why this way:
docs/decisions/0025.
"""

from __future__ import annotations

from typing import Iterator, List, Tuple

from .rules import Options
from .windows_drivers import VirtioWin
from .windows_facts import FOLDER, WindowsFacts
from .windows_names import FIRST_BOOT
from .windows_network import Assignment, assignments

# Path and text.
Script = Tuple[str, str]

RUNNER = rf"{FOLDER}\firstboot.cmd"
_SCRIPTS = rf"{FOLDER}\scripts"
# Windows Installer's words for success, "reboot needed" and "it was not installed".
_MSI_FINE = "0 1605 1641 3010"
# pnputil: 259 is "no device needs it", 3010 "reboot needed".
_PNP_FINE = "0 259 3010"
_OLD_TOOLS = "VMware Tools"

# Where a line goes is said first: cmd.exe takes a lone digit before `>` for the number of a handle, and
# `echo ended with 0>> log` writes "ended with" to the screen (redirections in `cmd /?`).
_RUNNER = r"""@echo off
setlocal EnableExtensions
cd /d "%SystemRoot%\Ferry" || exit /b 1
if not exist done mkdir done
set last=
if exist second-boot.txt set last=yes
if exist first-boot.txt if not defined last >second-boot.txt echo %DATE% %TIME%
if not exist first-boot.txt >first-boot.txt echo %DATE% %TIME%
for /f "delims=" %%S in ('dir /b /on scripts\*.cmd 2^>nul') do call :one "%%S"
if defined last goto end
dir /b scripts\*.cmd >nul 2>nul && exit /b 1
:end
>>firstboot.log echo %DATE% %TIME% removing the service
sc.exe delete @SERVICE@ >> firstboot.log 2>&1
exit /b 0

:one
>>firstboot.log echo %DATE% %TIME% %~1
call "scripts\%~1" >> firstboot.log 2>&1
>>firstboot.log echo %DATE% %TIME% %~1 ended with %ERRORLEVEL%
if %ERRORLEVEL% equ 0 move /y "scripts\%~1" done\ >nul
exit /b 0
"""

_DISKS = (
    'powershell.exe -NoProfile -ExecutionPolicy Bypass -Command "Get-Disk | Where-Object IsOffline |'
    ' Set-Disk -IsOffline $false; Get-Disk | Where-Object IsReadOnly | Set-Disk -IsReadOnly $false"'
)

_NETWORK = r"""$ErrorActionPreference = 'Stop'
function Set-Connection($macs, $addresses, $gateways, $servers) {
    $deadline = (Get-Date).AddSeconds(180)
    while (-not ($adapter = Get-NetAdapter | Where-Object { $macs -contains $_.MacAddress })) {
        if ((Get-Date) -gt $deadline) { throw "No adapter has one of the MACs $macs." }
        Start-Sleep -Seconds 2
    }
    $where = @{ InterfaceIndex = @($adapter)[0].InterfaceIndex }
    Set-NetIPInterface @where -AddressFamily IPv4 -Dhcp Disabled
    Get-NetIPAddress @where -AddressFamily IPv4 -ErrorAction SilentlyContinue |
        Remove-NetIPAddress -Confirm:$false
    Get-NetRoute @where -DestinationPrefix '0.0.0.0/0' -ErrorAction SilentlyContinue |
        Remove-NetRoute -Confirm:$false
    foreach ($each in $addresses) {
        $address, $length = $each -split '/'
        New-NetIPAddress @where -IPAddress $address -PrefixLength $length | Out-Null
    }
    foreach ($each in $gateways) {
        New-NetRoute @where -DestinationPrefix '0.0.0.0/0' -NextHop $each | Out-Null
    }
    if ($servers) { Set-DnsClientServerAddress @where -ServerAddresses $servers }
}
"""


def command_line() -> str:
    """Return the service's program: it starts the runner and ends."""
    return (
        r'%SystemRoot%\System32\cmd.exe /c start "Ferry" /min'
        rf" %SystemRoot%\System32\cmd.exe /c %SystemRoot%{RUNNER[len('Windows') :]}"
    )


def runner() -> str:
    """Return the runner's text."""
    return _crlf(_RUNNER.replace("@SERVICE@", FIRST_BOOT))


def scripts_for(facts: WindowsFacts, options: Options, virtio: VirtioWin) -> Tuple[Script, ...]:
    """Return the scripts of this guest, in the order in which they run."""
    found: List[Script] = [
        _script("10-drivers", *_install_drivers(virtio)),
        _script("20-disks", _DISKS, "exit /b %ERRORLEVEL%"),
    ]
    wanted = assignments(facts, options)
    if wanted:
        found.append((rf"{_SCRIPTS}\30-network.ps1", _crlf(_network(wanted))))
        shell = "powershell.exe -NoProfile -ExecutionPolicy Bypass -File"
        found.append(
            _script("30-network", rf'{shell} "%~dp030-network.ps1"', "exit /b %ERRORLEVEL%")
        )
    if virtio.agent is not None:
        command = (
            r'msiexec.exe /i "%~dp0..\guest-agent.msi" /qn /norestart /l*v+ "%~dp0..\agent.log"'
        )
        found.append(_script("40-guest-agent", *_run(command, _MSI_FINE), "exit /b 0"))
    tools = list(_remove_tools(facts))
    if tools:
        found.append(_script("50-old-tools", *tools, "exit /b 0"))
    return tuple(found)


def _install_drivers(virtio: VirtioWin) -> Iterator[str]:
    for package in virtio.drivers:
        inf = rf"%~dp0..\drivers\{package.name}\{package.name}.inf"
        yield from _run(f'pnputil.exe -i -a "{inf}"', _PNP_FINE)
    yield "exit /b 0"


def _remove_tools(facts: WindowsFacts) -> Iterator[str]:
    for program in facts.uninstallers:
        if _OLD_TOOLS in program.name:
            options = r'/qn /norestart REBOOT=ReallySuppress /l*v+ "%~dp0..\old-tools.log"'
            yield from _run(f"msiexec.exe /x {program.product_code} {options}", _MSI_FINE)


def _run(command: str, fine: str) -> Iterator[str]:
    """Yield lines that run a command and end the script with its code, if that is not a fine one."""
    yield command
    yield "set code=%ERRORLEVEL%"
    yield f'echo {fine} | findstr /r /c:"\\<%code%\\>" >nul || exit /b %code%'


def _network(wanted: Tuple[Assignment, ...]) -> str:
    calls = (
        f"Set-Connection {_list(each.macs)} {_list(each.addresses)} {_list(each.gateways)}"
        f" {_list(each.name_servers)}\n"
        for each in wanted
    )
    return _NETWORK + "".join(calls)


def _list(values: Tuple[str, ...]) -> str:
    """Return a list of PowerShell; the values are MACs and addresses, without a quote in them."""
    return "@(" + ", ".join(f"'{each}'" for each in values) + ")"


def _script(name: str, *lines: str) -> Script:
    return rf"{_SCRIPTS}\{name}.cmd", _crlf("\n".join(("@echo off", *lines, "")))


def _crlf(text: str) -> str:
    return text.replace("\n", "\r\n")
