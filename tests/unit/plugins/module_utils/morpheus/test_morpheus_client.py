# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's one funnel, against a server that misbehaves in every way that was ever reported."""

from __future__ import annotations

import io
import socket
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import (
    FerryError,
    InputError,
    TransientError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.client import (
    MorpheusClient,
    Password,
    Token,
    version_numbers,
)
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.errors import (
    BusyError,
    CertificateError,
    GoneError,
    LoginError,
    RefusedError,
    TooOldError,
    UnexpectedAnswerError,
    UnreachableError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.transport import (
    HttpsTransport,
    Upload,
)

from tests.unit.plugins.module_utils.conftest import FakeTime
from tests.unit.plugins.module_utils.morpheus.conftest import OpenClient, make_identity
from tests.unit.plugins.module_utils.morpheus.fake_appliance import FakeAppliance, Manner, Reply

THINGS = "/api/things"
BUSY = Reply({"success": False, "msg": "Internal Server Error"}, status=500)
GATEWAY_PAGE = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


def test_login_happens_once_before_the_first_request(
    client: MorpheusClient, appliance: FakeAppliance
) -> None:
    appliance.answers("GET", THINGS, Reply({"things": []}))
    client.get(THINGS)
    client.get(THINGS)
    (login,) = appliance.requests("POST", "/oauth/token")
    # Special characters in passwords broke another client that did not encode its form.
    assert login.form == {"username": "operator", "password": "p!w d"}
    assert login.query == {"grant_type": "password", "scope": "write", "client_id": "morph-api"}
    assert [each.headers["authorization"] for each in appliance.requests("GET", THINGS)] == [
        "Bearer t-1",
        "Bearer t-1",
    ]


def test_expired_token_is_renewed_once_and_the_request_sent_again(
    client: MorpheusClient, appliance: FakeAppliance
) -> None:
    appliance.answers(
        "POST", "/oauth/token", Reply({"access_token": "t-1"}), Reply({"access_token": "t-2"})
    )
    appliance.answers("GET", THINGS, Reply({"n": 1}), Reply(status=401), Reply({"n": 2}))
    assert client.get(THINGS) == {"n": 1}
    assert client.get(THINGS) == {"n": 2}
    assert appliance.requests("GET", THINGS)[-1].headers["authorization"] == "Bearer t-2"


def test_upload_starts_at_the_beginning_again_after_a_renewed_login(
    client: MorpheusClient, appliance: FakeAppliance
) -> None:
    appliance.answers("GET", THINGS, Reply())
    appliance.answers("POST", THINGS, Reply(status=401), Reply({"success": True}))
    client.get(THINGS)
    client.request("POST", THINGS, body=Upload(io.BytesIO(b"0123456789"), 10))
    assert [each.body for each in appliance.requests("POST", THINGS)] == [b"0123456789"] * 2


@pytest.mark.parametrize("status", [400, 401], ids=["OAuth's 400", "401"])
def test_wrong_password_names_the_user_and_not_the_password(
    client: MorpheusClient, appliance: FakeAppliance, status: int
) -> None:
    reply = Reply({"error": "invalid_grant", "error_description": "bad p!w d"}, status=status)
    appliance.answers("POST", "/oauth/token", reply)
    with pytest.raises(LoginError, match="operator") as caught:
        client.get(THINGS)
    assert "p!w" not in str(caught.value)


def test_login_that_gives_a_token_which_is_refused_ends(
    client: MorpheusClient, appliance: FakeAppliance
) -> None:
    appliance.answers("GET", THINGS, Reply(status=401))
    with pytest.raises(LoginError):
        client.get(THINGS)
    assert len(appliance.requests("POST", "/oauth/token")) == 1


def test_refused_token_is_not_exchanged_for_a_login(
    open_client: OpenClient, appliance: FakeAppliance
) -> None:
    appliance.answers("GET", THINGS, Reply(status=401))
    with pytest.raises(LoginError, match="token"):
        open_client(Token("expired")).get(THINGS)
    assert appliance.requests("POST", "/oauth/token") == []


def test_secrets_do_not_show_in_the_credentials(client: MorpheusClient) -> None:
    assert "p!w" not in repr(Password("operator", "p!w d"))
    assert "secret" not in repr(Token("secret"))


def test_what_the_appliance_echoes_is_shown_without_secrets(
    open_client: OpenClient, appliance: FakeAppliance
) -> None:
    appliance.answers("GET", THINGS, Reply({"msg": "bad token s3cr3t-token"}, status=400))
    with pytest.raises(RefusedError) as caught:
        open_client(Token("s3cr3t-token")).get(THINGS)
    assert "s3cr3t" not in str(caught.value)
    assert "bad token" in str(caught.value)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(
    "fault",
    [BUSY, Reply(GATEWAY_PAGE, status=502), Reply(status=429), Reply(manner=Manner.RESET)],
    ids=["500", "502 in HTML", "429", "reset"],
)
def test_passing_fault_of_a_repeatable_request_passes(
    client: MorpheusClient, appliance: FakeAppliance, fake_time: FakeTime, method: str, fault: Reply
) -> None:
    appliance.answers(method, THINGS, fault, fault, Reply({"done": True}))
    assert client.request(method, THINGS) == {"done": True}
    assert fake_time.slept == [1.0, 2.0]


def test_patience_ends_with_the_last_fault(
    client: MorpheusClient, appliance: FakeAppliance
) -> None:
    appliance.answers("GET", THINGS, BUSY)
    with pytest.raises(BusyError, match="Internal Server Error"):
        client.get(THINGS)
    assert len(appliance.requests("GET", THINGS)) == 3


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("fault", [BUSY, Reply(manner=Manner.RESET)], ids=["500", "reset"])
def test_change_that_may_have_been_heard_is_not_sent_twice(
    client: MorpheusClient, appliance: FakeAppliance, method: str, fault: Reply
) -> None:
    appliance.answers(method, THINGS, fault, Reply({"success": True}))
    with pytest.raises(TransientError):
        client.request(method, THINGS, body={})
    assert len(appliance.requests(method, THINGS)) == 1


def test_change_that_was_turned_away_unseen_is_sent_again_when_the_appliance_says(
    client: MorpheusClient, appliance: FakeAppliance, fake_time: FakeTime
) -> None:
    appliance.answers("PUT", THINGS, Reply(status=429, headers={"Retry-After": "7"}), Reply())
    client.request("PUT", THINGS, body={})
    assert fake_time.slept == [7.0]


def test_wait_that_the_appliance_asks_for_has_a_limit(
    client: MorpheusClient, appliance: FakeAppliance, fake_time: FakeTime
) -> None:
    appliance.answers("GET", THINGS, Reply(status=503, headers={"Retry-After": "86400"}), Reply())
    client.get(THINGS)
    assert fake_time.slept == [20.0]


def test_success_false_is_an_error_whatever_the_status(
    client: MorpheusClient, appliance: FakeAppliance
) -> None:
    answer = {"success": False, "errors": {"layout": "Layout not found with id 132499"}}
    appliance.answers("POST", THINGS, Reply(answer))
    with pytest.raises(RefusedError, match="layout: Layout not found with id 132499"):
        client.request("POST", THINGS, body={})


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, RefusedError), (403, RefusedError), (404, GoneError), (406, RefusedError)],
)
def test_refusal_carries_the_appliances_words(
    client: MorpheusClient, appliance: FakeAppliance, status: int, kind: type[FerryError]
) -> None:
    appliance.answers("GET", THINGS, Reply({"success": False, "msg": "Not that"}, status=status))
    with pytest.raises(kind, match="Not that"):
        client.get(THINGS)


