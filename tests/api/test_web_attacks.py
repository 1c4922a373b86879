"""Attempts to get more out of the page than its user's rights, or to use a user's browser for that: each is refused."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

import pytest

from controller.cli.web.door import HEADERS, MAX_TOKEN
from tests.cluster import Cluster
from tests.users import grant, token
from tests.web_page import ANSWER_SECONDS, Answer, Served, Tab, cluster_page

REFUSED = frozenset({400, 401, 403, 404, 405, 413, 415, 421, 431})
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Stage:
    """A server in the cluster's form, with a victim who is logged in, and the attacker's own session."""

    served: Served
    secret: str
    victim: Tab
    attacker: Tab
    csrf: str
    attackers_csrf: str


@pytest.fixture(scope="module")
def stage(api_cluster: Cluster) -> Iterator[Stage]:
    """Two accounts that may look, and their browsers."""
    api_cluster.kubectl("create", "namespace", "web-attacks")
    for name in ("victim", "attacker"):
        api_cluster.kubectl("-n", "web-attacks", "create", "serviceaccount", name)
        grant(api_cluster, None, "runwatchman-view", f"--serviceaccount=web-attacks:{name}")
    with cluster_page(api_cluster, "--url", "https://runs.example.com") as served:
        secret = token(api_cluster, "web-attacks", "victim")
        victim, attacker = served.tab(secret), served.tab(token(api_cluster, "web-attacks", "attacker"))
        csrf, other = victim.get("/").csrf, attacker.get("/").csrf
        yield Stage(served, secret, victim, attacker, csrf, other)


EVIL = "https://evil.example"
FOREIGN = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Origin": EVIL}
FRAMED = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
BLANK = {"Sec-Fetch-Site": "", "Sec-Fetch-Mode": "", "Sec-Fetch-Dest": ""}
OWN = {"Sec-Fetch-Site": "same-origin", "Content-Type": FORM}

ATTEMPTS: dict[str, tuple[str, str, dict[str, str], str | None]] = {
    # A form or script of another site, with the victim's cookie (CSRF).
    "form of another site": ("POST", "/logout", {**FOREIGN, "Content-Type": FORM}, "csrf={csrf}"),
    "form of another site without Origin": ("POST", "/logout", {**BLANK, "Content-Type": FORM}, "csrf={csrf}"),
    "form from a sandboxed frame": ("POST", "/logout", {**BLANK, "Origin": "null", "Content-Type": FORM}, "csrf={csrf}"),
    "form of a sibling domain": (
        "POST",
        "/logout",
        {**FOREIGN, "Sec-Fetch-Site": "same-site", "Content-Type": FORM},
        "csrf={csrf}",
    ),
    "form of another port": ("POST", "/logout", {"Origin": "http://localhost:1", "Content-Type": FORM}, "csrf={csrf}"),
    "form of another scheme": ("POST", "/logout", {"Origin": "ftp://localhost", "Content-Type": FORM}, "csrf={csrf}"),
    "form whose Origin ends in ours": (
        "POST",
        "/logout",
        {"Origin": "https://xruns.example.com", "Content-Type": FORM},
        "csrf={csrf}",
    ),
    "form without its token": ("POST", "/logout", OWN, ""),
    "form with an empty token": ("POST", "/logout", OWN, "csrf="),
    "form with the attacker's token": ("POST", "/logout", OWN, "csrf={attackers_csrf}"),
    "form with a guessed token": ("POST", "/logout", OWN, "csrf=" + "0" * 64),
    "form with a token that is no ASCII": ("POST", "/logout", OWN, "csrf=%E2%98%83"),
    "form with its token in the address": ("POST", "/logout?csrf={csrf}", OWN, ""),
    "form as plain text": ("POST", "/logout", {**OWN, "Content-Type": "text/plain"}, "csrf={csrf}"),
    "form as JSON": ("POST", "/logout", {**OWN, "Content-Type": "application/json"}, '{{"csrf": "{csrf}"}}'),
    "form in parts": ("POST", "/logout", {**OWN, "Content-Type": "multipart/form-data; boundary=x"}, "csrf={csrf}"),
    "form by GET": ("GET", "/logout?csrf={csrf}", OWN, None),
    "form under another method": ("GET", "/logout?_method=POST&csrf={csrf}", {**OWN, "X-HTTP-Method-Override": "POST"}, None),
    "form for a login as the attacker": ("POST", "/login", {**FOREIGN, "Content-Type": FORM}, "token=x&csrf={attackers_csrf}"),
    "script of another site reads a page": ("GET", "/", FOREIGN, None),
    "script of another site reads a stream": ("GET", "/live/", FOREIGN, None),
    "image of another site": ("GET", "/", {**FOREIGN, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, None),
    "preflight": ("OPTIONS", "/logout", {**FOREIGN, "Access-Control-Request-Method": "POST"}, None),
    "answer from another site": ("POST", "/inbox/a/b", {**FOREIGN, "Content-Type": FORM}, "csrf={csrf}&choice=approve&uid=x"),
    "answer without its token": ("POST", "/inbox/a/b", OWN, "choice=approve&uid=x"),
    "stop from another site": ("POST", "/runs/a/b/stop", {**FOREIGN, "Content-Type": FORM}, "csrf={csrf}"),
    "stop without its token": ("POST", "/runs/a/b/stop", OWN, "uid=x"),
    "stop by GET": ("GET", "/runs/a/b/stop?csrf={csrf}", FOREIGN, None),
    "halt from another site": ("POST", "/limits/halt", {**FOREIGN, "Content-Type": FORM}, "csrf={csrf}&reason=x&scope=cluster"),
    "halt without its token": ("POST", "/limits/halt", OWN, "reason=x&scope=cluster"),
    "changes from another site": ("POST", "/runs/a/b/diff/c", {**FOREIGN, "Content-Type": FORM}, "csrf={csrf}&uid=x"),
    "changes without their token": ("POST", "/runs/a/b/diff/c", OWN, "uid=x"),
    "changes with the attacker's token": ("POST", "/runs/a/b/diff/c", OWN, "csrf={attackers_csrf}&uid=x"),
    "changes by GET": ("GET", "/runs/a/b/diff/c?csrf={csrf}&uid=x", FOREIGN, None),
    "script of another site reads a log": ("GET", "/follow/runs/a/b/logs/c", FOREIGN, None),
    # Frames (clickjacking).
    "page in a frame": ("GET", "/", FRAMED, None),
    "page in an object": ("GET", "/", {**FRAMED, "Sec-Fetch-Dest": "object"}, None),
    # Another name for this server (rebinding).
    "foreign Host": ("GET", "/", {"Host": "evil.example"}, None),
    "foreign Host with our port": ("GET", "/", {"Host": "evil.example:{port}"}, None),
    "our Host at another port": ("GET", "/", {"Host": "localhost:1"}, None),
    "our Host with a dot": ("GET", "/", {"Host": "runs.example.com."}, None),
    "our Host with a user": ("GET", "/", {"Host": "x@runs.example.com"}, None),
    "Host by a proxy's header": ("GET", "/", {"Host": "evil.example", "X-Forwarded-Host": "runs.example.com"}, None),
    "foreign Host for the login": ("GET", "/login", {"Host": "evil.example"}, None),
    "foreign Host for a static file": ("GET", "/static/x/page.js", {"Host": "evil.example"}, None),
    # Without a session, or with a wrong one.
    "a stream without a session": ("GET", "/live/", {"Cookie": "runwatchman=x"}, None),
    "a log without a session": ("GET", "/follow/runs/a/b/logs/c", {"Cookie": "runwatchman=x"}, None),
    "a stream with an empty cookie": ("GET", "/live/", {"Cookie": "runwatchman="}, None),
    "a stream with the token as a cookie": ("GET", "/live/", {"Cookie": "runwatchman={secret}"}, None),
    "a stream with a bearer token in a header": ("GET", "/live/", {"Cookie": "x=y", "Authorization": "Bearer {secret}"}, None),
    "a stream as a user by a proxy's header": ("GET", "/live/", {"Cookie": "x=y", "X-Remote-User": "admin"}, None),
    # Paths to other files, hosts and parts of the API.
    "a step upwards": ("GET", "/static/../../../../etc/passwd", {}, None),
    "an encoded step upwards": ("GET", "/static/x/..%2f..%2f..%2fetc%2fpasswd", {}, None),
    "a double encoded step upwards": ("GET", "/static/x/%252e%252e%252fpasswd", {}, None),
    "a backslash": ("GET", "/static/x/..\\..\\rendering.py", {}, None),
    "our own code": ("GET", "/static/x/rendering.py", {}, None),
    "a licence that is no page": ("GET", "/static/x/htmx.LICENSE", {}, None),
    "an absolute path": ("GET", "/static/x//etc/passwd", {}, None),
    "a path as a host": ("GET", "//evil.example/", {**FRAMED, "Sec-Fetch-Dest": "document"}, None),
    "a backslash as a host": ("GET", "/\\evil.example/", {**FRAMED, "Sec-Fetch-Dest": "document"}, None),
    "a null byte": ("GET", "/static/x/page.js%00.css", {}, None),
    "the API server's path": ("GET", "/api/v1/secrets", {}, None),
    "the API server's path behind a page": ("GET", "/runs/x%2f..%2f..%2fsecrets/y", {}, None),
    "a step upwards as a namespace": ("GET", "/runs/%2e%2e/y", {}, None),
    "a step upwards as a Run": ("GET", "/runs/web-attacks/%2e%2e", {}, None),
    "a query behind a name": ("GET", "/runs/web-attacks/y%3fwatch=true", {}, None),
    "an address of the cloud's metadata": ("GET", "/http://169.254.169.254/latest/meta-data", {}, None),
    # Too much.
    "a form that is too large": ("POST", "/logout", OWN, "csrf={csrf}&x=" + "x" * 100_000),
    "a token that is too large": ("POST", "/login", OWN, "csrf={csrf}&token=" + "x" * (MAX_TOKEN + 1)),
    "a token of two lines": ("POST", "/login", OWN, "csrf={csrf}&token=a%0d%0aX-Evil:%20b"),
    "a token that the API server does not know": ("POST", "/login", OWN, "csrf={csrf}&token=abc"),
    # Methods.
    "PUT": ("PUT", "/", {}, "x"),
    "DELETE": ("DELETE", "/", {}, None),
    "TRACE": ("TRACE", "/", {}, None),
    "CONNECT": ("CONNECT", "/", {}, None),
}
"""What somebody tries -> the method, the path, headers beside the victim's, and the body."""


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_an_attempt_is_refused(stage: Stage, attempt: tuple[str, str, dict[str, str], str | None]) -> None:
    """The answer is an error with the headers of every answer, and the victim stays logged in."""
    method, path, headers, body = attempt
    known = {"csrf": stage.csrf, "attackers_csrf": stage.attackers_csrf, "secret": stage.secret, "port": stage.served.port}
    filled = {name: value.format(**known) for name, value in headers.items()}
    cookies = dict(stage.victim.cookies)
    answer = stage.victim.send(method, path.format(**known), body.format(**known) if body is not None else None, filled)
    stage.victim.cookies = cookies
    assert answer.code in REFUSED, answer.text
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "root:" not in answer.text
    assert "Why" not in answer.text
    assert stage.victim.get("/").code == HTTPStatus.OK


