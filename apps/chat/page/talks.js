// The conversations of this browser, the latest first. What does not fit in it any more goes, the oldest first.

const KEY = "talks";
const MOST = 100;

const isMessage = (each) => (each?.role === "user" || each?.role === "assistant") && typeof each.content === "string";

function read() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return found.filter(({ id, messages }) => typeof id === "string" && Array.isArray(messages) && messages.every(isMessage));
  } catch { return []; }
}

function write(talks) {
  let rest = talks.slice(0, MOST);
  for (;;) {
    try {
      localStorage.setItem(KEY, JSON.stringify(rest));
      return;
    } catch {
      if (!rest.length) return; // a browser that keeps nothing: they last as long as the page
      rest = rest.slice(0, Math.floor(rest.length / 2));
    }
  }
}

export const newId = () => crypto.getRandomValues(new Uint32Array(2)).join("-");

// [{id, title}], the latest first.
export function titles() {
  return read().map(({ id, messages }) => ({ id, title: messages[0]?.content.trim().slice(0, 80) ?? "" }));
}

export const load = (id) => read().find((each) => each.id === id)?.messages ?? [];

export function save(id, messages) {
  const others = read().filter((each) => each.id !== id);
  const said = messages.filter(({ content }) => content).map(({ role, content }) => ({ role, content }));
  write(said.length ? [{ id, messages: said }, ...others] : others);
}

export function remove(id) {
  write(read().filter((each) => each.id !== id));
}
