// OpenAI's API, as far as the page needs it.

// What the server refused: its message, and a code where there is one.
export class ApiError extends Error {
  constructor(message, code = null) {
    super(message);
    this.code = code;
  }
}

export async function models() {
  const answer = await fetch("v1/models");
  if (!answer.ok) throw await refusal(answer);
  return (await answer.json()).data.map((model) => model.id);
}

// Segments as they are heard; at the end what is known of the whole. A signal that is given ends it.
export async function* transcribe(file, { model, language, prompt, translate }, signal) {
  const form = new FormData();
  form.append("file", file, file.name);
  form.append("model", model);
  form.append("response_format", "verbose_json");
  if (prompt) form.append("prompt", prompt);
  if (!translate) {
    form.append("stream", "true");
    if (language) form.append("language", language);
  }
  const answer = await fetch(`v1/audio/${translate ? "translations" : "transcriptions"}`, { method: "POST", body: form, signal });
  if (!answer.ok) throw await refusal(answer);
  if (translate) {
    const { segments, ...about } = await answer.json();
    yield* segments.map((segment) => ({ segment }));
    yield { about };
    return;
  }
  let ended = false;
  for await (const event of events(answer.body)) {
    if (event.error) throw new ApiError(event.error.message, event.error.code);
    if (event.type === "transcript.text.segment") yield { segment: event };
    if (event.type === "transcript.text.done") {
      ended = true;
      yield { about: { language: event.language, duration: event.duration } };
    }
  }
  if (!ended) throw new TypeError("broken off");
}

async function refusal(answer) {
  const said = await answer.json().catch(() => null);
  return new ApiError(said?.error?.message ?? `${answer.status} ${answer.statusText}`, said?.error?.code);
}

// The data of server-sent events, parsed.
async function* events(body) {
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
      if (data) yield JSON.parse(data);
    }
  }
}
