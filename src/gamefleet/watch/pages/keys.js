// Keys, the list of keys, and the choice between dark and light: what both pages share.

import { el, fill, say } from "./dom.js";

const THEME = "gamefleet-theme";

/** Whether the page is dark at present. */
export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Let a button switch between dark and light and remember it; `changed()` draws again what lies on canvases. */
export function themeButton(button, changed) {
  function label() {
    say(button, isDark() ? "Light" : "Dark");
    button.setAttribute("aria-label", isDark() ? "Use light colours" : "Use dark colours");
  }
  function toggle() {
    const wanted = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = wanted;
    try {
      localStorage.setItem(THEME, wanted);
    } catch {
      // Storage may be forbidden: the choice then lasts as long as the page.
    }
    label();
    changed();
  }
  button.addEventListener("click", toggle);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    label();
    changed();
  });
  label();
  return toggle;
}

/** Whether a key press is meant for a field, not for the page. */
export function isTyping(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return true;
  const target = event.target;
  return target instanceof HTMLElement && (["INPUT", "SELECT", "TEXTAREA"].includes(target.tagName) || target.isContentEditable);
}

/** Open the list of keys; `entries` are [key, what it does]. */
export function showKeys(entries) {
  const dialog = document.getElementById("keys");
  fill(
    document.getElementById("key-list"),
    entries.map(([key, meaning]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, meaning)]).flat(),
  );
  if (!dialog.open) dialog.showModal();
}
