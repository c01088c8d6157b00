// OpenAI's API of conversations.

import { ask, events } from "./wire.js";

// The words of an answer as they come; at the end why it ends, and how many tokens it has. A signal that is given ends it.
export async function* answer(messages, { model, temperature, most }, signal) {
  const body = { model, messages, temperature, stream: true, stream_options: { include_usage: true } };
  if (most) body.max_tokens = most;
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal };
  const found = await ask("v1/chat/completions", options);
  let finish = "";
  for await (const { choices: [choice], usage } of events(found.body)) {
    if (choice?.delta.content) yield { words: choice.delta.content };
    if (choice?.finish_reason) finish = choice.finish_reason;
    if (usage) yield { finish, tokens: usage.completion_tokens };
  }
  if (!finish) throw new TypeError("broken off");
}
