// A page that speaks English and Chinese. `words` are {en: {key: text}, zh: …}; what is chosen is kept by the browser.

export function tongues(words) {
  const stored = () => { try { return localStorage.getItem("tongue"); } catch { return null; } };
  const first = stored() ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");
  let tongue = first in words ? first : "en";

  const current = () => tongue;
  const known = (key) => key in words[tongue];
  const say = (key, values = {}) => words[tongue][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);

  // Every element with data-say in the page's language; one that has data-say-label is named by it, one with data-say-hint
  // says it while it is empty.
  function speak(root = document) {
    document.documentElement.lang = tongue === "zh" ? "zh-Hans" : "en";
    for (const element of root.querySelectorAll("[data-say]")) element.textContent = say(element.dataset.say);
    for (const element of root.querySelectorAll("[data-say-label]")) element.setAttribute("aria-label", say(element.dataset.sayLabel));
    for (const element of root.querySelectorAll("[data-say-hint]")) element.setAttribute("placeholder", say(element.dataset.sayHint));
  }

  function change() {
    tongue = tongue === "en" ? "zh" : "en";
    try { localStorage.setItem("tongue", tongue); } catch { /* a browser that keeps nothing: the choice lasts as long as the page */ }
    speak();
  }

  return { current, known, say, speak, change };
}
