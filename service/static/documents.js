// The documents that questions are answered from: choose or drop files, see how far they are, withdraw one.

import { fetchDocuments, ServiceProblem, uploadFiles, withdrawDocument } from "./stream.js";
import { el } from "./view.js";

const $ = (id) => document.getElementById(id);
const POLL = 700; // milliseconds between looks at what is under way
const SHOWN = 100;

/** The dialog. `say()` gives the words, `key()` the API key, `wantKey(then)` asks for one. */
export class DocumentPanel {
  constructor({ say, key, wantKey }) {
    Object.assign(this, { say, key, wantKey });
    this.items = new Map(); // id → {element, mark}
    this.shown = SHOWN;
    this.timer = null;
    this.last = null;
    $("documents-open").addEventListener("click", () => this.open());
    $("documents-close").addEventListener("click", () => $("documents").close());
    $("documents").addEventListener("close", () => this.rest());
    $("choose").addEventListener("click", () => $("files").click());
    $("files").addEventListener("change", () => {
      this.upload([...$("files").files].map((file) => ({ file, name: file.name })));
      $("files").value = "";
    });
    $("more-documents").addEventListener("click", () => { this.shown += SHOWN; this.look(); });
    this.takeDrops();
  }

  /** Offer the panel; where the service has no documents to change it stays hidden. */
  offer(possible) {
    this.possible = possible;
    $("documents-open").hidden = !possible;
  }

  open() {
    if (!$("documents").open) $("documents").showModal();
    this.look();
  }

  rest() {
    clearTimeout(this.timer);
    this.timer = null;
  }

  /** Draw everything anew, in another language. */
  speak() {
    this.items.clear();
    if (this.last) this.show(this.last);
  }

  takeDrops() {
    let depth = 0; // of the elements that a dragged file has entered
    const files = (event) => this.possible && [...(event.dataTransfer?.types ?? [])].includes("Files");
    const mark = () => { document.documentElement.dataset.dragging = depth > 0; };
    document.addEventListener("dragenter", (event) => {
      if (!files(event)) return;
      depth += 1;
      if (depth === 1) this.open();
      mark();
    });
    document.addEventListener("dragleave", (event) => {
      if (!files(event)) return;
      depth = Math.max(0, depth - 1);
      mark();
    });
    document.addEventListener("dragover", (event) => { if (files(event)) event.preventDefault(); });
    document.addEventListener("drop", async (event) => {
      if (!files(event)) return;
      event.preventDefault();
      depth = 0;
      mark();
      this.upload(await dropped(event.dataTransfer));
    });
  }

  async upload(files) {
    if (!files.length) return;
    const limits = this.last?.limits;
    const refused = [];
    files = files.filter(({ file, name }) => {
      const reason = limits && this.say().refused_file(file, name, limits);
      if (reason) refused.push(reason);
      return !reason;
    });
    this.fault(refused);
    if (!files.length) return;
    const size = files.reduce((sum, { file }) => sum + file.size, 0);
    if (limits && (size > limits.request_bytes || files.length > limits.files))
      return this.fault(this.say().upload_too_much(limits));
    const bar = el("progress", { max: 1, value: 0, "aria-label": this.say().uploading(files.length) });
    const words = el("span", {}, this.say().uploading(files.length));
    const item = el("li", { className: "document", "data-state": "uploading" },
      el("div", { className: "document-head" }, words), bar);
    $("uploads").append(item);
    try {
      const { documents } = await uploadFiles(files, this.key(), (share) => { bar.value = share; });
      const failed = documents.filter((one) => one.state === "failed");
      if (failed.length) this.fault([...refused, ...failed.map((one) => `${one.id}: ${one.error}`)]);
    } catch (error) {
      if (error.status === 401) this.wantKey(() => this.upload(files));
      const faults = error.problem?.errors?.map((fault) => fault.detail);
      this.fault(faults?.length ? faults : this.words(error));
    } finally {
      item.remove();
      this.look();
    }
  }

  async look() {
    clearTimeout(this.timer);
    try {
      this.show(await fetchDocuments(this.shown, this.key()));
      const busy = this.last.documents.some((one) => !["ready", "failed"].includes(one.state));
      if (busy && $("documents").open) this.timer = setTimeout(() => this.look(), POLL);
    } catch (error) {
      if (error.status === 401) this.wantKey(() => this.look());
      this.fault(this.words(error));
    }
  }

