// OpenAI's API of speech.

import { ask, events } from "./wire.js";

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
  const answer = await ask(`v1/audio/${translate ? "translations" : "transcriptions"}`, { method: "POST", body: form, signal });
  if (translate) {
    const { segments, ...about } = await answer.json();
    yield* segments.map((segment) => ({ segment }));
    yield { about };
    return;
  }
  let ended = false;
  for await (const event of events(answer.body)) {
    if (event.type === "transcript.text.segment") yield { segment: event };
    if (event.type === "transcript.text.done") {
      ended = true;
      yield { about: { language: event.language, duration: event.duration } };
    }
  }
  if (!ended) throw new TypeError("broken off");
}