def test_html_page_is_quoted_by_its_title(client: MorpheusClient, appliance: FakeAppliance) -> None:
    appliance.answers("GET", THINGS, Reply(GATEWAY_PAGE))
    with pytest.raises(UnexpectedAnswerError, match='not JSON: "502 Bad Gateway"'):
        client.get(THINGS)


@pytest.mark.parametrize("content", ["", "[1, 2]", "null", "\x00\xff"])
def test_answer_that_is_no_object_is_refused(
    client: MorpheusClient, appliance: FakeAppliance, content: str
) -> None:
    appliance.answers("GET", THINGS, Reply(content))
    with pytest.raises(UnexpectedAnswerError):
        client.get(THINGS)


def test_redirection_is_not_followed_with_the_token(
    client: MorpheusClient, appliance: FakeAppliance
) -> None:
    elsewhere = {"Location": f"{appliance.url}/elsewhere"}
    appliance.answers("GET", THINGS, Reply("", status=302, headers=elsewhere))
    with pytest.raises(UnexpectedAnswerError, match="/elsewhere"):
        client.get(THINGS)
    assert appliance.requests("GET", "/elsewhere") == []


def test_stranger_with_another_certificate_hears_nothing(
    open_client: OpenClient, appliance: FakeAppliance, tmp_path: Path
) -> None:
    stranger = make_identity(tmp_path)
    with pytest.raises(CertificateError, match="not trusted") as caught:
        open_client(ca_path=str(stranger.certificate)).get(THINGS)
    assert isinstance(caught.value, InputError)
    assert "ca_path" in caught.value.hint
    assert appliance.heard == []