  show(list) {
    this.last = list;
    const say = this.say();
    $("upload-limits").textContent = say.upload_limits(list.limits);
    $("files").accept = list.limits.types.join(",");
    $("document-count").textContent = say.document_count(list.total);
    $("more-documents").hidden = list.documents.length >= list.total;
    const elements = list.documents.map((one) => {
      const mark = JSON.stringify(one);
      const known = this.items.get(one.id);
      if (known?.mark === mark) return known.element;
      const element = this.item(one, say);
      // What somebody has opened stays open.
      if (known?.element.querySelector("details")?.open && element.querySelector("details"))
        element.querySelector("details").open = true;
      this.items.set(one.id, { element, mark });
      return element;
    });
    const now = $("document-list").children;
    if (elements.length !== now.length || elements.some((element, place) => element !== now[place]))
      $("document-list").replaceChildren(...elements);
  }

  item(one, say) {
    const busy = ["reading", "indexing"].includes(one.state);
    const name = one.title || one.id;
    const remove = el("button", { type: "button", className: "remove", "aria-label": say.withdraw(name) }, say.withdraw_short);
    const element = el("li", { className: "document", "data-state": one.state, "data-id": one.id },
      el("div", { className: "document-head" },
        el("div", { className: "document-name" }, el("b", {}, name), one.id !== name ? el("small", {}, one.id) : null),
        remove),
      el("p", { className: "document-state" }, say.document_state(one)),
      busy ? el("progress", { max: 1, value: one.progress, "aria-label": say.document_state(one) }) : null,
      one.error ? el("p", { className: "document-error" }, one.error) : null,
      one.left_out.length ? el("details", { className: "left-out" },
        el("summary", {}, say.left_out(one.left_out.length)),
        el("ul", {}, ...one.left_out.map((left) => el("li", {}, left.part ? el("b", {}, `${left.part}: `) : null, left.reason)))) : null);
    remove.addEventListener("click", () => this.ask(one, element, remove, say));
    return element;
  }

  /** A document is gone for good: ask once more, in its own place. */
  ask(one, element, remove, say) {
    const yes = el("button", { type: "button", className: "primary" }, say.withdraw_yes);
    const no = el("button", { type: "button" }, say.cancel);
    const row = el("div", { className: "actions sure", role: "group", "aria-label": say.withdraw(one.title || one.id) },
      el("span", {}, say.withdraw_sure), no, yes);
    element.append(row);
    remove.hidden = true;
    yes.focus();
    no.addEventListener("click", () => { row.remove(); remove.hidden = false; remove.focus(); });
    yes.addEventListener("click", async () => {
      yes.disabled = no.disabled = true;
      element.dataset.state = "withdrawing";
      try {
        await withdrawDocument(one.id, this.key());
        this.items.delete(one.id);
        $("spoken").textContent = say.withdrawn(one.title || one.id);
        $("choose").focus();
      } catch (error) {
        this.items.delete(one.id);
        this.fault(this.words(error));
      }
      this.look();
    });
  }

  words(error) {
    if (error.status === 401) return this.say().key_wanted;
    return error instanceof ServiceProblem ? error.message : this.say().offline;
  }

  /** Lines that say what went wrong; none hides them. */
  fault(lines) {
    const all = [lines].flat().filter(Boolean);
    $("documents-fault").hidden = !all.length;
    $("documents-fault").replaceChildren(...all.map((line) => el("li", {}, line)));
  }
}

/** The files of a drop with their paths; folders are gone through. */
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, name: file.name }));
  const found = [];
  const walk = async (entry, path) => {
    if (entry.name.startsWith(".")) return;
    if (entry.isFile) {
      const file = await new Promise((done, failed) => { entry.file(done, failed); });
      found.push({ file, name: path + file.name });
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((done, failed) => { reader.readEntries(done, failed); });
      if (!some.length) return;
      for (const one of some) await walk(one, `${path}${entry.name}/`);
    }
  };
  for (const entry of entries) await walk(entry, "");
  return found;
}
