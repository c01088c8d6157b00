// OpenAI's own npm client: every call of the suite, its results as one JSON object on stdout.
//
//     node client.mjs MODULES '{"url": …, "key": …}'
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(process.argv[2] + "/"));
const { default: OpenAI } = require("openai");
const { url, key, weather, schema } = JSON.parse(process.argv[3]);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const [model, vectors] = ["smollm2-135m-instruct", "all-minilm-l6-v2"];
const messages = [{ role: "user", content: "What is the capital of France?" }];
const found = {};

async function call(name, promise) {
  try {
    found[name] = await promise();
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    found[name] = { class: error.constructor.name, status: error.status, type: error.type, param: error.param, code: error.code };
  }
}
const all = async (stream) => { const events = []; for await (const event of await stream) events.push(event); return events; };
const chat = (fields) => client.chat.completions.create({ model, messages, temperature: 0, max_tokens: 12, ...fields });

await call("chat", () => chat({ n: 2, seed: 1, logprobs: true, top_logprobs: 2, stop: ["."], user: "me" }));
await call("chat stream", () => all(chat({ stream: true, stream_options: { include_usage: true } })));
await call("chat helper", async () => (await client.chat.completions.stream({ model, messages, temperature: 0 }).finalChatCompletion()));
await call("json", () => chat({ max_tokens: 40, response_format: { type: "json_schema", json_schema: { name: "person", schema } } }));
await call("tool", () => chat({ max_tokens: 40, tools: [weather], tool_choice: "required" }));
await call("left", async () => { for await (const chunk of await chat({ stream: true, max_tokens: 2000 })) return chunk.object; });
await call("most", () => chat({ max_tokens: undefined, max_completion_tokens: 3, store: false, metadata: { a: "b" } }));
await call("several stops", () => chat({ stop: ["nothing", " France"] }));
await call("drawn", () => chat({ temperature: 1, top_p: 0.9, seed: 7 }));
await call("drawn again", () => chat({ temperature: 1, top_p: 0.9, seed: 7 }));
await call("biased", () => chat({ logit_bias: { 504: -100 }, max_tokens: 2 }));
await call("penalties", () => chat({ messages: [{ role: "user", content: "Say: a a a a a a a a a a a a" }], presence_penalty: 2, frequency_penalty: 2 }));
await call("no penalties", () => chat({ messages: [{ role: "user", content: "Say: a a a a a a a a a a a a" }] }));
await call("logprobs stream", () => all(chat({ logprobs: true, top_logprobs: 1, stream: true })));
await call("object", () => chat({ response_format: { type: "json_object" }, temperature: 1, seed: 2, max_tokens: 60 }));
const asked = [{ role: "user", content: "Weather in Paris?" }];
await call("named tool", () => chat({ messages: asked, max_tokens: 40, tools: [weather], tool_choice: { type: "function", function: { name: "weather" } } }));
await call("tool stream", () => all(chat({ messages: asked, max_tokens: 40, tools: [weather], tool_choice: "required", stream: true })));
const told = { role: "assistant", content: null, tool_calls: [{ id: "call_1", type: "function", function: { name: "weather", arguments: '{"city": "Paris"}' } }] };
const rain = { role: "tool", tool_call_id: "call_1", content: "Rain, 12 degrees" };
await call("tool answered", () => chat({ messages: [...asked, told, rain], tools: [weather], tool_choice: "none" }));
await call("text fields", () => client.completions.create({ model, prompt: "A ferry is", temperature: 1, seed: 5, max_tokens: 4, n: 2, best_of: 2, logprobs: 2, stop: "\n" }));
await call("text of tokens", () => client.completions.create({ model, prompt: [33, 28, 216, 34, 28], temperature: 0, max_tokens: 4 }));
await call("short vectors", () => client.embeddings.create({ model: vectors, input: ["a ferry", "a boat"], dimensions: 64 }));
const form = { type: "json_schema", name: "person", schema, strict: true };
await call("response fields", () => client.responses.create({ model, instructions: "Answer in JSON.", input: [{ role: "user", content: "Age?" }], temperature: 0, max_output_tokens: 40, text: { format: form } }));
await call("text", () => client.completions.create({ model, prompt: ["A ferry is", "A boat is"], temperature: 0, max_tokens: 4, echo: true }));
await call("text stream", () => all(client.completions.create({ model, prompt: "A ferry is", temperature: 0, max_tokens: 4, stream: true })));
await call("vector", () => client.embeddings.create({ model: vectors, input: ["The ferry leaves at nine."] }));
await call("vector float", () => client.embeddings.create({ model: vectors, input: "The ferry leaves at nine.", encoding_format: "float" }));
await call("response", () => client.responses.create({ model, input: messages[0].content, temperature: 0, max_output_tokens: 12 }));
await call("response stream", () => all(client.responses.create({ model, input: messages[0].content, temperature: 0, stream: true })));
await call("models", async () => (await client.models.list()).data);
await call("unknown model", () => chat({ model: "gpt-5" }));
await call("bad temperature", () => chat({ temperature: 3 }));
await call("long", () => chat({ messages: [{ role: "user", content: "word ".repeat(9000) }] }));
await call("long stream", () => all(chat({ messages: [{ role: "user", content: "word ".repeat(9000) }], stream: true })));
await call("suffix", () => client.completions.create({ model, prompt: "a", suffix: "b" }));
await call("previous response", () => client.responses.create({ model, input: "a", previous_response_id: "resp_1" }));
await call("wrong key", () => client.withOptions({ apiKey: "sk-wrong" }).models.list());
process.stdout.write(JSON.stringify(found));
