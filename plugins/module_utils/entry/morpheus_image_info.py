# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""From the options of morpheus_image_info to virtual images. PRIVATE to the collection."""

from __future__ import annotations

from ..morpheus import images
from .appliance import Params, open_client, read_tags
from .run import Outcome


def work_image_info(params: Params, _check_mode: bool) -> Outcome:
    """Return the virtual images of a name, with certain tags, or all that users made."""
    client = open_client(params)
    wanted = read_tags(params).items()
    found = [
        each.as_result()
        for each in images.list_images(client, name=params["name"] or "")
        if wanted <= each.tags.items()
    ]
    return Outcome(False, {"images": found})
