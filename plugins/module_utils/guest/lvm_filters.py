# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""LVM's filters in lvm.conf: which devices it looks at, read and edited in place (lvm.conf(5), "filter").

    filter = [ "a|^/dev/sda2$|", "r/.*/" ]      accept, reject: the first pattern that matches decides;
                                                what none matches is accepted

A pattern is a letter, a delimiter, a regular expression and the delimiter (filter-regex.c of lvm2).
"""

from __future__ import annotations

import re
from typing import Iterator, List, NamedTuple, Optional, Tuple

# A filter may also be written at the top, as `devices/filter`.
_SETTINGS = ("devices/filter", "devices/global_filter")
_TOKEN = re.compile(
    r"#[^\n]*|(?P<string>\"(?:\\.|[^\"\\])*\"|'[^']*')|(?P<mark>[{}\[\]=])|(?P<word>[^\s#\"'{}\[\]=,]+)",
    re.DOTALL,
)
# All other backslashes stay, for the regular expression (lvm2 2.03.16's dumpconfig shows it).
_ESCAPED = re.compile(r"\\([\\\"])")
_CLOSING = {"(": ")", "[": "]", "{": "}"}
# In a regular expression of LVM's: an escaped character, or a plain one (parse_rx.c).
_CHARACTER = re.compile(r"\\(.)|(.)", re.DOTALL)
# To LVM a set that matches nothing, to Python the beginning of one.
_EMPTY_SET = re.compile(r"\[\^?\]")
_BY_LETTER = {"n": "\n", "r": "\r", "t": "\t"}


class PatternError(ValueError):
    """A pattern that cannot be read here; its text is the message."""


class Filter(NamedTuple):
    """An active filter: its setting, its patterns without quotes, and where the first one begins.

    `end` is that of the last pattern; `is_list` tells whether brackets are around them.
    """

    setting: str
    patterns: Tuple[str, ...]
    start: int
    end: int
    is_list: bool


def read_filters(text: str) -> List[Filter]:
    """Return the filters of an lvm.conf that have patterns, in its order; those in comments are none."""
    found: List[Filter] = []
    sections: List[str] = []
    word = ""
    tokens = [token for token in _TOKEN.finditer(text) if token.lastgroup]
    for index, token in enumerate(tokens):
        mark = token.group("mark")
        if mark == "{":
            sections.append(word)
        elif mark == "}" and sections:
            sections.pop()
        elif mark == "=":
            read = _read_filter("/".join([*sections, word]), tokens[index + 1 :])
            found += [read] if read else []
        word = token.group("word") or ""
    return found


def accepts(patterns: Tuple[str, ...], device: str) -> bool:
    """Return whether LVM looks at a device of this one name.

    Raises PatternError for a pattern, up to the one that decides, that cannot be read.
    """
    for pattern in patterns:
        kind, expression = _split(pattern)
        if _compile(expression, pattern).search(device):
            return kind == "a"
    return True


def put_first(text: str, found: Filter, pattern: str) -> str:
    """Return `text` with the pattern, quoted, as the first of the filter that was read from it."""
    if found.is_list:
        return f'{text[: found.start]}"{pattern}", {text[found.start :]}'
    only = text[found.start : found.end]
    return f'{text[: found.start]}[ "{pattern}", {only} ]{text[found.end :]}'


def _read_filter(setting: str, tokens: "List[re.Match[str]]") -> Optional[Filter]:
    is_list = bool(tokens) and tokens[0].group() == "["
    strings = list(_strings(tokens[1:] if is_list else tokens[:1]))
    if setting not in _SETTINGS or not strings:
        return None
    patterns = tuple(_unquoted(each.group()) for each in strings)
    return Filter(setting, patterns, strings[0].start(), strings[-1].end(), is_list)


def _strings(tokens: "List[re.Match[str]]") -> "Iterator[re.Match[str]]":
    """Yield the strings up to what is none."""
    for token in tokens:
        if not token.group("string"):
            return
        yield token


def _unquoted(string: str) -> str:
    inner = string[1:-1]
    return _ESCAPED.sub(r"\1", inner) if string[0] == '"' else inner


def _split(pattern: str) -> Tuple[str, str]:
    kind, opening, rest = pattern[:1], pattern[1:2], pattern[2:]
    if kind not in ("a", "r") or not rest or rest[-1] != _CLOSING.get(opening, opening):
        raise PatternError(pattern)
    return kind, rest[:-1]


def _compile(expression: str, pattern: str) -> "re.Pattern[str]":
    if _EMPTY_SET.search(expression):
        raise PatternError(pattern)
    try:
        return re.compile(_as_python(expression))
    except re.error as error:
        raise PatternError(pattern) from error


def _as_python(expression: str) -> str:
    """Return the expression as Python writes it: LVM has neither classes by letter nor counts in braces."""
    written = []
    is_set = False
    for escaped, plain in _CHARACTER.findall(expression):
        literal = escaped or plain in "{}" or (is_set and plain == "[")
        if literal:
            written.append(re.escape(_BY_LETTER.get(escaped, escaped) or plain))
        else:
            is_set = plain != "]" if is_set else plain == "["
            written.append(plain)
    return "".join(written)
