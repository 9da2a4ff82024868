# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Is this workload ready to migrate? PRIVATE to the collection.

Pure: what was observed goes in, findings come out. A check is a function that yields findings;
`CHECKS` is the list of them all. An error stops the migration, a warning stops it until the operator
accepts it by its code, a note only says what will happen.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Callable, Iterator, Sequence

from ..errors import InputError
from . import profile_checks, source_checks, target_checks
from .findings import ERROR, NOTE, WARNING, Finding, Observed
from .pairing import fixed_disks
from .prediction import Figure, predict, tell


def judge(observed: Observed) -> list[Finding]:
    """Return every finding of every check, in the order of `CHECKS`."""
    return [finding for check in CHECKS for finding in check(observed)]


def refuse(findings: Sequence[Finding], accepted: Sequence[str]) -> None:
    """Raise InputError with all that stops the migration: errors, and warnings nobody accepted."""
    stopping = [
        finding
        for finding in findings
        if finding.severity == ERROR
        or (finding.severity == WARNING and finding.code not in accepted)
    ]
    if stopping:
        raise InputError(
            " ".join(
                f"[{each.code}] {each.subject}: {each.text} {each.hint}".strip()
                for each in stopping
            ),
            hint="Nothing was changed.",
        )


def _workload_is_the_only_one(observed: Observed) -> Iterator[Finding]:
    if observed.alike:
        yield Finding(
            "workloads_alike",
            ERROR,
            observed.workload,
            f"It shares its migration id or its target instance with {', '.join(observed.alike)}.",
            "Give each workload a ferry_migration_id and a ferry_instance of its own.",
        )


def _helpers_have_a_place(observed: Observed) -> Iterator[Finding]:
    if not observed.placement:
        yield Finding(
            "placement_missing",
            ERROR,
            observed.workload,
            "Neither a cluster nor a resource pool is given for the instances to be created.",
            "Set ferry_cluster, or ferry_resource_pool.",
        )


def _controller_has_its_files(observed: Observed) -> Iterator[Finding]:
    public_key = f"{observed.ssh_key}.pub"
    wanted = (
        (
            "worker_image_missing",
            observed.worker_image,
            "Run ferry.hvm.build_worker_image, or correct ferry_worker_image.",
        ),
        (
            "ssh_key_missing",
            observed.ssh_key,
            "Make one with ssh-keygen, or correct ferry_worker_ssh_private_key_file.",
        ),
        (
            "ssh_public_key_missing",
            public_key,
            f"ssh-keygen -y -f {observed.ssh_key} > {public_key}",
        ),
    )
    for code, path, hint in wanted:
        if not os.access(path, os.R_OK):
            yield Finding(code, ERROR, path, f"The controller cannot read {path}.", hint)


def _extensions_can_be_used(observed: Observed) -> Iterator[Finding]:
    for fault in observed.extension_faults:
        hint = "Correct ferry_extensions."
        yield Finding("extension_not_usable", ERROR, observed.workload, fault, hint)


def _sync_is_predicted(observed: Observed) -> Iterator[Finding]:
    """Disks that do not exist are another check's to tell."""
    with suppress(InputError):
        yield Finding("sync_predicted", NOTE, observed.workload, tell(predict_sync(observed)))


def find_run(observed: Observed) -> str:
    """Return the run of this migration that may be alive at both ends, "" if there is none.

    The source has its sender, and the target runs a worker that was adopted.
    """
    instance = observed.instance
    if instance is None or instance["status"] != "running":
        return ""
    roots = [volume["name"] for volume in instance["volumes"] if volume["root"]]
    tags = instance["tags"]
    if roots != [observed.worker] or not tags.get("ferry_worker_key"):
        return ""
    if tags.get("ferry") != observed.migration:
        return ""
    runs = [
        str(export.get("run") or "")
        for export in observed.source["exports"]
        if export["migration_id"] == observed.migration
    ]
    return runs[0] if len(runs) == 1 else ""


def predict_sync(observed: Observed) -> list[Figure]:
    """Return what is known of the sync before it begins. Raises InputError for disks that do not exist."""
    tags = observed.instance["tags"] if observed.instance else {}
    return predict(
        observed.source["file_systems"],
        fixed_disks(observed.source["disks"], observed.profile.only_disks),
        tags,
    )


CHECKS: tuple[Callable[[Observed], Iterator[Finding]], ...] = (
    _controller_has_its_files,
    _extensions_can_be_used,
    source_checks.source_is_read_by_root,
    source_checks.data_port_is_free,
    source_checks.guest_can_be_prepared,
    source_checks.root_can_be_prepared,
    source_checks.secure_boot_is_told,
    source_checks.tpm_is_told,
    _workload_is_the_only_one,
    _helpers_have_a_place,
    target_checks.target_is_at_rest,
    target_checks.target_is_ours,
    target_checks.target_has_one_card,
    target_checks.target_has_the_firmware,
    source_checks.disks_are_in_a_snapshot,
    source_checks.disks_of_a_vm_are_left_out_by_key,
    target_checks.snapshots_are_told,
    target_checks.disks_have_their_volumes,
    target_checks.disks_are_those_of_the_last_sync,
    profile_checks.plan_is_offered,
    profile_checks.places_are_offered,
    profile_checks.networks_are_mapped,
    target_checks.clone_is_kept_apart,
    source_checks.source_has_a_view,
    source_checks.unused_is_carried_as_before,
    _sync_is_predicted,
)
