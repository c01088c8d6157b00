import { transcribe } from "./api.js";
import { FILES, plain, short } from "./files.js";
import * as microphone from "./microphone.js";
import { change, known, languages, say, speak } from "./words.js";
import { ApiError, models } from "./wire.js";

const MAX_BYTES = 25 * 1024 * 1024;
const find = (id) => document.getElementById(id);
const [drop, player, list, error, status] = ["drop", "player", "segments", "error", "status"].map(find);

let work = null; // the AbortController of what is being transcribed
let segments = [];
let about = {};
let links = []; // object URLs, to be given back

// -- a recording becomes text

async function begin(file) {
  work?.abort();
  fail("");
  if (file.size > MAX_BYTES) return fail(say("tooLarge", { megabytes: (file.size / 1e6).toFixed(1) }));
  const mine = work = new AbortController();
  show(file);
  try {
    const wanted = {
      model: find("model").value,
      language: find("language").value,
      prompt: find("prompt").value.trim(),
      translate: find("translate").checked && !find("translate-field").hidden,
    };
    for await (const { segment, about: whole } of transcribe(file, wanted, mine.signal)) {
      if (mine !== work) return;
      if (segment) add(segment);
      else about = whole;
    }
    end("done");
  } catch (problem) {
    if (mine !== work) return;
    if (mine.signal.aborted) return end("stopped");
    end("stopped");
    find("result").hidden = !segments.length;
    fail(reason(problem));
  }
}

function show(file) {
  forget();
  segments = [];
  about = {};
  list.replaceChildren();
  find("file-name").textContent = file.name;
  player.src = keep(URL.createObjectURL(file));
  find("result").hidden = find("cancel").hidden = find("progress").hidden = false;
  find("downloads").hidden = true;
  find("progress").removeAttribute("value");
  status.dataset.say = "listening";
  status.textContent = say("listening");
  find("result").scrollIntoView({ block: "nearest", behavior: "smooth" });
}

function add(segment) {
  segments.push(segment);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "segment new";
  const time = document.createElement("time");
  time.textContent = short(segment.start);
  const words = document.createElement("span");
  words.textContent = segment.text.trim();
  button.append(time, words);
  button.addEventListener("click", () => { player.currentTime = segment.start; player.play(); });
  const item = document.createElement("li");
  item.append(button);
  list.append(item);
  if (Number.isFinite(player.duration) && player.duration > 0) find("progress").value = Math.min(1, segment.end / player.duration);
}

function end(how) {
  work = null;
  find("cancel").hidden = find("progress").hidden = true;
  status.dataset.say = how;
  status.textContent = say(how);
  if (!segments.length && how === "done") {
    const item = document.createElement("li");
    item.className = "empty";
    item.dataset.say = "nothing";
    item.textContent = say("nothing");
    list.append(item);
  }
  if (!segments.length) return;
  const stem = find("file-name").textContent.replace(/\.[^.]*$/, "");
  for (const link of find("downloads").querySelectorAll("[data-format]")) {
    const [type, write] = FILES[link.dataset.format];
    link.href = keep(URL.createObjectURL(new Blob([write(segments, about)], { type })));
    link.download = `${stem}.${link.dataset.format}`;
  }
  find("downloads").hidden = false;
}

// What went wrong, in the page's language where it has words for it.
function reason(problem) {
  if (!(problem instanceof ApiError)) return say(segments.length ? "brokenOff" : "offline");
  return known(problem.code) ? say(problem.code) : problem.message;
}

function fail(message) {
  error.textContent = message;
  error.hidden = !message;
}

const keep = (link) => (links.push(link), link);

function forget() {
  player.removeAttribute("src");
  links.forEach((link) => URL.revokeObjectURL(link));
  links = [];
}

// -- hearing it again

// What a browser recorded says nothing of its length until it has been at the end.
player.addEventListener("loadedmetadata", () => {
  if (player.duration !== Infinity) return;
  player.addEventListener("durationchange", () => { player.currentTime = 0; }, { once: true });
  player.currentTime = Number.MAX_SAFE_INTEGER;
});

player.addEventListener("timeupdate", () => {
  const now = player.currentTime;
  segments.forEach(({ start, end }, i) => {
    const button = list.children[i].firstChild;
    if (now >= start && now < end) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  });
});

list.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const buttons = [...list.querySelectorAll("button")];
  buttons[buttons.indexOf(document.activeElement) + step]?.focus();
  event.preventDefault();
});

find("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(plain(segments));
  find("copy").textContent = say("copied");
  setTimeout(() => { find("copy").textContent = say("copy"); }, 1500);
});

find("cancel").addEventListener("click", () => work?.abort());
document.addEventListener("keydown", (event) => { if (event.key === "Escape") work?.abort(); });

// -- where a recording comes from

find("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = ""; // the same file may be chosen again
  if (file) begin(file);
});

for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragenter" || kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) begin(event.dataTransfer.files[0]);
  });
}

let finish = null;

find("record").addEventListener("click", async () => {
  if (finish) {
    const ending = finish;
    finish = null;
    recording(false);
    begin(await ending());
    return;
  }
  fail("");
  try {
    const time = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }).replace(/[^\w ]/g, "-");
    finish = await microphone.record(heard, say("spoken", { time }));
    recording(true);
  } catch (problem) {
    fail(say("microphoneRefused", { reason: problem.message }));
  }
});

function recording(on) {
  find("record").setAttribute("aria-pressed", String(on));
  find("record-word").dataset.say = on ? "finish" : "record";
  find("record-word").textContent = say(on ? "finish" : "record");
  find("level").hidden = find("clock").hidden = !on;
  levels.fill(0);
}

const levels = new Array(60).fill(0);

function heard(seconds, loudness) {
  find("clock").textContent = short(seconds);
  levels.push(loudness);
  levels.shift();
  const canvas = find("level");
  const paint = canvas.getContext("2d");
  paint.clearRect(0, 0, canvas.width, canvas.height);
  paint.fillStyle = getComputedStyle(canvas).color;
  levels.forEach((level, i) => {
    const height = Math.max(2, level * canvas.height);
    paint.fillRect(i * 4, (canvas.height - height) / 2, 2.5, height);
  });
}

// -- models and languages

function offer(select, choices) {
  const before = select.value;
  select.replaceChildren(...choices.map(([value, text]) => new Option(text, value)));
  if (choices.some(([value]) => value === before)) select.value = before;
}

// A name that ends in .en is that of a model for English alone.
function suit() {
  const english = find("model").value.endsWith(".en");
  find("language-field").hidden = find("translate-field").hidden = english;
  if (english) find("language").value = "";
}

function translatePage() {
  speak();
  offer(find("language"), [["", say("detect")], ...languages()]);
  find("tongue").textContent = say("other");
  find("tongue").lang = say("other") === "中文" ? "zh" : "en";
  document.title = `Wherry · ${say("title")}`;
}

find("model").addEventListener("change", suit);
find("tongue").addEventListener("click", () => { change(); translatePage(); });
translatePage();
if (!microphone.available()) {
  find("record").disabled = true;
  find("no-microphone").hidden = false;
}
try {
  offer(find("model"), (await models()).map(({ id }) => [id, id]));
  suit();
} catch (problem) {
  fail(reason(problem));
}
