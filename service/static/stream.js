// Asking the service: POST, then server-sent events as they come.

/** Yields {event, data} of a text/event-stream body. */
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value.replaceAll("\r\n", "\n");
    let end;
    while ((end = buffer.indexOf("\n\n")) >= 0) {
      const block = buffer.slice(0, end);
      buffer = buffer.slice(end + 2);
      let event = "message";
      const data = [];
      for (const line of block.split("\n")) {
        if (line.startsWith("event: ")) event = line.slice(7);
        else if (line.startsWith("data: ")) data.push(line.slice(6));
      }
      if (data.length) yield { event, data: JSON.parse(data.join("\n")) };
    }
  }
}

/** What the service says when it cannot do as asked (RFC 9457). */
export class ServiceProblem extends Error {
  constructor(problem, status) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.problem = problem;
    this.status = status;
  }
}

/** Fetches with the key that this browser keeps for a service that wants one; throws ServiceProblem where it
 * is no success. */
async function send(path, key, { headers, ...options } = {}) {
  const all = { Accept: "application/json", ...headers };
  if (key) all.Authorization = `Bearer ${key}`;
  const response = await fetch(path, { ...options, headers: all });
  if (!response.ok) throw new ServiceProblem(await response.json().catch(() => ({})), response.status);
  return response;
}

/** Sends JSON and gives back the response. */
function post(path, body, key, accept, signal) {
  const headers = { "Content-Type": "application/json", Accept: accept };
  return send(path, key, { method: "POST", headers, body: JSON.stringify(body), signal });
}

/** Says whether an answer was right. */
export async function rate(said, key) {
  await post("v1/feedback", said, key, "application/json");
}

/** Yields the events of one question. Throws ServiceProblem, or what fetch throws. */
export async function* ask(request, key, signal) {
  const response = await post("v1/qa/stream", request, key, "text/event-stream", signal);
  for await (const item of events(response.body)) {
    if (item.event === "error") throw new ServiceProblem(item.data, item.data.status);
    yield item;
  }
}

export async function get(path, key) {
  return (await send(path, key)).json();
}

/** The first `limit` documents, and what may be uploaded. */
export function fetchDocuments(limit, key) {
  return get(`v1/documents?limit=${Math.min(limit, 1000)}`, key);
}

/** Sends files ({file, name}); `onProgress` is told the share that is sent. fetch cannot tell that. */
export function uploadFiles(files, key, onProgress) {
  const form = new FormData();
  for (const { file, name } of files) form.append("files", file, name);
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", "v1/documents");
    if (key) request.setRequestHeader("Authorization", `Bearer ${key}`);
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    request.addEventListener("load", () => {
      if (request.status < 300) done(request.response);
      else failed(new ServiceProblem(request.response ?? {}, request.status));
    });
    request.addEventListener("error", () => failed(new TypeError("offline")));
    request.send(form);
  });
}

/** Once this returns nothing is answered from the document. */
export async function withdrawDocument(id, key) {
  const path = id.split("/").map(encodeURIComponent).join("/");
  try {
    await send(`v1/documents/${path}`, key, { method: "DELETE" });
  } catch (error) {
    if (error.status !== 404) throw error; // one that is gone already is as good as withdrawn
  }
}
