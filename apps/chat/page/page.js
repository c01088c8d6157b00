import { answer } from "./api.js";
import { markdown } from "./markdown.js";
import { load, newId, remove, save, titles } from "./talks.js";
import { ApiError, models } from "./wire.js";
import { change, known, say, speak } from "./words.js";

const find = (id) => document.getElementById(id);
const [list, text, error, status] = ["messages", "text", "error", "status"].map(find);

let temperature; // as the model's own configuration says, until somebody moves the slider
let work = null; // the AbortController of the answer that is being written
let id = restored(); // of the conversation that is shown
let talk = load(id); // {role, content}, first to last

// -- an answer is written

async function send() {
  const content = text.value.trim();
  if (!content || work) return;
  text.value = "";
  grow();
  add({ role: "user", content });
  await write();
}

async function write() {
  fail("");
  const mine = work = new AbortController();
  const message = { role: "assistant", content: "" };
  const system = find("system").value.trim();
  const messages = [...(system ? [{ role: "system", content: system }] : []), ...talk.map(({ role, content }) => ({ role, content }))];
  const item = add(message);
  item.classList.add("writing");
  const words = writer(item.querySelector(".words"), message);
  tell("reading");
  busy(true);
  const wanted = { model: find("model").value, temperature, most: Number(find("most").value) };
  let began = 0;
  let ended = { how: "stopped" };
  try {
    for await (const piece of answer(messages, wanted, mine.signal)) {
      if (piece.words) {
        if (!began) tell("writing");
        began ||= performance.now();
        message.content += piece.words;
        words.changed();
      } else if (piece.tokens !== undefined) {
        const seconds = (performance.now() - (began || performance.now())) / 1000;
        const rate = seconds > 0 ? Math.max(1, Math.round(piece.tokens / seconds)) : piece.tokens;
        ended = { how: piece.finish === "length" ? "cut" : "done", tokens: piece.tokens, rate };
      }
    }
  } catch (problem) {
    if (mine !== work) return; // another conversation is shown
    if (!mine.signal.aborted) {
      fail(reason(problem, message.content));
      ended = null;
    }
  }
  if (mine !== work) return;
  work = null;
  words.show();
  item.classList.remove("writing");
  if (!message.content) {
    talk = talk.filter((each) => each !== message);
    item.remove();
  }
  if (ended) tell(ended.how, ended);
  else tell("");
  busy(false);
  keep();
}

// What went wrong, in the page's language where it has words for it.
function reason(problem, written) {
  if (!(problem instanceof ApiError)) return say(written ? "brokenOff" : "offline");
  return known(problem.code) ? say(problem.code) : problem.message;
}

function fail(message) {
  error.textContent = message;
  error.hidden = !message;
}

let told = ["", {}];
function tell(key, values = {}) {
  told = [key, values];
  status.textContent = key ? say(key, values) : "";
}

function busy(on) {
  find("send").hidden = on;
  find("stop").hidden = !on;
  list.setAttribute("aria-busy", String(on));
  offer();
}

function offer() {
  find("empty").hidden = talk.length > 0;
  find("new").hidden = find("clear").hidden = find("copy").hidden = !talk.length;
  find("again").hidden = Boolean(work) || !talk.length;
}

// -- the conversation

function add(message) {
  talk.push(message);
  const item = show(message);
  offer();
  keep();
  toEnd();
  return item;
}

function show(message) {
  const item = document.createElement("li");
  item.className = `message ${message.role}`;
  const who = document.createElement("span");
  who.className = "unseen";
  who.dataset.say = message.role === "user" ? "you" : "model_said";
  const words = document.createElement("div");
  words.className = "words";
  if (message.role === "user") words.append(document.createTextNode(message.content));
  else writer(words, message).show();
  const copy = document.createElement("button");
  copy.type = "button";
  copy.className = "quiet";
  copy.dataset.say = "copy";
  copy.addEventListener("click", () => copied(copy, "copy", message.content));
  item.append(who, words, copy);
  speak(item);
  list.append(item);
  return item;
}

async function copied(button, key, words) {
  await navigator.clipboard.writeText(words);
  button.textContent = say("copied");
  setTimeout(() => { button.textContent = say(key); }, 1500);
}

