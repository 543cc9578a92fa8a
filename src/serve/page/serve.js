// The page of `perfctl serve`. Everything it shows comes from the interface that `openapi.json` describes, so a reload
// loses nothing. Texts of services and scenarios become text and never markup.
"use strict";

const BASE = "/api/v1/performance/load-test";
const SVG = "http://www.w3.org/2000/svg";
// How many points a chart has at most.
const POINTS = 400;
const byId = (id) => document.getElementById(id);

let token = "";
// The run that is shown: its name, what is known of it, its seconds, and what ends its stream.
let shown = null;
// Whether somebody has chosen it.
let isChosen = false;
let runs = [];

// ----- elements

function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") made.addEventListener("click", value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function svg(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// A table under a heading; nothing without rows. Columns whose name begins with `<` hold text.
function table(title, columns, rows) {
  if (!rows.length) return [];
  const isText = columns.map((column) => column.startsWith("<"));
  const cell = (tag) => (content, i) => el(tag, isText[i] ? { class: "text" } : {}, content ?? "-");
  const head = columns.map((column) => column.replace("<", "")).map(cell("th"));
  const body = rows.map((row) => el("tr", {}, ...row.map(cell("td"))));
  const made = el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...body));
  return [title && el("h3", {}, title), el("div", { class: "scroll", tabindex: "0" }, made)].filter(Boolean);
}

// ----- numbers

const count = (n) => (n === null || n === undefined ? "-" : Math.round(n).toLocaleString("en"));
const short = (n) => (n === null || n === undefined ? "-" : Number(n.toPrecision(3)).toLocaleString("en"));
const percent = (n) => (n === null || n === undefined ? "-" : `${short(n)}%`);

function ms(n) {
  if (n === null || n === undefined) return "-";
  return n >= 1000 ? `${short(n / 1000)} s` : `${short(n)} ms`;
}

function span(s) {
  if (s === null || s === undefined) return "-";
  const whole = Math.round(s);
  const [h, m] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return (h ? `${h}h ` : "") + (h || m ? `${m}m ` : "") + `${whole % 60}s`;
}

function withUnit(value, unit) {
  if (value === null || value === undefined) return "-";
  const units = { ms, percent, pp: (n) => `${short(n)} pp`, per_s: (n) => `${short(n)}/s` };
  return units[unit] ? units[unit](value) : short(value);
}

const time = (text) => (text ? new Date(text).toLocaleString() : "-");

// ----- the server

class Refused extends Error {
  constructor(status, problem) {
    super(problem.error || `status ${status}`);
    Object.assign(this, { status, problem });
  }
}

async function ask(path, options = {}) {
  const headers = { authorization: `Bearer ${token}`, ...options.headers };
  let response;
  try {
    response = await fetch(BASE + path, { ...options, headers });
  } catch (error) {
    if (error.name !== "AbortError") say("No connection to the server; trying again.", "bad");
    throw error;
  }
  if (response.status === 401) logIn();
  if (!response.ok) throw new Refused(response.status, await response.json().catch(() => ({})));
  say("Connected", "soft");
  return response;
}

const get = async (path) => (await ask(path)).json();
const send = async (method, path, body) => {
  const headers = { "content-type": "application/json" };
  return (await ask(path, { method, headers, body: JSON.stringify(body) })).json();
};
const post = (path, body) => send("POST", path, body);
const of = (id) => `/${encodeURIComponent(id)}`;

function say(text, kind) {
  byId("connection").textContent = text;
  byId("connection").className = kind;
}

function showProblem(error) {
  const { problem = {} } = error;
  const findings = (problem.findings || []).map((finding) => el("pre", {}, finding.text));
  byId("problem").replaceChildren(
    el("p", { class: "bad" }, error.message),
    ...(problem.help ? [el("p", { class: "soft" }, problem.help)] : []),
    ...findings,
  );
}

// ----- a run

function select(id) {
  if (shown && shown.id === id) return;
  if (shown) shown.stream.abort();
  shown = { id, seconds: [], known: null, stream: new AbortController(), askedAt: 0, isAsking: false };
  byId("comparison").replaceChildren();
  byId("charts").replaceChildren();
  follow(shown);
  refresh(shown);
}

