# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""From the options of the image modules to virtual images and back. PRIVATE to the collection."""

from __future__ import annotations

from ..morpheus import image_plan, image_work, images
from .appliance import Params, open_client, open_waiter, read_tags
from .run import Outcome


def work_image(params: Params, check_mode: bool) -> Outcome:
    """Bring about a virtual image, or its absence."""
    wanted = None if params["state"] == "absent" else _wanted_image(params)
    client, waiter = open_client(params), open_waiter(params)
    seen = images.list_images(client, name=params["name"])
    plan = image_plan.plan_present(wanted, seen) if wanted else image_plan.plan_absent(seen)
    if check_mode:
        shown = seen[0].as_result() if wanted and seen and not plan.is_change else None
        return Outcome(plan.is_change, {"image": shown}, plan.diff())
    image_work.apply(client, plan, waiter)
    image = image_work.verify(client, wanted, waiter).as_result() if wanted else None
    return Outcome(plan.is_change, {"image": image}, plan.diff())


def _wanted_image(params: Params) -> image_plan.WantedImage:
    length, digest = image_work.measure(params["path"])
    return image_plan.WantedImage(
        name=params["name"],
        kind=params["image_type"],
        path=params["path"],
        length=length,
        digest=digest,
        min_disk=params["min_disk"],
        is_uefi=params["uefi"],
        tags=read_tags(params),
        labels=tuple(params["labels"] or ()),
    )
