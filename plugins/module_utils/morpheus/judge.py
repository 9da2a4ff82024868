# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What an answer of the appliance means. PRIVATE to the collection.

Pure: an answer in, its JSON object or an error out. The appliance says no in many ways (a status, a
200 with `success: false`, a proxy's HTML page), and its words go to the operator, without secrets.
"""

from __future__ import annotations

import html
import json
import re
from typing import Any, Dict, Optional, Sequence

from ..errors import FerryError
from .errors import BusyError, GoneError, RefusedError, UnexpectedAnswerError
from .parse import Json
from .transport import Answer, Request

# Enough for a sentence or two; pages of HTML and stack traces help nobody.
MAX_QUOTE = 300


def judged(request: Request, answer: Answer, *, secrets: Sequence[str]) -> Json:
    """Return the answer's JSON object if the appliance did what was asked, else raise why not."""
    content = _json_object(answer.body)
    said = without_secrets(_message(answer, content), secrets)
    if answer.status == 404:
        raise GoneError(
            f"The appliance has nothing at {request}: {said}",
            hint="It was removed meanwhile, or the user may not see it.",
        )
    if not 200 <= answer.status < 300:
        raise _refusal(request, answer.status, said)
    if content is None:
        raise UnexpectedAnswerError(
            f"The answer to {request} is not JSON: {said}",
            hint="Check that the url is that of a Morpheus appliance, not of a page before it.",
        )
    if content.get("success") is False:
        raise _refusal(request, answer.status, said)
    return content


def raise_if_busy(request: Request, answer: Answer, *, secrets: Sequence[str]) -> None:
    """Raise `BusyError` for the statuses that pass by themselves."""
    if answer.status != 429 and answer.status < 500:
        return
    said = without_secrets(_message(answer, _json_object(answer.body)), secrets)
    raise BusyError(
        f"The appliance cannot answer {request} now (HTTP {answer.status}): {said}",
        hint="Run again. If it repeats, the appliance's own log says more.",
        status=answer.status,
        retry_after=_seconds(answer.headers.get("retry-after")),
    )


def without_secrets(message: str, secrets: Sequence[str]) -> str:
    """Return the message with every secret replaced: an appliance may echo what it was sent."""
    for secret in secrets:
        if secret:
            message = message.replace(secret, "********")
    return message


def _refusal(request: Request, status: int, said: str) -> FerryError:
    if status == 403:
        return RefusedError(
            f"The user may not do {request}: {said}",
            hint="Give the user's role this permission on the appliance.",
        )
    if 300 <= status < 400:
        return UnexpectedAnswerError(
            f"The appliance answers {request} with a redirection (HTTP {status}): {said}",
            hint="Give the final address as url; Ferry carries no token to another one.",
        )
    return RefusedError(
        f"The appliance refused {request} (HTTP {status}): {said}",
        hint="Its message names what it did not like.",
    )


def _json_object(body: bytes) -> Optional[Dict[str, Any]]:
    try:
        content = json.loads(body.decode("utf-8"))
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _message(answer: Answer, content: Optional[Json]) -> str:
    if content is None:
        return _quote(answer.headers.get("location") or _text_of_page(answer.body))
    parts = [str(content[key]) for key in ("msg", "error_description", "error") if content.get(key)]
    errors = content.get("errors")
    if isinstance(errors, dict):
        parts += [f"{field}: {reason}" for field, reason in sorted(errors.items())]
    return _quote("; ".join(parts))


def _text_of_page(body: bytes) -> str:
    """Return the title of an HTML page, else its words."""
    page = body.decode("utf-8", "replace")
    title = re.search(r"<title[^>]*>(.*?)</title>", page, re.IGNORECASE | re.DOTALL)
    words = title.group(1) if title else re.sub(r"<[^>]*>", " ", page)
    return html.unescape(words)


def _quote(message: str) -> str:
    message = " ".join(message.split())
    if len(message) > MAX_QUOTE:
        message = message[:MAX_QUOTE] + "..."
    return f'"{message}"' if message else "it gave no reason."


def _seconds(retry_after: Optional[str]) -> Optional[float]:
    # The other form, a date, is not used by Morpheus or the proxies before it; then our own pause.
    return float(retry_after) if retry_after and retry_after.isdigit() else None
