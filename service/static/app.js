// The page: settings, examples, the composer and the log of exchanges.

import { ask, get, rate, ServiceProblem } from "./stream.js";
import { el, Exchange } from "./view.js";
import { words } from "./words.js";

const $ = (id) => document.getElementById(id);
const KEPT = 50; // exchanges remembered in this browser
const TURNS = 16; // earlier questions that a follow-up may speak of

/** localStorage that may be switched off or full. */
const store = {
  get(key, fallback) {
    try { return JSON.parse(localStorage.getItem(`zhizhi.${key}`)) ?? fallback; } catch { return fallback; }
  },
  set(key, value) {
    try { localStorage.setItem(`zhizhi.${key}`, JSON.stringify(value)); } catch { /* only forgets */ }
  },
};

let language = store.get("language", navigator.language.startsWith("zh") ? "zh" : "en");
if (!words[language]) language = "zh";
const say = () => words[language];
/** The word of that key; where there is no model, the one that says so. */
const text = (key) => (modelless() && say().retrieval_only[key]) || say()[key];

let points = null; // what can be chosen between precision and coverage
const modelless = () => points?.direct === false; // every question is looked up
let examples = [];
let current = null; // AbortController of the question being answered
const exchanges = [];

// ---- language and theme ----

function speak() {
  document.documentElement.lang = say().html;
  document.title = language === "zh" ? "知之" : "Zhizhi";
  for (const node of document.querySelectorAll("[data-say]")) node.textContent = text(node.dataset.say);
  for (const node of document.querySelectorAll("[data-say-label]"))
    node.setAttribute("aria-label", say()[node.dataset.sayLabel]);
  for (const node of document.querySelectorAll("[data-say-placeholder]"))
    node.placeholder = text(node.dataset.sayPlaceholder);
  $("language").textContent = say().other;
  $("language").lang = language === "zh" ? "en" : "zh-CN";
  $("forget").title = say().forget_long;
  showTheme();
  showPoints();
  showExamples();
  for (const exchange of exchanges) {
    exchange.label(say());
    if (exchange.answer) exchange.finish(exchange.answer, say(), onRate);
  }
}

const prefersDark = matchMedia("(prefers-color-scheme: dark)");

function showTheme() {
  const chosen = store.get("theme", null);
  const dark = chosen ? chosen === "dark" : prefersDark.matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  const label = dark ? say().theme_light : say().theme_dark;
  $("theme").title = label;
  $("theme").setAttribute("aria-label", label);
}