def test_certificate_for_another_name_is_not_trusted(
    open_client: OpenClient, appliance: FakeAppliance
) -> None:
    appliance.url = appliance.url.replace("127.0.0.1", "localhost")
    with pytest.raises(CertificateError, match="localhost"):
        open_client().get(THINGS)
    assert appliance.heard == []


def test_silence_ends_after_the_timeout(open_client: OpenClient, appliance: FakeAppliance) -> None:
    appliance.answers("PUT", THINGS, Reply(manner=Manner.SILENCE))
    with pytest.raises(UnreachableError, match="no answer in time") as caught:
        open_client(timeout=0.3).request("PUT", THINGS, body={})
    assert f"PUT {THINGS}" in str(caught.value)


def test_closed_port_is_an_error_of_its_own(fake_time: FakeTime) -> None:
    # Bound, and so nobody else's, but not listening.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{taken.getsockname()[1]}"
        transport = HttpsTransport(url, verify_peer=True, timeout=5)
        client = MorpheusClient(transport, Token("t"), clock=fake_time.clock)
        with pytest.raises(UnreachableError, match="cannot be reached: Connection refused"):
            client.request("PUT", THINGS, body={})
    # Nothing was sent, so even a change is tried again.
    assert fake_time.slept == [1.0, 2.0, 4.0, 8.0]


def test_upload_is_streamed_with_its_length(
    client: MorpheusClient, appliance: FakeAppliance
) -> None:
    content = bytes(range(256)) * 12_000
    appliance.answers("POST", THINGS, Reply({"success": True}))
    client.request(
        "POST", THINGS, query={"filename": "w.raw"}, body=Upload(io.BytesIO(content), len(content))
    )
    (heard,) = appliance.requests("POST", THINGS)
    assert heard.body == content
    assert heard.headers["content-length"] == str(len(content))
    assert heard.headers["content-type"] == "application/octet-stream"
    assert heard.query == {"filename": "w.raw"}


def test_upload_that_is_refused_half_way_says_why(
    client: MorpheusClient, appliance: FakeAppliance
) -> None:
    # A proxy's limit on body size: it answers, and closes while the client still sends.
    page = "<html><title>413 Request Entity Too Large</title></html>"
    appliance.answers("POST", THINGS, Reply(page, status=413, manner=Manner.EARLY))
    length = 64 << 20
    with pytest.raises(RefusedError, match="413 Request Entity Too Large"):
        client.request("POST", THINGS, body=Upload(io.BytesIO(bytes(length)), length))


def test_upload_of_a_file_that_shrank_does_not_pretend(
    client: MorpheusClient, appliance: FakeAppliance
) -> None:
    appliance.answers("POST", THINGS, Reply({"success": True}))
    with pytest.raises(InputError, match="ended 90 B"):
        client.request("POST", THINGS, body=Upload(io.BytesIO(b"0123456789"), 100))


def test_cut_upload_is_a_fault_that_may_be_repeated(
    client: MorpheusClient, appliance: FakeAppliance
) -> None:
    appliance.answers("POST", THINGS, Reply(manner=Manner.RESET))
    with pytest.raises(UnreachableError, match="upload of 10 B"):
        client.request("POST", THINGS, body=Upload(io.BytesIO(b"0123456789"), 10))


