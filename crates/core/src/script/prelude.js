// What scripts have beside the language: the object of a user, responses, and a few global functions.
//
// Evaluated before the script, with the functions that perfctl gives it. Users are known by a number, so that no
// script can take the one of another.
(function (native) {
  "use strict";

  const waiting = new Map();
  let last = 0;

  function operation(id, kind, what, body) {
    const number = ++last;
    return new Promise((resolve) => {
      native.queue(id, number, kind, what, body);
      waiting.set(number, resolve);
    });
  }

  function settle(number, value) {
    const found = waiting.get(number);
    // The call has ended before.
    if (found === undefined) return;
    waiting.delete(number);
    found(value);
  }

  class Failure extends Error {}
  class Stop extends Error {}

  class Headers {
    #byName = new Map();
    constructor(flat) {
      for (let i = 0; i < flat.length; i += 2) {
        const [name, value] = [flat[i], flat[i + 1]];
        const before = this.#byName.get(name);
        this.#byName.set(name, before === undefined ? value : `${before}, ${value}`);
      }
    }
    get(name) {
      return this.#byName.get(String(name).toLowerCase()) ?? null;
    }
    has(name) {
      return this.#byName.has(String(name).toLowerCase());
    }
    keys() {
      return this.#byName.keys();
    }
    entries() {
      return this.#byName.entries();
    }
    [Symbol.iterator]() {
      return this.#byName.entries();
    }
  }

  class Response {
    #load;
    #headers;
    #body;
    constructor(status, url, elapsedMs, error, load) {
      this.status = status;
      this.url = url;
      this.elapsedMs = elapsedMs;
      this.error = error ?? null;
      this.#load = load;
    }
    get ok() {
      return this.error === null;
    }
    get headers() {
      return (this.#headers ??= new Headers(this.#load("headers")));
    }
    get body() {
      return (this.#body ??= this.#load("body"));
    }
    text() {
      return this.body;
    }
    json() {
      return JSON.parse(this.body);
    }
  }

  const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
  const OPTIONS = ["json", "form", "body", "headers", "query", "name", "group", "timeout", "status"];

  function encoded(pairs, what) {
    if (pairs === null || typeof pairs !== "object") {
      throw new TypeError(`\`${what}\` is not an object of names and values`);
    }
    const texts = [];
    for (const [name, value] of Object.entries(pairs)) {
      for (const one of Array.isArray(value) ? value : [value]) {
        texts.push(`${encodeURIComponent(name)}=${encodeURIComponent(String(one))}`);
      }
    }
    return texts.join("&");
  }

  function seconds(value, what) {
    if (typeof value !== "number" || !(value >= 0 && value <= 86400)) {
      throw new TypeError(`\`${what}\` is not a number of seconds from 0 to 86400`);
    }
    return value;
  }

  function ranges(status) {
    return (Array.isArray(status) ? status : [status]).map((one) => {
      const text = String(one);
      const found = /^([1-9])xx$/i.exec(text);
      if (found) return [Number(found[1]) * 100, Number(found[1]) * 100 + 99];
      const range = /^([1-9]\d\d)(?:-([1-9]\d\d))?$/.exec(text);
      if (!range) {
        throw new TypeError(`\`status\`: \`${text}\` is not a status: write a code (\`200\`), a range (\`"200-299"\`) or a class (\`"2xx"\`)`);
      }
      return [Number(range[1]), Number(range[2] ?? range[1])];
    });
  }

  function request(id, groups, method, url, options = {}) {
    if (options === null || typeof options !== "object") {
      throw new TypeError("the options of a request are not an object: write `{json: ...}`");
    }
    for (const key of Object.keys(options)) {
      if (!OPTIONS.includes(key)) {
        throw new TypeError(`unknown option \`${key}\` of a request: use one of ${OPTIONS.join(", ")}`);
      }
    }
    url = String(url);
    const spec = { method: String(method).toUpperCase(), url, headers: [] };
    let body;
    let type;
    const bodies = ["json", "form", "body"].filter((key) => options[key] !== undefined);
    if (!METHODS.includes(spec.method)) {
      throw new TypeError(`unknown method \`${spec.method}\`: use one of ${METHODS.join(", ")}`);
    }
    if (bodies.length > 0 && spec.method === "HEAD") {
      throw new TypeError("a HEAD request cannot have a body");
    }
    if (bodies.length > 1) {
      throw new TypeError(`\`${bodies[0]}\` and \`${bodies[1]}\` cannot be used together`);
    }
    if (options.json !== undefined) {
      body = JSON.stringify(options.json);
      type = "application/json";
    } else if (options.form !== undefined) {
      body = encoded(options.form, "form");
      type = "application/x-www-form-urlencoded";
    } else if (options.body !== undefined) {
      if (typeof options.body !== "string") {
        throw new TypeError("`body` is not a text: use `json` for other values");
      }
      body = options.body;
    }
    for (const [name, value] of Object.entries(options.headers ?? {})) {
      const lower = name.toLowerCase();
      if (lower === "content-type") type = undefined;
      if (value !== null && value !== undefined) spec.headers.push([lower, String(value)]);
    }
    if (type !== undefined) spec.headers.push(["content-type", type]);
    if (options.query !== undefined) {
      const query = encoded(options.query, "query");
      if (query !== "") spec.url += (url.includes("?") ? "&" : "?") + query;
    }
    const row = options.group ?? options.name ?? `${spec.method} ${path(url)}`;
    spec.row = [...groups, String(row)].join("/");
    if (options.timeout !== undefined) spec.timeout_us = Math.round(seconds(options.timeout, "timeout") * 1e6);
    if (options.status !== undefined) spec.status = ranges(options.status);
    return operation(id, "request", JSON.stringify(spec), body);
  }

  function path(url) {
    return url.replace(/^https?:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, "") || "/";
  }

  function think(id, length) {
    return operation(id, "think", String(seconds(length, "seconds")), undefined);
  }

  function satisfied(id, value, conditions) {
    if (conditions === null || typeof conditions !== "object") {
      throw new TypeError("`check` needs an object of names and functions: `check(response, {\"is 200\": (r) => r.status === 200})`");
    }
    let all = true;
    for (const [name, condition] of Object.entries(conditions)) {
      if (!(typeof condition === "function" ? condition(value) : condition)) {
        all = false;
        native.unmet(id, name);
      }
    }
    return all;
  }

  const groupsOf = new Map();

  function grouped(id, name, steps) {
    const groups = groupsOf.get(id) ?? [];
    groups.push(String(name));
    groupsOf.set(id, groups);
    const leave = () => {
      groups.pop();
      if (groups.length === 0) groupsOf.delete(id);
    };
    let result;
    try {
      result = steps();
    } catch (error) {
      leave();
      throw error;
    }
    if (typeof result?.then === "function") return Promise.resolve(result).finally(leave);
    leave();
    return result;
  }

  class User {
    #id;
    #vars;
    constructor(id) {
      this.#id = id;
    }
    get id() {
      return native.number(this.#id);
    }
    get iteration() {
      return native.iteration(this.#id);
    }
    get vars() {
      const id = this.#id;
      return (this.#vars ??= new Proxy(Object.create(null), {
        get: (_, name) => (typeof name === "string" ? native.variable(id, name) : undefined),
        set: (_, name, value) => {
          native.setVariable(id, String(name), value);
          return true;
        },
        has: (_, name) => typeof name === "string" && native.variable(id, name) !== undefined,
      }));
    }
    request(method, url, options) {
      return request(this.#id, groupsOf.get(this.#id) ?? [], method, url, options);
    }
    get(url, options) {
      return this.request("GET", url, options);
    }
    head(url, options) {
      return this.request("HEAD", url, options);
    }
    post(url, options) {
      return this.request("POST", url, options);
    }
    put(url, options) {
      return this.request("PUT", url, options);
    }
    patch(url, options) {
      return this.request("PATCH", url, options);
    }
    delete(url, options) {
      return this.request("DELETE", url, options);
    }
    options(url, options) {
      return this.request("OPTIONS", url, options);
    }
    think(seconds) {
      return think(this.#id, seconds);
    }
    check(value, conditions) {
      return satisfied(this.#id, value, conditions);
    }
    group(name, steps) {
      return grouped(this.#id, name, steps);
    }
    fail(text) {
      throw new Failure(String(text));
    }
    stop(what = "user") {
      if (!["user", "flow", "run"].includes(what)) {
        throw new TypeError(`\`${what}\` cannot be stopped: use "user", "flow" or "run"`);
      }
      throw new Stop(what);
    }
    random() {
      return native.random(this.#id);
    }
    randomInt(low, high) {
      if (!(Number.isInteger(low) && Number.isInteger(high) && low <= high)) {
        throw new TypeError("`randomInt` needs two whole numbers, the lower one first");
      }
      return low + Math.floor(native.random(this.#id) * (high - low + 1));
    }
    choice(list) {
      if (!Array.isArray(list) || list.length === 0) {
        throw new TypeError("`choice` needs a list with at least one item");
      }
      return list[Math.floor(native.random(this.#id) * list.length)];
    }
  }

  function begin(user, id, run) {
    const ended = (error) => {
      groupsOf.delete(id);
      if (error instanceof Failure) native.end(id, "fail", error.message);
      else if (error instanceof Stop) native.end(id, "stop", error.message);
      else native.end(id, "error", error);
    };
    let result;
    try {
      result = run(user);
    } catch (error) {
      return ended(error);
    }
    if (typeof result?.then !== "function") return native.end(id, "done", undefined);
    result.then(() => native.end(id, "done", undefined), ended);
  }

  function forget(id, numbers) {
    groupsOf.delete(id);
    numbers.forEach((number) => waiting.delete(number));
  }

  function shown(value) {
    if (typeof value === "string") return value;
    if (value instanceof Error) return `${value.name}: ${value.message}`;
    try {
      return JSON.stringify(value) ?? String(value);
    } catch {
      return String(value);
    }
  }

  const log = (...values) => {
    if (native.listens()) native.log(values.map(shown).join(" "));
  };
  const own = (name, value) => Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  own("console", { log, info: log, debug: log, warn: log, error: log });
  own("sleep", (length) => think(native.current(), length));
  own("check", (value, conditions) => satisfied(native.current(), value, conditions));
  own("group", (name, steps) => grouped(native.current(), name, steps));
  own("crypto", {
    hash: (algorithm, text, encoding = "hex") => native.hash(String(algorithm), String(text), encoding),
    hmac: (algorithm, key, text, encoding = "hex") => native.hmac(String(algorithm), String(key), String(text), encoding),
    randomUUID: () => native.uuid(),
  });
  own("btoa", (text) => native.toBase64(String(text)));
  own("atob", (text) => native.fromBase64(String(text)));
  Math.random = () => native.random(0);

  return {
    begin,
    settle,
    forget,
    user: (id) => new User(id),
    response: (...parts) => new Response(...parts),
  };
});
