"""Who may talk to the server."""

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from seamwise_web.application import FILES
from seamwise_web.guard import Guard


def test_the_page_comes_with_the_token(client):
    answer = client.get("")
    assert answer.status_code == 200
    assert answer.text == (FILES / "index.html").read_text()
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_the_address_without_its_last_slash_leads_to_the_page(client):
    answer = client.get("http://127.0.0.1:8123/the-token", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/the-token/")


@pytest.mark.parametrize(
    "path", ["/", "/wrong/", "/the-tokem/api/start", "/main.js", "//the-token/"]
)
def test_a_wrong_token_is_refused_in_words(client, path):
    answer = client.get(f"http://127.0.0.1:8123{path}")
    assert answer.status_code == 403
    assert "lacks the right key" in answer.text


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8123", "127.0.0.1", "127.0.0.1:1"])
def test_another_host_is_refused(client, host):
    answer = client.get("api/start", headers={"Host": host})
    assert answer.status_code == 403
    assert "127.0.0.1 only" in answer.text


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:8123"]
)
def test_another_origin_is_refused(client, origin):
    answer = client.post("api/pictures", json={}, headers={"Origin": origin})
    assert answer.status_code == 403
    assert "Another web site" in answer.text


def test_of_two_origins_each_must_be_that_of_the_page(client):
    headers = [("origin", "http://127.0.0.1:8123"), ("origin", "http://evil.example")]
    assert client.get("", headers=headers).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8123", "localhost:8123"])
def test_the_names_of_this_computer_are_accepted(client, host):
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert client.get("api/start", headers=headers).status_code == 200


def test_a_browser_leaves_port_80_out():
    async def app(scope, receive, send):
        await PlainTextResponse("page")(scope, receive, send)

    browser = TestClient(Guard(app, token="key", port=80), base_url="http://127.0.0.1/key/")
    answer = browser.get("", headers={"Origin": "http://127.0.0.1"})
    assert (answer.status_code, answer.text) == (200, "page")


def test_what_does_not_exist_is_answered_in_words(client):
    for path in ("nothing.js", "api/nothing", "../../pyproject.toml", "%2e%2e/guard.py"):
        answer = client.get(path)
        assert answer.status_code in (403, 404), path
        assert "import" not in answer.text
    assert client.get("api/nothing").json()["error"] == "the page has nothing at this address"


def test_the_page_fetches_nothing_from_elsewhere():
    for path in FILES.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text, path
        assert " style=" not in text, path  # the policy forbids it
