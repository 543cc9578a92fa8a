#!/usr/bin/env python3
"""A recording server with a small application for each port.

    fake.py APP PORT LOG [FLAG...]

PORT 0 is any free port, which is printed. LOG gets a JSON line for each request: its number `n`, seconds `t`,
connection `c`, method `m`, URL `u`, headers `h`, body `b`, and the status `s` of the response.
"""
import base64, hashlib, hmac, itertools, json, re, sys, threading, time, uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

LOCK = threading.Lock()
SEQ = itertools.count(1)
CONN = itertools.count(1)
STATE = {}


def j(code, obj, **headers):
    return code, {"Content-Type": "application/json", **headers}, json.dumps(obj).encode()


def html(code, text, **headers):
    return code, {"Content-Type": "text/html", **headers}, text.encode()


def redirect(code, to, **headers):
    return code, {"Location": to, **headers}, b""


# otel demo shop
def otel(r):
    if r.path.startswith("/api/products/"):
        return j(200, {"id": r.path.rsplit("/", 1)[1]})
    if r.path.startswith("/ofrep/"):
        return j(200, {"value": 2})
    if r.path.endswith(".cfm"):
        return html(500 if "removeold" in r.path and STATE.setdefault("n", itertools.count()).__next__() % 2 else 200, "quote")
    return j(200, {"ok": True})


# sock shop
SOCKS = [{"id": f"sock-{i}", "imageUrl": [f"/catalogue/images/s{i}a.jpg", f"/catalogue/images/s{i}b.jpg"]} for i in range(5)]


def socks(r):
    p, m = r.path, r.method
    if p == "/customers" and m == "GET":
        return j(200, {"_embedded": {"customer": [{"username": "someone"}]}})
    if p in ("/register", "/customers"):
        return j(200, {"id": "cust-" + uuid.uuid4().hex[:6]})
    if p == "/login":
        ok = "wrong_user" not in base64.b64decode(r.headers.get("authorization", "Basic ")[6:]).decode()
        return j(200, {}, **{"Set-Cookie": "logged_in=abc; Path=/"}) if ok else j(401, {})
    if p == "/catalogue":
        return j(200, SOCKS)
    if p == "/tags":
        return j(200, {"tags": ["blue", "green", "sport", "formal"], "err": None})
    if p == "/cart" and m == "GET":
        return j(200, STATE.get("cart", [{"itemId": "sock-1", "unitPrice": 30.0, "quantity": 4}]))
    if p == "/cart" and m == "POST":
        return j(201, {})
    if p == "/orders" and m == "POST":
        return j(500, {}) if r.body == b"{}" else j(406, {"message": "declined"})
    return j(200, {})


# Iaso
def iaso(r):
    if r.path == "/api/token/":
        return j(200, {"access": "jwt-" + r.json["username"]})
    if r.path == "/api/mobile/orgunits/" and r.method == "GET":
        return j(200, {"has_next": r.query.get("page") == ["1"]})
    if r.path == "/api/mobile/entities/":
        return j(200, {"has_next": False})
    return j(200, {})


# login.gov-like sign-up: HTML forms, CSRF tokens, redirects
def idp(r):
    p = r.path
    tok = "tok-" + uuid.uuid4().hex[:10]
    page = lambda extra="": html(200, f'<html><form><input type="hidden" name="authenticity_token" value="{tok}" autocomplete="off">{extra}</form></html>')
    form = r.form
    if r.method == "POST" and not form.get("authenticity_token", [""])[0].startswith("tok-"):
        return html(422, "bad csrf")
    if p == "/sign_up/enter_email" and r.method == "GET":
        return html(200, f'<input name="authenticity_token" value="{tok}">', **{"Set-Cookie": f"_idp_session={uuid.uuid4().hex}; Path=/; HttpOnly"})
    step = {"/sign_up/enter_email": "/sign_up/verify_email", "/sign_up/create_password": "/authentication_methods_setup",
            "/authentication_methods_setup": "/phone_setup", "/phone_setup": "/login/two_factor/sms",
            "/login/two_factor/sms": "/auth_method_confirmation", "/auth_method_confirmation/skip": "/account"}
    if r.method == "POST" and p in step:
        if STATE.get("lock"):
            return redirect(302, "/locked")
        return redirect(302, step[p])
    if p == "/sign_up/verify_email":
        return html(200, '<a id="confirm-now" href="/sign_up/email/confirm?confirmation_token=CT%2F1&amp;x=1">CONFIRM NOW</a>')
    if p == "/sign_up/email/confirm":
        return redirect(302, "/sign_up/enter_password?confirmation_token=" + r.query["confirmation_token"][0].replace("/", "%2F"))
    if p == "/sign_up/enter_password":
        return page('<input name="confirmation_token" value="CT/1"><input name="confirmation_token" value="second">')
    if p == "/login/two_factor/sms":
        return page('<input name="code" value="654321">')
    return page()


