// An exchange as the page shows it. Text is only ever set as text: nothing of an answer is markup.

/** An element with properties and children. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value == null) continue;
    if (name.startsWith("data-") || name.startsWith("aria-") || name === "role" || name === "for")
      element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** The pieces of `text`, those in `quotes` marked. Overlapping quotes merge. */
export function highlighted(text, quotes) {
  const spans = [];
  for (const quote of quotes) {
    if (!quote) continue;
    for (let at = text.indexOf(quote); at >= 0; at = text.indexOf(quote, at + quote.length))
      spans.push([at, at + quote.length]);
  }
  spans.sort((a, b) => a[0] - b[0]);
  const pieces = [];
  let done = 0;
  for (const [start, end] of spans) {
    if (end <= done) continue;
    const from = Math.max(start, done);
    if (from > done) pieces.push(text.slice(done, from));
    pieces.push(el("mark", {}, text.slice(from, end)));
    done = end;
  }
  if (done < text.length) pieces.push(text.slice(done));
  return pieces;
}

/** Only links that a browser opens as a page: an evidence's address comes from outside. */
export function safeUrl(url) {
  try {
    const parsed = new URL(url);
    return ["http:", "https:"].includes(parsed.protocol) ? parsed.href : null;
  } catch {
    return null;
  }
}

export function badge(route, say) {
  return el("span", { className: "badge", "data-route": route },
    el("i", { "aria-hidden": "true" }), el("b", {}, say[route]));
}

function meter(answer, say) {
  if (answer.confidence == null) return null;
  const threshold = answer.route === "retrieval" ? null : answer.threshold;
  const bar = el("span", { className: "bar" });
  bar.style.setProperty("--value", answer.confidence);
  if (threshold != null) {
    const tick = el("span", { className: "tick" });
    tick.style.setProperty("--at", Math.min(1, threshold));
    bar.append(tick);
  }
  return el("span", { className: "meter", role: "img", title: say.meter(answer.confidence, threshold),
    "aria-label": say.meter(answer.confidence, threshold) },
    bar, el("span", { className: "number" }, say.confidence(answer.confidence)));
}

/** The answer's text with a number after each cited span. */
function cited(answer, id) {
  const marks = answer.citations.map((c) => ({ at: c.end, number: c.number }));
  marks.sort((a, b) => a.at - b.at);
  // Offsets count characters, JavaScript counts UTF-16 units.
  const characters = Array.from(answer.answer);
  const pieces = [];
  let done = 0;
  for (const { at, number } of marks) {
    pieces.push(characters.slice(done, at).join(""));
    const link = el("a", { href: `#${id}-${number}`, className: "cite" }, String(number));
    pieces.push(el("sup", {}, link));
    done = Math.max(done, at);
  }
  pieces.push(characters.slice(done).join(""));
  return pieces;
}

function source(item, say, id) {
  const url = safeUrl(item.url);
  const title = item.title || item.url || "—";
  return el("li", { id: item.number ? `${id}-${item.number}` : "" },
    el("div", { className: "source-title" },
      item.number ? el("span", { className: "number" }, String(item.number)) : null,
      url ? el("a", { href: url, rel: "noopener noreferrer nofollow", target: "_blank" }, title)
        : el("span", {}, title),
      el("span", { className: "kind" }, say[`source_${item.source}`] ?? item.source)),
    el("blockquote", {}, ...highlighted(item.text, item.quotes)));
}

/** Cited passages with their quotes marked; of a refusal, what was found, the closest first. */
function evidence(answer, say, id) {
  const passages = new Map(answer.evidence.map((e) => [e.passage.id, e]));
  let items;
  if (answer.citations.length) {
    items = answer.citations.map((c) => ({
      number: c.number, title: c.title, url: c.url, source: c.source,
      text: passages.get(c.passage_id)?.passage.text ?? c.quote, quotes: [c.quote],
    }));
  } else if (answer.route === "refused") {
    const quotes = (e) => answer.closest.filter((c) => c.passage_id === e.passage.id).map((c) => c.quote);
    items = answer.evidence.map((e) => ({
      title: e.passage.title, url: e.passage.url, source: e.source, text: e.passage.text, quotes: quotes(e),
    }));
    items.sort((a, b) => b.quotes.length - a.quotes.length);
  } else return null;
  if (!items.length) return null;
  const words = answer.citations.length ? say.evidence(items.length) : say.found(items.length);
  return el("details", { className: "evidence", open: answer.citations.length + answer.closest.length > 0 },
    el("summary", {}, words), el("ol", {}, ...items.map((item) => source(item, say, id))));
}

