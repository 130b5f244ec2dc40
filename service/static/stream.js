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

/** Headers of a request, with the key that this browser keeps for a service that wants one. */
function headers(accept, key) {
  const all = { "Content-Type": "application/json", Accept: accept };
  if (key) all.Authorization = `Bearer ${key}`;
  return all;
}

/** Sends JSON and gives back the response; throws ServiceProblem where it is no success. */
async function post(path, body, key, accept, signal) {
  const response = await fetch(path, {
    method: "POST", headers: headers(accept, key), body: JSON.stringify(body), signal,
  });
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new ServiceProblem(problem, response.status);
  }
  return response;
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

export async function get(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new ServiceProblem({}, response.status);
  return response.json();
}