# sign-in to the same service: who comes with the cookie of a device needs no code
def signin(r):
    p, cookies = r.path, dict(re.findall(r"(\w+)=([^;]*)", r.headers.get("cookie", "")))
    token = '<input name="authenticity_token" value="tok-%s">' % uuid.uuid4().hex[:10]
    session = cookies.get("session")
    if p == "/" and r.method == "GET":
        return html(200, token, **({} if session else {"Set-Cookie": f"session={uuid.uuid4().hex}; Path=/"}))
    if p == "/":
        STATE[session] = r.form["user[email]"][0]
        known = cookies.get("remember_device") == "dev-" + STATE[session]
        return redirect(302, "/account" if known else "/login/two_factor/sms")
    if p == "/login/two_factor/sms" and r.method == "POST":
        return redirect(302, "/account", **{"Set-Cookie": f"remember_device=dev-{STATE[session]}; Path=/"})
    if p == "/login/two_factor/sms":
        return html(200, token + '<input name="code" value="654321">')
    return html(200, token)


# Langflow
def langflow(r):
    if r.path == "/health":
        return j(200, {"status": "ok"})
    n = next(STATE.setdefault("n", itertools.count(1)))
    if n % 7 == 0:
        return j(200, {"detail": f"flow {n} broke"})
    if n % 11 == 0:
        return j(503, {})
    return j(200, {"outputs": [{"a": 1}]})


# robot shop
PRODUCTS = [{"sku": f"SKU{i}", "instock": 0 if i % 3 == 0 else i} for i in range(6)]


def robot(r):
    p = r.path
    if p == "/api/user/uniqueid":
        return j(200, {"uuid": "anonymous-" + uuid.uuid4().hex[:6]})
    if p == "/api/catalogue/products":
        return j(200, PRODUCTS)
    if p.startswith("/api/cart/cart/"):
        return j(200, {"total": 20.5, "items": [{"sku": "SKU1", "qty": 1}, {"sku": "SHIP", "qty": 1}]})
    if p == "/api/shipping/codes":
        return j(200, [{"code": "us", "name": "United States"}, {"code": "ch", "name": "Switzerland"}, {"code": "de", "name": "Germany"}])
    if p.startswith("/api/shipping/cities/"):
        return j(200, [{"uuid": 11, "name": "Zürich"}, {"uuid": 12, "name": 'Biel "Bienne"'}])
    if p.startswith("/api/shipping/calc/"):
        return j(200, {"distance": 12.5, "cost": 1.25})
    if p.startswith("/api/shipping/confirm/"):
        return j(200, {"total": 21.75, "tax": 3.5, "items": [{"sku": "SKU1"}]})
    return j(200, {"ok": 1})


# photo site
def photos(r):
    p = r.path
    if p == "/photos" and r.method == "GET":
        n = STATE["page"] = STATE.get("page", 0) + 1
        return j(200, {"items": [{"uri": f"/img/{i}.jpg"} for i in range(n % 4)], "metadata": {"nextToken": None if n % 3 == 0 else f"t{n}"}})
    if p == "/models" and r.method == "GET":
        return j(200, {"items": [{"modelSlug": "anna-kowalski-1a2b3", "version": 3}, {"modelSlug": "jan-nowak-9z8y7", "version": 1}], "metadata": {"nextToken": None}})
    if p == "/models" and r.method == "POST":
        return j(201, {**r.json, "version": 1})
    if p == "/photos" and r.method == "POST":
        return j(201, {"uploadUri": f"http://{r.headers['host']}/upload/{r.json['photoSlug']}?sig=a%2Bb"})
    return j(200, {})


# support chat
def chat(r):
    p, m = r.path, r.method
    if p == "/api/auth/register":
        return j(201, {})
    if p == "/api/auth/login":
        return j(200, {"access_token": "tk-" + r.json["email"][:12]})
    if r.headers.get("authorization", "")[:10] != "Bearer tk-":
        return j(401, {})
    if p == "/api/conversations/":
        i = next(STATE.setdefault("c", itertools.count(1)))
        STATE[i] = {"polls": 0, "msgs": []}
        return j(201, {"id": i})
    mm = re.match(r"/api/conversations/(\d+)(/messages)?$", p)
    c = STATE[int(mm[1])]
    if m == "POST":
        if STATE.get("race") and c["msgs"]:
            return j(409, {})
        i = next(STATE.setdefault("m", itertools.count(100)))
        c["msgs"].append({"id": i, "sender_type": "user"})
        c["polls"] = 0
        return j(201, {"id": i})
    if mm[2]:
        if c["polls"] > 3:
            c["msgs"].append({"id": next(STATE["m"]), "sender_type": "ai"})
        return j(200, c["msgs"])
    c["polls"] += 1
    if STATE.get("escalate") and c["polls"] > 1:
        return j(200, {"status": "escalated"})
    return j(200, {"status": "queued" if c["polls"] < 3 else "open"})