$("language").addEventListener("click", () => {
  language = language === "zh" ? "en" : "zh";
  store.set("language", language);
  speak();
});
$("theme").addEventListener("click", () => {
  store.set("theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  showTheme();
});
prefersDark.addEventListener("change", showTheme);

// ---- precision and coverage ----

let touched = false; // until the slider is moved the server's default holds

function showPoints() {
  if (!points) return;
  const range = $("precision");
  const certified = points.certified;
  const standard = points.profiles[points.default];
  for (const id of ["direct-legend", "slider", "fallback-choice"]) $(id).hidden = modelless();
  if (modelless()) {
    $("chosen").textContent = "";
    return;
  }
  $("slider").querySelector(".track").hidden = certified.length < 2;
  range.max = Math.max(0, certified.length - 1);
  if (!touched && standard) {
    const near = certified.findLastIndex((c) => c.point.threshold <= standard.threshold + 1e-9);
    range.value = Math.max(0, near);
  }
  const choice = certified[range.value];
  let short, long;
  if (touched && choice) {
    short = say().chosen(choice.min_precision);
    long = say().certificate(choice.point);
  } else {
    const promised = standard?.certified && standard.target_precision != null;
    short = promised ? say().chosen(standard.target_precision) : say().default_point;
    long = promised ? say().certificate(standard) : standard ? say().plain_point(standard) : say().no_points;
  }
  $("chosen").textContent = short;
  $("certificate").textContent = long;
  range.setAttribute("aria-valuetext", `${short}. ${long}`);
  range.style.setProperty("--fill", certified.length > 1 ? range.value / (certified.length - 1) : 0);
}

$("precision").addEventListener("input", () => { touched = true; showPoints(); });

// ---- examples ----

function showExamples() {
  const own = examples.filter((example) => example.language === language);
  $("examples").replaceChildren(...own.map((example) => {
    const button = el("button", { type: "button", className: "example", "data-kind": example.kind },
      el("span", {}, example.question),
      example.kind ? el("small", {}, say()[example.kind]) : null);
    button.addEventListener("click", () => submit(example.question));
    return el("li", {}, button);
  }));
  document.querySelector("#welcome h2").hidden = own.length === 0;
}

// ---- asking ----

function request(question) {
  const body = { question, fallback: $("fallback").value };
  const before = exchanges.map((exchange) => exchange.answer?.question).filter(Boolean).slice(-TURNS);
  if (before.length) body.before = before;
  if ($("sources").value) body.sources = $("sources").value;
  const choice = points?.certified[$("precision").value];
  if (touched && choice) body.min_precision = choice.min_precision;
  return body;
}

function add(exchange) {
  exchanges.push(exchange);
  exchange.label(say());
  $("log").append(exchange.element);
  $("welcome").classList.add("small");
  $("forget").hidden = false;
}

function remember() {
  const kept = exchanges.filter((exchange) => exchange.answer).slice(-KEPT);
  store.set("history", kept.map((exchange) => exchange.answer));
}

async function submit(question) {
  question = question.trim();
  if (!question || current) return;
  const exchange = new Exchange(question);
  add(exchange);
  exchange.waiting(modelless() ? say().step_searching.no_model : say().step_asking);
  exchange.element.scrollIntoView({ block: "start", behavior: "smooth" });
  current = new AbortController();
  busy(true);
  try {
    for await (const { event, data } of ask(request(question), store.get("key", null), current.signal)) {
      if (event === "step" && data.state === "asking") exchange.waiting(say().step_asking);
      else if (event === "step" && data.state === "searching")
        exchange.waiting(say().step_searching[data.abstention] ?? say().step_searching.fallback_always);
      else if (event === "route") exchange.route(data, say());
      else if (event === "token") exchange.token(data.text);
      else if (event === "final") exchange.finish(data, say(), onRate);
    }
    remember();
  } catch (error) {
    if (error.name === "AbortError") exchange.failed(say().stopped);
    else if (error.status === 401) {
      exchange.failed(say().key_wanted);
      wantKey(question);
    } else exchange.failed(error instanceof ServiceProblem ? error.message : say().offline);
  } finally {
    current = null;
    busy(false);
    exchange.element.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }
}

/** Ask for the API key of a service that wants one, then ask the question again. */
function wantKey(question) {
  const dialog = $("keys");
  $("key").value = "";
  dialog.returnValue = "";
  dialog.onclose = () => {
    const key = $("key").value.trim();
    if (dialog.returnValue !== "use" || !key) return;
    store.set("key", key);
    submit(question);
  };
  dialog.showModal();
}

$("no-key").addEventListener("click", () => $("keys").close(""));

async function onRate(exchange, rating, button) {
  const { id, question } = exchange.answer;
  try {
    await rate({ answer_id: id, rating, question }, store.get("key", null));
    for (const other of button.parentElement.children) other.setAttribute("aria-pressed", String(other === button));
    $("spoken").textContent = say().rated;
  } catch (error) {
    $("spoken").textContent = error instanceof ServiceProblem ? error.message : say().offline;
    button.title = $("spoken").textContent;
    button.disabled = true;
  }
}

function busy(on) {
  $("send").dataset.busy = on;
  $("send").setAttribute("aria-label", on ? say().stop : say().send);
  $("send").title = on ? say().stop : say().send;
}

function fit() {
  const box = $("question");
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight, 160)}px`;
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  if (current) return current.abort();
  const question = $("question").value;
  if (!question.trim()) return $("question").focus();
  $("question").value = "";
  fit();
  submit(question);
});
$("question").addEventListener("input", fit);
$("question").addEventListener("keydown", (event) => {
  // Enter that ends an input method's composition must not send.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    if (!current) $("ask").requestSubmit();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && current) current.abort();
  if (event.key === "/" && !/^(TEXTAREA|INPUT|SELECT)$/.test(document.activeElement.tagName)) {
    event.preventDefault();
    $("question").focus();
  }
});
$("forget").addEventListener("click", () => {
  exchanges.length = 0;
  $("log").replaceChildren();
  $("welcome").classList.remove("small");
  $("forget").hidden = true;
  store.set("history", []);
  $("question").focus();
});

// ---- start ----

for (const answer of store.get("history", [])) {
  try {
    const exchange = new Exchange(answer.question);
    exchange.finish(answer, say(), onRate);
    add(exchange);
  } catch { /* kept by an older version of the page */ }
}
speak();
busy(false);
if (matchMedia("(hover: hover)").matches) $("question").focus();
if (exchanges.length) exchanges.at(-1).element.scrollIntoView({ block: "start" });

get("v1/examples").then((found) => { examples = found; showExamples(); }).catch(() => {});
get("v1/operating-points").then((found) => {
  points = found;
  speak();
  $("serving").textContent = found.model;
}).catch(() => {});
