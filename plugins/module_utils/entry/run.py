# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""From Ansible's arguments to a room's call and back. PRIVATE to the collection.

Entry layer: the only place of Ferry that knows `AnsibleModule` and the only one that fails a module.
A module file holds its documentation, an `ArgumentSpec` and one function `work`; all else is here.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, NoReturn, Sequence

from ansible.module_utils.basic import AnsibleModule

from ..errors import FerryError


@dataclass(frozen=True)
class ArgumentSpec:
    """The arguments of a module, and how they depend on each other (Ansible's own words for it).

    `with_options` joins a group of options that several modules share.
    """

    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    required_if: Sequence[Sequence[Any]] = ()
    required_one_of: Sequence[Sequence[str]] = ()
    required_together: Sequence[Sequence[str]] = ()
    mutually_exclusive: Sequence[Sequence[str]] = ()
    supports_check_mode: bool = True

    def with_options(self, other: ArgumentSpec) -> ArgumentSpec:
        """Return this specification and the other's as one; an option named twice is the other's."""
        return ArgumentSpec(
            options={**self.options, **other.options},
            required_if=(*self.required_if, *other.required_if),
            required_one_of=(*self.required_one_of, *other.required_one_of),
            required_together=(*self.required_together, *other.required_together),
            mutually_exclusive=(*self.mutually_exclusive, *other.mutually_exclusive),
            supports_check_mode=self.supports_check_mode and other.supports_check_mode,
        )

    def as_suboptions(self) -> dict[str, Any]:
        """Return the specification as that of one option, a dictionary with these keys."""
        return {
            "options": dict(self.options),
            "required_if": list(self.required_if),
            "required_one_of": list(self.required_one_of),
            "required_together": list(self.required_together),
            "mutually_exclusive": list(self.mutually_exclusive),
        }


@dataclass(frozen=True)
class Outcome:
    """What a module did, or in check mode would do.

    `result` is returned under its own keys; `diff` is shown with `--diff` (keys `before`, `after`,
    or `prepared`); `warnings` reach the operator even when all went well.
    """

    changed: bool
    result: Mapping[str, Any] = field(default_factory=dict)
    diff: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    warnings: Sequence[str] = ()


Work = Callable[[Mapping[str, Any], bool], Outcome]


def run_module(spec: ArgumentSpec, work: Work) -> None:
    """Run `work(params, check_mode)` as an Ansible module and end the process with its outcome.

    A `FerryError` becomes a failure with the message and the key `error` (`kind`, `what`, `hint`).
    Anything else is a bug of ours: it fails with the traceback, so that it can be reported whole.
    """
    module = AnsibleModule(
        argument_spec=dict(spec.options),
        required_if=list(spec.required_if),
        required_one_of=list(spec.required_one_of),
        required_together=list(spec.required_together),
        mutually_exclusive=list(spec.mutually_exclusive),
        supports_check_mode=spec.supports_check_mode,
    )
    try:
        outcome = work(module.params, module.check_mode)
    except FerryError as error:
        _fail(module, str(error), error=error.as_dict())
    except Exception as error:  # noqa: BLE001 - the entry layer is where a bug gets its report
        # Not Ansible's own key `exception`: ansible-core 2.19 shows that one only when it is configured to.
        told = {
            "kind": "bug",
            "what": repr(error),
            "traceback": traceback.format_exc().splitlines(),
        }
        _fail(module, f"Bug in Ferry: {error!r}. Please report it.", error=told)
    for warning in outcome.warnings:
        module.warn(warning)
    diff = {} if outcome.diff is None else {"diff": outcome.diff}
    module.exit_json(changed=outcome.changed, **outcome.result, **diff)


def _fail(module: AnsibleModule, message: str, **details: Any) -> NoReturn:
    module.fail_json(msg=message, **details)
    raise AssertionError("fail_json does not return")