async function refresh(run) {
  // The first answer of a long run takes a while.
  while (run.isAsking) await new Promise((resolve) => setTimeout(resolve, 50));
  run.isAsking = true;
  try {
    const known = await get(of(run.id));
    if (run !== shown) return;
    run.known = known;
    render(run);
  } catch (error) {
    if (run === shown && error.status === 404) byId("run").hidden = true;
  } finally {
    run.isAsking = false;
    run.askedAt = Date.now();
  }
}

// Reads the seconds of a run as they come; after a gap, from where it was.
async function follow(run) {
  while (run === shown) {
    try {
      const last = run.seconds.length;
      const headers = last ? { "last-event-id": String(last - 1) } : {};
      const response = await ask(`${of(run.id)}/events`, { headers, signal: run.stream.signal });
      if (await read(run, response.body.getReader())) {
        await refresh(run);
        await list();
        return;
      }
    } catch (error) {
      if (error.name === "AbortError" || error.status === 404 || error.status === 401) return;
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

// Whether the stream has come to its end.
async function read(run, reader) {
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return false;
    const events = (rest + decoder.decode(value, { stream: true })).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      if (event.startsWith("event: end")) return true;
      const data = event.split("\n").find((line) => line.startsWith("data: "));
      if (!data) continue;
      const second = JSON.parse(data.slice(6));
      if (second.second === run.seconds.length) run.seconds.push(second);
    }
    if (run === shown && run.known) renderSeconds(run);
    if (!run.isAsking && Date.now() - run.askedAt > 1800) refresh(run);
  }
}

function render(run) {
  const { known } = run;
  const report = known.report || {};
  byId("run").hidden = false;
  byId("run-title").textContent = [known.scenario, known.profile].filter(Boolean).join(", ") || known.id;
  const facts = [known.id, known.service, known.build && `build ${known.build}`, time(known.started_at)];
  byId("run-facts").textContent = facts.filter((fact) => fact && fact !== "-").join(" · ");
  const verdict = report.verdict;
  const badge = el("span", { class: `badge ${verdict || known.state}`, id: "state" }, (verdict || known.state).toUpperCase());
  const grade = report.grade ? ` grade ${report.grade}, ${short(report.health_score)} of 100` : "";
  const place = known.place ? ` at place ${known.place}` : "";
  const left = known.state === "running" && known.planned_s !== null && known.planned_s !== undefined
    ? ` ${span(known.elapsed_s)} of ${span(known.planned_s)}` : "";
  const stopping = known.is_cancelled ? ", stopping" : "";
  byId("run-state").replaceChildren(badge, grade + place + left + stopping);
  byId("run-reasons").replaceChildren(...(report.reasons || []).map((reason) => el("li", {}, reason)));
  byId("stop").hidden = !(known.state === "queued" || known.can_be_cancelled);
  byId("stop").disabled = Boolean(known.is_cancelled);
  renderLoad(run);
  renderSeconds(run);
  renderGenerator(known.generator);
  const slos = (report.slos || []).map((slo) => {
    const isCut = slo.window_length_s !== null && Math.round(slo.window_length_s) < slo.window_s;
    // Until as much was measured as the window is long, nothing is judged.
    const [tone, words] = slo.value === null ? ["soft", "no data"]
      : isCut && known.state === "running" ? ["soft", `first ${span(slo.window_length_s)} of ${span(slo.window_s)}`]
      : slo.met ? ["good", "met"] : ["bad", "missed"];
    const hasWindow = slo.window_s !== null && (!isCut || known.state === "running");
    const name = hasWindow ? `${slo.name} in the worst ${span(slo.window_s)}` : slo.name;
    return [
      name, slo.endpoint || "all requests", withUnit(slo.limit, slo.unit), withUnit(slo.value, slo.unit),
      el("span", { class: tone }, words),
    ];
  });
  byId("slos").replaceChildren(...table("SLOs", ["<name", "<of", "limit", "value", "state"], slos));
  const endpoints = (report.endpoints || []).map((one) => {
    const times = (one.summary || {}).response_ms || {};
    return [
      one.endpoint, one.method, count(one.total_requests), percent(one.error_rate_percent),
      ms(one.avg_duration_ms), ms(times.p50), ms(one.p95_duration_ms), ms(times.p99), ms(times.max),
    ];
  });
  const columns = ["<name", "<method", "requests", "failed", "mean", "p50", "p95", "p99", "max"];
  byId("endpoints").replaceChildren(...table("Endpoints", columns, endpoints));
  const errors = (report.errors || []).map((one) => [
    one.error_type, one.endpoint, one.status ?? "-", count(one.requests + one.unmeasured_requests), one.example || "",
  ]);
  byId("errors").replaceChildren(...table("Failures", ["<type", "<endpoint", "status", "requests", "<example"], errors));
  const findings = (report.findings || []).map((one) => [one.severity, one.text]);
  byId("findings").replaceChildren(...table("Findings", ["<severity", "<what was found"], findings));
  renderDownloads(known);
}

function renderGenerator(generator) {
  if (!generator) return byId("generator").replaceChildren();
  const words = {
    good: "The load generator keeps up.",
    warning: "The load generator may disturb the numbers.",
    bad: "The load generator was the bottleneck: the numbers are not those of the service.",
    unknown: "The health of the load generator is not known yet.",
  };
  const light = el("span", { class: `light ${generator.state}` });
  const texts = generator.texts.map((text) => el("li", {}, text));
  byId("generator").replaceChildren(el("p", { id: "health" }, light, words[generator.state]), el("ul", {}, ...texts));
}

function renderSeconds(run) {
  const { known, seconds } = run;
  const report = known.report || {};
  const last = seconds[seconds.length - 1];
  const tiles = [];
  const tile = (name, value) => tiles.push(el("div", {}, el("dt", {}, name), el("dd", { id: `tile-${name.split(" ")[0]}` }, value)));
  if (known.state === "running" && last) {
    tile("users", count(last.users));
    tile("rate", `${count(last.requests)}/s`);
  }
  if (report.total_requests !== undefined) {
    tile("requests measured", count(report.total_requests));
    tile("p95", ms(report.p95_response_time_ms));
    tile("mean", ms(report.avg_response_time_ms));
    tile("failed", percent(report.error_rate_percent));
  }
  byId("tiles").replaceChildren(...tiles);
  if (!seconds.length) return;
  const limit = (name) => (report.slos || []).find((slo) => (
    slo.name.includes(name) && !slo.endpoint && slo.unit === "ms" && slo.window_s === null
  ));
  const p95 = limit("p95");
  byId("charts").replaceChildren(
    chart(run, "Requests per second", (n) => short(n), [
      ["ended", "blue", (one) => one.requests],
      ["failed", "red", (one) => one.failures],
    ]),
    chart(run, "Response time, p95 of each second", ms, [["p95", "amber", (one) => one.p95_ms]], p95 && p95.limit),
    chart(run, "Users", (n) => short(n), [["users", "green", (one) => one.users]]),
    chart(run, "CPU of the load generator", percent, [["CPU", "blue", (one) => one.cpu_percent]]),
  );
}

// The highest value of each stretch, so that no peak is lost.
function bins(seconds, value) {
  const length = Math.ceil(seconds.length / POINTS);
  const points = [];
  for (let at = 0; at < seconds.length; at += length) {
    const values = seconds.slice(at, at + length).map(value).filter((one) => one !== null && one !== undefined);
    points.push([at + length / 2, values.length ? Math.max(...values) : null]);
  }
  return points;
}

function chart(run, title, format, lines, target) {
  const [width, height, left, top, bottom] = [460, 170, 64, 18, 20];
  const length = Math.max(run.seconds.length, 10);
  const drawn = lines.map(([, , value]) => bins(run.seconds, value));
  const values = drawn.flat().map(([, value]) => value ?? 0);
  const highest = Math.max(...values, 0);
  const withTarget = target !== undefined && target !== null && target <= highest * 4;
  const most = Math.max(highest, withTarget ? target : 0) * 1.08 || 1;
  const x = (second) => left + (second / length) * (width - left - 8);
  const y = (value) => height - bottom - (value / most) * (height - bottom - top);
  const area = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });
  (run.known.phases || []).forEach((phase, i) => {
    if (phase.start_s >= length) return;
    const end = Math.min(phase.end_s, length);
    const [from, to] = [x(phase.start_s), x(end)];
    if (i % 2 === 0) area.append(svg("rect", { class: "band", x: from, y: top, width: to - from, height: height - top - bottom }));
    if (to - from > phase.name.length * 6) area.append(svg("text", { class: "label", x: from + 3, y: top - 5 }, phase.name));
  });
  for (const share of [0, 0.5, 1]) {
    const value = (most / 1.08) * share;
    area.append(svg("line", { class: "axis", x1: left, x2: width - 8, y1: y(value), y2: y(value) }));
    area.append(svg("text", { class: "label", x: left - 5, y: y(value) + 4, "text-anchor": "end" }, format(value)));
  }
  for (const share of [0, 0.5, 1]) {
    const anchor = ["start", "middle", "end"][share * 2];
    area.append(svg("text", { class: "label", x: x(length * share), y: height - 5, "text-anchor": anchor }, span(length * share)));
  }
  if (withTarget) area.append(svg("line", { class: "target", x1: left, x2: width - 8, y1: y(target), y2: y(target) }));
  drawn.forEach((points, i) => {
    let path = "";
    let isDown = false;
    for (const [second, value] of points) {
      if (value !== null) path += `${isDown ? "L" : "M"}${x(second).toFixed(1)} ${y(value).toFixed(1)}`;
      isDown = value !== null;
    }
    if (points.length === 1) path += "h1";
    area.append(svg("path", { class: lines[i][1], d: path }));
  });
  const keys = lines.map(([name, color]) => el("span", { class: "key" }, el("span", { class: `swatch ${color}` }), name));
  const key = withTarget ? el("span", { class: "key" }, `dashed: target ${format(target)}`) : null;
  return el("figure", {}, el("figcaption", {}, title, ...keys, key), area);
}