function facts(answer, say) {
  const point = answer.operating_point;
  const rows = [
    ["fact_abstention", answer.abstention && (say.abstention[answer.abstention] ?? answer.abstention)],
    ["fact_reason", answer.reason],
    ["fact_point", point && `${point.name} · ${say.threshold(point.threshold)}` +
      (point.certified && point.target_precision != null ? ` · ≥ ${(100 * point.target_precision).toFixed(0)}% (n = ${point.n})` : "")],
    ["fact_model", answer.model],
    ["fact_index", answer.index],
    ["fact_provider", answer.provider],
    ["fact_time", answer.timings_ms.total != null &&
      `${Math.round(answer.timings_ms.total)} ms${answer.cached ? ` · ${say.cached}` : ""}`],
    ["fact_tokens", answer.usage.total_tokens],
  ].filter(([, value]) => value);
  return el("details", { className: "facts" },
    el("summary", {}, say.details),
    el("dl", {}, ...rows.flatMap(([name, value]) => [el("dt", {}, say[name]), el("dd", {}, String(value))])));
}

const THUMB = "M7 20V10l4.500-7c1.800.200 2.500 1.500 2.200 3L13 9.500h5.500c1.200 0 2 1 1.700 2.200l-1.600 6.600c-.300 1-1.100 1.700-2.100 1.700ZM7 10H3.500v10H7";
const SVG = "http://www.w3.org/2000/svg";

function thumb(rating, say, onRate) {
  const icon = document.createElementNS(SVG, "svg");
  icon.setAttribute("viewBox", "0 0 24 24");
  icon.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", THUMB);
  icon.append(path);
  const button = el("button", { type: "button", className: `rate ${rating}`, title: say[`rate_${rating}`],
    "aria-label": say[`rate_${rating}`], "aria-pressed": "false" }, icon);
  button.addEventListener("click", () => onRate(rating, button));
  return button;
}

let count = 0;

/** One question and what becomes of it. */
export class Exchange {
  constructor(question) {
    this.id = `x${++count}`;
    this.question = question;
    this.answer = null;
    this.text = "";
    this.reply = el("div", { className: "reply" });
    this.asked = el("p", { className: "asked" });
    this.element = el("article", { className: "exchange" }, this.asked, this.reply);
  }

  /** Words that stand in for the answer until there is one. */
  waiting(words) {
    this.reply.dataset.route = "waiting";
    if (!this.status) {
      this.status = el("span", {});
      this.reply.replaceChildren(el("p", { className: "status" },
        el("span", { className: "dots", "aria-hidden": "true" }, el("i"), el("i"), el("i")), this.status));
    }
    this.status.textContent = words;
  }

  route(data, say) {
    this.reply.dataset.route = data.route;
    this.body = el("p", { className: "answer" });
    this.reply.replaceChildren(el("div", { className: "head" }, badge(data.route, say)), this.body);
  }

  token(text) {
    this.text += text;
    this.body.textContent = this.text;
  }

  failed(words) {
    this.reply.dataset.route = "failed";
    this.reply.replaceChildren(el("p", { className: "answer" }, words));
  }

  /** The whole answer; also what draws it anew in the other language. `onRate` is called with this
   * exchange, "up" or "down", and the button. */
  finish(answer, say, onRate) {
    this.answer = answer;
    this.reply.dataset.route = answer.route;
    this.reply.replaceChildren(...[
      el("div", { className: "head" }, badge(answer.route, say), meter(answer, say)),
      el("p", { className: "answer", lang: answer.language }, ...cited(answer, this.id)),
      answer.explanation && el("p", { className: "explanation", lang: answer.language }, answer.explanation),
      answer.gap && el("p", { className: "explanation", lang: answer.language }, answer.gap.needed),
      evidence(answer, say, this.id),
      el("div", { className: "foot" }, facts(answer, say),
        onRate && el("span", { className: "rates" }, ...["up", "down"].map((rating) =>
          thumb(rating, say, (chosen, button) => onRate(this, chosen, button))))),
    ].filter(Boolean));
  }

  label(say) {
    this.asked.replaceChildren(el("span", { className: "hidden" }, `${say.you}: `), this.question);
  }
}