# event booking
def booking(r):
    p, m = r.path, r.method
    if p.endswith("/register"):
        return j(201, {})
    if p.endswith("/login"):
        return j(200, {"access_token": "tk-" + r.json["email"]})
    if p == "/api/v1/events/" and m == "GET":
        return j(200, {"events": [{"id": 5}, {"id": 6}]})
    if p == "/api/v1/events/":
        return j(201, {"id": next(STATE.setdefault("e", itertools.count(10)))})
    if p == "/api/v1/bookings/":
        if not r.headers.get("authorization"):
            return j(401, {})
        try:
            b = json.loads(r.body)
        except ValueError:
            return j(422, {})
        if b["event_id"] == 999999:
            return j(404, {})
        if b["seat_count"] <= 0:
            return j(422, {})
        if b["seat_count"] > 1000:
            return j(409, {})
        s = STATE["seats"] = STATE.get("seats", 0) + 1
        return j(201, {}) if s <= 3 else j(409, {})
    return j(200, {})


# Django blog
def blog(r):
    p, m = r.path, r.method
    csrf = uuid.uuid4().hex
    if m == "GET" and p != "/users/logout" and not p.startswith("/post_delete"):
        return html(200, f"<form><input type='hidden' name='csrfmiddlewaretoken' value='{csrf}'></form>", **{"Set-Cookie": f"csrftoken={csrf}; Path=/"})
    if p == "/users/login/":
        return redirect(302, "/", **{"Set-Cookie": "sessionid=s1; Path=/; HttpOnly"})
    if p == "/" and m == "POST":
        return redirect(302, "/?post_id=77&ok=1")
    return html(200, "ok")


# agent with SSE
def sse(r):
    if r.path.endswith("/sessions"):
        return j(200, {"id": "sess-" + uuid.uuid4().hex[:6]})
    if r.path == "/run_sse":
        n = next(STATE.setdefault("n", itertools.count(1)))

        def body():
            for i in range(5):
                time.sleep(0.05)
                yield b'data: {"content": {"parts": [{"text": "tok%d"}]}}\n\n' % i
            if n % 3 == 0:
                yield b'{"code": 500, "message": "model overloaded"}\n'
            if n % 4 == 0:
                yield b"data: 429 Too Many Requests\n\n"
        return 200, {"Content-Type": "text/event-stream"}, body()
    return j(404, {})


# GraphQL pets
def pets(r):
    op = r.json.get("operationName")
    if op in ("ListPets", "ListPetsForInv"):
        return j(200, {"data": {"pets": [{"id": 1, "name": "rex"}, {"id": 2, "name": "load_RUN_x"}, {"id": 3, "name": "load_RUN_y"}]}})
    if op == "CreatePetOp":
        n = next(STATE.setdefault("n", itertools.count(1)))
        return j(200, {"errors": [{"message": "dup"}], "data": None}) if n % 3 == 0 else j(200, {"data": {"createPet": {"id": n}}})
    return j(200, {"data": {}})


def any_ok(r):
    return j(200, {"ok": 1})


def hook(r):
    want = "sha256=" + hmac.new(b"s3cret", r.body, hashlib.sha256).hexdigest()
    return j(200, {}) if hmac.compare_digest(want, r.headers.get("x-hub-signature-256", "")) else j(401, {"want": want})


APPS = {n: f for n, f in globals().items() if callable(f) and getattr(f, "__code__", None) and f.__code__.co_varnames[:1] == ("r",)}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.conn = next(CONN)

    def go(self):
        n = int(self.headers.get("content-length", 0))
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            self.body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                self.body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            self.body = self.rfile.read(n)
        u = urlsplit(self.path)
        self.raw, self.method = self.path, self.command
        self.query = parse_qs(u.query, keep_blank_values=True)
        self.path = u.path
        self.form = parse_qs(self.body.decode("utf8", "replace"), keep_blank_values=True) if "urlencoded" in self.headers.get("content-type", "") else {}
        try:
            self.json = json.loads(self.body)
        except ValueError:
            self.json = None
        with LOCK:
            seq, t = next(SEQ), time.time()
            try:
                code, headers, body = APP(self)
            except Exception as e:
                code, headers, body = 599, {}, repr(e).encode()
            LOG.write(json.dumps({"n": seq, "t": round(t - T0, 3), "c": self.conn, "m": self.command, "u": self.raw, "h": {k.lower(): v for k, v in self.headers.items()},
                                  "b": self.body.decode("utf8", "replace")[:10000], "s": code}) + "\n")
            LOG.flush()
        self.send_response(code)
        for k, v in headers.items():
            self.send_header(k, v)
        if isinstance(body, bytes):
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        else:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in body:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = go

    def log_message(self, *a):
        pass


if __name__ == "__main__":
    APP, LOG, T0 = APPS[sys.argv[1]], open(sys.argv[3], "w"), time.time()
    for flag in sys.argv[4:]:
        STATE[flag] = True
    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128
    server = Server(("127.0.0.1", int(sys.argv[2])), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