def test_list_is_read_page_by_page(client: MorpheusClient, appliance: FakeAppliance) -> None:
    pages = [
        Reply({"things": [{"id": n} for n in range(start, end)], "meta": {"total": 205}})
        for start, end in [(0, 100), (100, 200), (200, 205)]
    ]
    appliance.answers("GET", THINGS, *pages)
    found = client.list_all(THINGS, "things", {"name": "x"})
    assert [each["id"] for each in found] == list(range(205))
    asked = [each.query for each in appliance.requests("GET", THINGS)]
    assert [query["offset"] for query in asked] == ["0", "100", "200"]
    assert {query["name"] for query in asked} == {"x"}


@pytest.mark.parametrize("meta", [{}, {"meta": {"total": 500}}], ids=["no total", "wrong total"])
def test_list_that_ignores_the_offset_ends(
    client: MorpheusClient, appliance: FakeAppliance, meta: dict[str, object]
) -> None:
    # Networks and data stores have no offset in the vendor's description.
    appliance.answers("GET", THINGS, Reply({"things": [{"id": n} for n in range(100)], **meta}))
    assert len(client.list_all(THINGS, "things")) == 100
    assert len(appliance.requests("GET", THINGS)) == 2


def test_empty_list_takes_one_request(client: MorpheusClient, appliance: FakeAppliance) -> None:
    appliance.answers("GET", THINGS, Reply({"things": None}))
    assert client.list_all(THINGS, "things") == []


def test_removing_what_is_gone_is_a_success(
    client: MorpheusClient, appliance: FakeAppliance
) -> None:
    appliance.answers("DELETE", THINGS, BUSY, Reply({"msg": "not found"}, status=404))
    client.remove(THINGS)
    assert len(appliance.requests("DELETE", THINGS)) == 2


def test_removal_that_takes_its_time_is_not_sent_twice(
    client: MorpheusClient, appliance: FakeAppliance
) -> None:
    appliance.answers("DELETE", THINGS, BUSY, Reply({"success": True}))
    with pytest.raises(BusyError):
        client.remove(THINGS, once=True)
    assert len(appliance.requests("DELETE", THINGS)) == 1


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("8.0.8", (8, 0, 8)), ("8.0.13-2", (8, 0, 13)), ("8.1.2-SNAPSHOT", (8, 1, 2)), ("", ())],
)
def test_version_is_read_as_numbers(version: str, numbers: tuple[int, ...]) -> None:
    assert version_numbers(version) == numbers


@pytest.mark.parametrize("version", ["8.0.8", "8.0.13-2", "8.1.2", "9.0.0"])
def test_appliance_that_is_new_enough_is_taken(
    client: MorpheusClient, appliance: FakeAppliance, version: str
) -> None:
    appliance.answers("GET", "/api/whoami", Reply({"appliance": {"buildVersion": version}}))
    assert client.require_version() == version


def test_appliance_that_is_too_old_is_refused_with_both_versions(
    client: MorpheusClient, appliance: FakeAppliance
) -> None:
    appliance.answers("GET", "/api/whoami", Reply({"appliance": {"buildVersion": "8.0.7"}}))
    with pytest.raises(TooOldError, match=r"version 8\.0\.7, Ferry needs 8\.0\.8"):
        client.require_version()


def test_something_else_that_speaks_json_is_not_an_appliance(
    client: MorpheusClient, appliance: FakeAppliance
) -> None:
    appliance.answers("GET", "/api/whoami", Reply({"hello": "world"}))
    with pytest.raises(UnexpectedAnswerError, match="url"):
        client.require_version()


@pytest.mark.parametrize("url", ["http://appliance", "ftp://appliance", "https://"])
def test_only_https_is_spoken(url: str) -> None:
    with pytest.raises(InputError, match="not an https address"):
        HttpsTransport(url, verify_peer=True, timeout=1)


def test_missing_certificate_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.pem"):
        HttpsTransport(
            "https://appliance", ca_path=str(tmp_path / "nowhere.pem"), verify_peer=True, timeout=1
        )
