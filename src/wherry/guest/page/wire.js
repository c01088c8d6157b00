// OpenAI's API, as far as every page needs it.

import { askForKey, current, withKey } from "./key.js";

// What the server refused: its message, and a code where there is one.
export class ApiError extends Error {
  constructor(message, code = null) {
    super(message);
    this.code = code;
  }
}

// An answer that is well. Where the server wants a key, the person at the page is asked for it, and the request goes out again.
// Raises ApiError with what the server said, TypeError where it said nothing.
export async function ask(path, options = {}) {
  const key = current();
  const answer = await fetch(path, withKey(options));
  if (answer.ok) return answer;
  if (answer.status === 401 && !options.signal?.aborted && await askForKey(key)) return ask(path, options);
  const said = await answer.json().catch(() => null);
  throw new ApiError(said?.error?.message ?? `${answer.status} ${answer.statusText}`, said?.error?.code);
}

export async function models() {
  return (await (await ask("v1/models")).json()).data;
}

// The data of server-sent events, parsed. Raises ApiError for one that is an error.
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    waiting += value;
    const parts = waiting.split("\n\n");
    waiting = parts.pop();
    for (const part of parts) {
      const data = part.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim()).join("\n");
      if (data === "[DONE]") return;
      if (!data) continue;
      const event = JSON.parse(data);
      if (event.error) throw new ApiError(event.error.message, event.error.code);
      yield event;
    }
  }
}
