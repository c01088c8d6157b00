// The key of a server that has some: a person is asked once, and the browser keeps it for as long as the tab lives.

const WORDS = {
  en: { title: "This server asks for a key", wrong: "That key is not one of this server's.", key: "Key", use: "Use it", cancel: "Cancel" },
  "zh-Hans": { title: "此服务器需要密钥", wrong: "密钥不正确。", key: "密钥", use: "使用", cancel: "取消" },
};
const NAME = "wherry-key";
let memory = ""; // where the browser keeps nothing, the key lasts as long as the page
let asking = null;

const stored = () => { try { return sessionStorage.getItem(NAME) ?? memory; } catch { return memory; } };

function store(key) {
  memory = key;
  try { sessionStorage.setItem(NAME, key); } catch { /* see above */ }
}

// `options` of fetch with the key, where there is one.
export function withKey(options) {
  const key = stored();
  if (!key) return options;
  const headers = new Headers(options.headers);
  headers.set("Authorization", `Bearer ${key}`);
  return { ...options, headers };
}

export const current = stored;

// Ask for a key in place of `refused`, once for all requests that wait -> whether there is another one now.
export async function askForKey(refused) {
  if (stored() !== refused) return true; // another request has asked meanwhile
  asking ??= show(Boolean(refused)).finally(() => { asking = null; });
  return asking;
}

function show(wrong) {
  const words = WORDS[document.documentElement.lang] ?? WORDS.en;
  const dialog = document.createElement("dialog");
  dialog.id = "key-dialog";
  const make = (name, properties, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };
  const input = make("input", { id: "key", type: "password", name: "key", autocomplete: "current-password", required: true });
  const cancel = make("button", { type: "button", className: "quiet", textContent: words.cancel });
  const use = make("button", { type: "submit", className: "main", textContent: words.use });
  const form = make("form", { method: "dialog" },
    make("h2", { textContent: words.title }),
    make("p", { className: "error", textContent: words.wrong, hidden: !wrong }),
    make("label", {}, make("span", { textContent: words.key }), input),
    make("div", { className: "row" }, use, cancel));
  dialog.append(form);
  document.body.append(dialog);
  return new Promise((resolve) => {
    const end = (key) => {
      dialog.close();
      dialog.remove();
      if (key) store(key);
      resolve(Boolean(key));
    };
    form.addEventListener("submit", (event) => { event.preventDefault(); end(input.value.trim()); });
    cancel.addEventListener("click", () => end(""));
    dialog.addEventListener("cancel", (event) => { event.preventDefault(); end(""); });
    dialog.showModal();
    input.focus();
  });
}