RAW = {
    "two Hosts": "GET / HTTP/1.1\r\nHost: localhost:{port}\r\nHost: evil.example\r\n\r\n",
    "no Host": "GET / HTTP/1.1\r\n\r\n",
    "HTTP/1.0 without a Host": "GET / HTTP/1.0\r\n\r\n",
    "an absolute address": "GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "a space before the colon": "GET / HTTP/1.1\r\nHost : localhost:{port}\r\n\r\n",
    "two lengths": "POST /login HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n",
    "a length beside chunks": (
        "POST /login HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "a header over two lines": "GET / HTTP/1.1\r\nHost: localhost:{port}\r\nX: a\r\n b\r\n\r\n",
    "a header without an end": "GET / HTTP/1.1\r\nX: " + "x" * 100_000 + "\r\n\r\n",
}


@pytest.mark.parametrize("request_text", RAW.values(), ids=RAW)
def test_a_request_that_no_browser_sends_is_refused(stage: Stage, request_text: str) -> None:
    """No text that two servers could read in two ways reaches a page."""
    with socket.create_connection(("127.0.0.1", stage.served.port), ANSWER_SECONDS) as connection:
        connection.sendall(request_text.format(port=stage.served.port).encode())
        line = connection.makefile("rb").readline().decode()
    assert line.startswith(("HTTP/1.1 4", "HTTP/1.0 4", "HTTP/1.1 303")), line


def test_a_link_of_another_site_is_followed_in_two_steps(stage: Stage) -> None:
    """The first answer has nothing of the user's: it opens the same address again, from here, and so with the cookie."""
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Cookie": ""}
    answer = stage.victim.send("GET", "/?phase=Running", headers=link)
    assert (answer.code, re.findall('content="0;url=([^"]*)"', answer.text)) == (200, ["/?phase=Running"])
    assert "Set-Cookie" not in answer.headers


ONWARD = (
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example",
    "javascript:alert(1)",
    "/logout",
    "/x\r\nSet-Cookie: a=b",
    "/start/x",
)


@pytest.mark.parametrize("onward", ONWARD)
def test_a_login_leads_nowhere_else(stage: Stage, onward: str) -> None:
    """A link to the login page decides only which page of ours comes next."""
    answer = stage.served.log_in(stage.served.tab(), stage.secret, onward)
    assert (answer.code, answer.headers["Location"]) == (303, "/")
    assert stage.served.log_in(stage.served.tab(), stage.secret, "/inbox?namespace=a").headers["Location"] == "/inbox?namespace=a"


def test_a_login_changes_the_cookie(stage: Stage) -> None:
    """A cookie that somebody else knows is worth nothing after the login; and a session ends for every tab at a logout."""
    tab = stage.served.tab()
    tab.cookies = {"runwatchman": "known-to-the-attacker"}
    assert stage.served.log_in(tab, stage.secret).code == HTTPStatus.SEE_OTHER
    assert tab.cookies["runwatchman"] != "known-to-the-attacker"
    twin = Tab(tab.port, tab.host, dict(tab.cookies))
    assert tab.post("/logout", {"csrf": tab.get("/").csrf}).code == HTTPStatus.SEE_OTHER
    assert [each.get("/live/").code for each in (tab, twin)] == [401, 401]


def test_cookies_are_strict_and_secure_over_tls(stage: Stage) -> None:
    """Over TLS the name has the prefix that no other host can set."""
    plain = stage.served.tab().get("/login")
    tls = stage.served.tab(host="runs.example.com").get("/login")
    assert re.fullmatch(r"runwatchman=[\w-]{43}; HttpOnly; Path=/; SameSite=Strict", plain.headers["Set-Cookie"])
    assert re.fullmatch(r"__Host-runwatchman=[\w-]{43}; HttpOnly; Path=/; SameSite=Strict; Secure", tls.headers["Set-Cookie"])


def test_no_token_is_written_anywhere(stage: Stage) -> None:
    """Neither the log nor a page nor an address has a token or a cookie in it, and answers are not stored."""
    pages = [stage.victim.get(path) for path in ("/", "/?phase=x", "/nothing", "/login")]
    seen = "".join(_whole(page) for page in pages) + stage.served.log.read_text()
    assert stage.secret not in seen
    assert stage.victim.cookies["runwatchman"] not in seen
    assert all(page.headers["Referrer-Policy"] == "no-referrer" and page.headers["Cache-Control"] == "no-store" for page in pages)


def _whole(answer: Answer) -> str:
    return answer.text + "".join(f"{name}: {value}\n" for name, value in answer.headers.items() if name != "Set-Cookie")
