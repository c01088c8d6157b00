// OpenAI's own npm client: every call of the suite, its results as one JSON object on stdout.
//
//     node client.mjs MODULES '{"url": …, "key": …, "sample": …, "recording": …}'
import fs from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(process.argv[2] + "/"));
const { default: OpenAI, toFile } = require("openai");
const { url, key, sample, recording } = JSON.parse(process.argv[3]);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const found = {};

async function call(name, promise) {
  try {
    found[name] = await promise();
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    found[name] = { class: error.constructor.name, status: error.status, type: error.type, param: error.param, code: error.code };
  }
}
const hear = (fields) => client.audio.transcriptions.create({ file: fs.createReadStream(sample), model: "whisper-1", ...fields });
const all = async (stream) => { const events = []; for await (const event of await stream) events.push(event); return events; };

await call("sample", () => hear({}));
if (recording) {
  const file = () => fs.createReadStream(recording);
  for (const response_format of ["json", "text", "srt", "vtt", "verbose_json"])
    await call(response_format, () => hear({ file: file(), response_format, language: "en", temperature: 0 }));
  await call("words", () => hear({ file: file(), response_format: "verbose_json", timestamp_granularities: ["word", "segment"] }));
  await call("stream", () => all(hear({ file: file(), stream: true })));
}
await call("models", async () => (await client.models.list()).data);
await call("unknown model", () => hear({ model: "gpt-4o-transcribe" }));
await call("unknown format", () => hear({ response_format: "docx" }));
await call("bad language", () => hear({ language: "klingon" }));
await call("bad temperature", () => hear({ temperature: 2 }));
await call("logprobs", () => hear({ include: ["logprobs"] }));
await call("granularity without verbose_json", () => hear({ timestamp_granularities: ["word"] }));
await call("stream of subtitles", () => hear({ stream: true, response_format: "vtt" }));
await call("empty file", async () => hear({ file: await toFile(Buffer.alloc(0), "a.wav") }));
await call("a text file", async () => hear({ file: await toFile(Buffer.from("Call me Ishmael. ".repeat(1000)), "a.wav") }));
await call("26 MB", async () => hear({ file: await toFile(Buffer.alloc(27_000_000), "a.wav") }));
await call("translation", () => client.audio.translations.create({ file: fs.createReadStream(sample), model: "whisper-tiny.en" }));
await call("wrong key", () => client.withOptions({ apiKey: "sk-wrong" }).models.list());
process.stdout.write(JSON.stringify(found));