// The words of an answer in Markdown. While they come they are set anew a few times a second, less often the longer that takes.
function writer(element, message) {
  let waiting = 0;
  let pause = 50;
  function show() {
    clearTimeout(waiting);
    waiting = 0;
    const follow = atEnd();
    const began = performance.now();
    element.classList.add("rich");
    element.replaceChildren(markdown(message.content));
    for (const block of element.querySelectorAll("pre")) block.append(copier(block.textContent));
    pause = Math.max(50, 8 * (performance.now() - began));
    if (follow && list.contains(element)) toEnd();
  }
  return { show, changed: () => { waiting ||= setTimeout(show, pause); } };
}

// A button that copies a block of code.
function copier(code) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.dataset.say = "copy";
  button.textContent = say("copy");
  button.addEventListener("click", () => copied(button, "copy", code));
  return button;
}

// Another conversation is shown; what is being written for the one before ends there.
function turnTo(other) {
  if (work) {
    work.abort();
    work = null;
    keep();
  }
  id = other;
  talk = load(id);
  try { sessionStorage.setItem("talk", id); } catch { /* the next reload begins anew */ }
  list.replaceChildren();
  talk.forEach(show);
  fail("");
  tell("");
  busy(false);
  listTalks();
  toEnd();
  text.focus();
}

function clear() {
  work?.abort();
  work = null;
  remove(id);
  turnTo(newId());
}

function listTalks() {
  const found = titles();
  find("talks-section").hidden = !found.length;
  find("talks-list").replaceChildren(...found.map((each) => {
    const item = document.createElement("li");
    const open = document.createElement("button");
    open.type = "button";
    open.className = "quiet title";
    open.textContent = each.title;
    if (each.id === id) open.setAttribute("aria-current", "true");
    open.addEventListener("click", () => turnTo(each.id));
    const drop = document.createElement("button");
    drop.type = "button";
    drop.className = "quiet drop";
    drop.textContent = "×";
    drop.dataset.sayLabel = "remove";
    drop.setAttribute("aria-label", say("remove"));
    drop.addEventListener("click", () => {
      if (each.id === id) return clear();
      remove(each.id);
      listTalks();
    });
    item.append(open, drop);
    return item;
  }));
}

// What the model said last is forgotten, and asked for anew.
function again() {
  if (work) return;
  if (talk.at(-1)?.role === "assistant") {
    talk.pop();
    list.lastChild.remove();
  }
  if (talk.length) write();
}

// The conversation outlives a reload, and the tab: it is one of the browser's. Each tab shows one of its own.
function keep() {
  save(id, talk);
  listTalks();
}

function restored() {
  let found = "";
  try {
    found = sessionStorage.getItem("talk") || newId();
    sessionStorage.setItem("talk", found);
  } catch { /* a browser that keeps nothing */ }
  return found || newId();
}

const page = document.documentElement;
const atEnd = () => page.scrollHeight - page.scrollTop - page.clientHeight < 80;
const toEnd = () => { page.scrollTop = page.scrollHeight; };

function grow() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
}

// -- what people do

find("composer").addEventListener("submit", (event) => { event.preventDefault(); send(); });
text.addEventListener("input", grow);
text.addEventListener("keydown", (event) => {
  // While a character is being composed, Enter chooses it.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  send();
});
find("stop").addEventListener("click", () => { work?.abort(); text.focus(); });
find("again").addEventListener("click", again);
find("clear").addEventListener("click", clear);
find("new").addEventListener("click", () => turnTo(newId()));
find("copy").addEventListener("click", () =>
  copied(find("copy"), "copyAll", talk.map(({ role, content }) => `${say(role === "user" ? "you" : "model_said")}: ${content}\n`).join("\n")));
document.addEventListener("keydown", (event) => { if (event.key === "Escape") work?.abort(); });
find("temperature").addEventListener("input", () => {
  temperature = Number(find("temperature").value);
  delete find("temperature-value").dataset.say;
  find("temperature-value").textContent = temperature.toFixed(1);
});
find("tongue").addEventListener("click", () => { change(); inTongue(); });

function inTongue() {
  speak();
  find("tongue").textContent = say("other");
  find("tongue").lang = say("other") === "中文" ? "zh" : "en";
  document.title = `Wherry · ${say("title")}`;
  if (told[0]) tell(...told);
}

inTongue();
talk.forEach(show);
offer();
listTalks();
toEnd();
text.focus();
try {
  const talkers = (await models()).filter(({ capabilities }) => capabilities.includes("chat"));
  find("model").replaceChildren(...talkers.map(({ id }) => new Option(id, id)));
} catch (problem) {
  fail(reason(problem, ""));
}