// ----- downloads and comparison

async function download(path, name) {
  try {
    const content = await (await ask(path)).blob();
    const url = URL.createObjectURL(content);
    el("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  } catch (error) {
    showProblem(error);
  }
}

function renderDownloads(known) {
  const made = byId("downloads");
  if (known.state !== "ended") return made.replaceChildren();
  if (made.dataset.run === known.id && made.childElementCount) return;
  made.dataset.run = known.id;
  const formats = [["html", "html"], ["json", "json"], ["markdown", "md"], ["junit", "xml"], ["series-csv", "csv"]];
  const reports = formats.map(([format, ending]) => {
    const onclick = () => download(`${of(known.id)}/report?format=${format}`, `${known.id}.${ending}`);
    return el("button", { type: "button", onclick, "data-format": format }, format);
  });
  const files = ["result.json", "journal.jsonl", "plan.json"].map((name) => {
    const onclick = () => download(`${of(known.id)}/files/${name}`, `${known.id}-${name}`);
    return el("button", { type: "button", onclick }, name);
  });
  const others = runs.filter((run) => run.state === "ended" && run.id !== known.id);
  const choice = el("select", { id: "baseline", "aria-label": "Baseline" }, ...others.map((run) => el("option", { value: run.id }, run.id)));
  const onclick = () => compare(known, choice.value);
  const comparing = others.length
    ? [el("h3", {}, "Compare"), el("p", { class: "fields" }, el("label", {}, "With the earlier run", choice), el("button", { type: "button", id: "compare", onclick }, "Compare"))]
    : [];
  made.replaceChildren(el("h3", {}, "Download"), el("p", { class: "fields" }, ...reports, ...files), ...comparing);
}

async function compare(known, baseline) {
  const place = byId("comparison");
  const run = shown;
  place.replaceChildren(el("p", { class: "soft" }, "Comparing..."));
  let parts;
  try {
    const { comparison } = await get(`${of(known.id)}/report?format=json&baseline=${encodeURIComponent(baseline)}`);
    const rows = comparison.rows.map((row) => [
      row.metric, row.endpoint || "all requests", withUnit(row.baseline, row.unit), withUnit(row.value, row.unit),
      row.change === null ? "-" : withUnit(row.change, row.change_unit), row.decision,
    ]);
    const head = ["<metric", "<of", "baseline", "this run", "change", "<decision"];
    const notes = [comparison.next_step, ...comparison.warnings].filter(Boolean).map((note) => el("li", {}, note));
    parts = [el("p", { id: "decision" }, `Decision: ${comparison.decision}`), el("ul", {}, ...notes), ...table(null, head, rows)];
  } catch (error) {
    parts = [el("p", { class: "warn", id: "decision" }, `${error.message}.`), ...(await sideBySide(known, baseline))];
  }
  if (run === shown) place.replaceChildren(...parts);
}

// The numbers of both runs without a decision, where there can be none.
async function sideBySide(known, baseline) {
  const other = await get(of(baseline)).catch(() => null);
  if (!other || !other.report) return [];
  const rows = [
    ["requests", count, "total_requests"], ["failed", percent, "error_rate_percent"],
    ["mean", ms, "avg_response_time_ms"], ["p95", ms, "p95_response_time_ms"],
  ].map(([name, format, field]) => [name, format(other.report[field]), format(known.report[field])]);
  return [el("p", {}, "The numbers of both, without a decision:"), ...table(null, ["<number", "earlier run", "this run"], rows)];
}

// ----- history

async function list() {
  const { runs: listed, without_result: past } = await get("/?last=50");
  runs = [...listed, ...past];
  const rows = runs.map((run) => [
    el("button", { type: "button", class: "link", onclick: () => { isChosen = true; select(run.id); scrollTo(0, 0); } }, run.id),
    el("span", { class: `badge ${run.verdict || run.state}` }, run.verdict || run.state),
    run.grade, count(run.total_requests), percent(run.error_rate_percent), ms(run.p95_response_time_ms), run.build || "",
  ]);
  const columns = ["<run", "<state", "grade", "requests", "failed", "p95", "<build"];
  const made = rows.length ? table(null, columns, rows) : [el("p", { class: "soft" }, "No run yet.")];
  byId("history").replaceChildren(...made);
  if (!shown && runs.length) select(runs[0].id);
}

// ----- start

async function fillForm() {
  const known = await get("/scenarios");
  const options = known.scenarios.map((one) => el("option", { value: one.name }, one.error ? `${one.name} (wrong)` : one.name));
  byId("start").elements.scenario.replaceChildren(...options);
  const profiles = known.profiles.map((one) => el("option", { value: one.name }, `${one.level}, ${span(one.length_s)}`));
  byId("profiles").replaceChildren(...profiles);
}

function wanted() {
  const fields = byId("start").elements;
  const body = { scenario: fields.scenario.value, queue: fields.queue.checked };
  for (const name of ["profile", "run_time", "host", "build"]) if (fields[name].value) body[name] = fields[name].value;
  for (const name of ["users", "rate"]) if (fields[name].value) body[name] = Number(fields[name].value);
  return body;
}

async function preview() {
  byId("problem").replaceChildren();
  byId("preview-text").hidden = true;
  try {
    byId("preview-text").textContent = (await post("/validate", wanted())).preview;
    byId("preview-text").hidden = false;
  } catch (error) {
    showProblem(error);
  }
}

async function start(event) {
  event.preventDefault();
  byId("problem").replaceChildren();
  try {
    const { id } = await post("/start", wanted());
    byId("preview-text").hidden = true;
    isChosen = false;
    select(id);
    await list();
    scrollTo(0, 0);
  } catch (error) {
    showProblem(error);
  }
}

async function stop() {
  if (!shown) return;
  byId("stop").disabled = true;
  const run = shown;
  try {
    await post(`${of(run.id)}/cancel`, {});
    await refresh(run);
  } catch (error) {
    showProblem(error);
  }
}

// ----- opening

function logIn() {
  byId("login").hidden = false;
  byId("main").hidden = true;
  say("The token is missing or wrong.", "bad");
}

async function open() {
  if (!token) return logIn();
  byId("login").hidden = true;
  byId("main").hidden = false;
  try {
    const { active } = await get("/active");
    if (active) select(active);
    await Promise.all([fillForm(), list()]);
  } catch (error) {
    if (error.status !== 401) setTimeout(open, 2000);
  }
}

// Runs that others start.
async function look() {
  if (!token || byId("main").hidden) return;
  try {
    const { active } = await get("/active");
    const isNew = active && (!shown || shown.id !== active);
    if (isNew && !isChosen && (!shown || !shown.known || shown.known.state !== "queued")) select(active);
    const isOpen = shown && shown.known && ["queued", "running"].includes(shown.known.state);
    if (isOpen && !shown.isAsking) refresh(shown);
    if (isNew || isOpen) await list();
  } catch {
    // The line at the top says so.
  }
}

addEventListener("hashchange", takeToken);
function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem("token", given);
    // Not into bookmarks, and not onto screens that are shared.
    history.replaceState(null, "", location.pathname);
  }
  token = sessionStorage.getItem("token") || "";
  open();
}

byId("login").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", byId("token").value.trim());
  byId("token").value = "";
  takeToken();
});
byId("start").addEventListener("submit", start);
byId("preview").addEventListener("click", preview);
byId("stop").addEventListener("click", stop);
setInterval(look, 5000);
takeToken();
