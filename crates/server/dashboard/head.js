// The top of the page: whose it is, whether it is live, and light or dark.

import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { FRESH, present, refresh, usePulse } from "./ask.js";
import { duration } from "./units.js";

const THEMES = { "": ["Light or dark as the system", "dark"], dark: ["Dark", "light"], light: ["Light", ""] };

const ThemeSwitch = () => {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme ?? "");
  const [label, next] = THEMES[theme] ?? THEMES[""];
  const turn = () => {
    if (next) document.documentElement.dataset.theme = next;
    else delete document.documentElement.dataset.theme;
    try {
      localStorage.setItem("theme", next);
    } catch {
      // It holds until the page is left, then.
    }
    setTheme(next);
    // What is painted on a canvas does not follow by itself.
    dispatchEvent(new Event("theme"));
  };
  return html`<button type="button" class="quiet" onClick=${turn} title="Change between light, dark and the system's choice">
    <span aria-hidden="true">${theme === "dark" ? "☾" : theme === "light" ? "☀" : "◐"}</span> ${label === "Light or dark as the system" ? "Auto" : label}
    <span class="spoken"> colours</span></button>`;
};

/** Since when the oldest answer is old that is shown all the same. */
const oldest = (failing) => {
  const times = [...failing.values()].map(({ lastGood }) => lastGood).filter(Boolean);
  return times.length > 0 ? Math.min(...times) : undefined;
};

/** Seconds since a moment, counted on. */
const useAge = (since) => {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return since === undefined ? undefined : Math.max(0, (now - since) / 1000);
};

const Pulse = () => {
  const { lastGood, failing } = usePulse();
  const age = useAge(lastGood);
  let [kind, words] = ["asking", "Asking …"];
  if (failing.size > 0) [kind, words] = ["ill", oldest(failing) === undefined ? "Answers are missing" : "Not live"];
  else if (lastGood !== undefined && age < FRESH / 1000) [kind, words] = ["well", `Live, ${duration(age)} ago`];
  // Who comes back to the page, or a server that hangs: nothing has failed yet.
  else if (lastGood !== undefined) words = `Asking; last answer ${duration(age)} ago`;
  return html`<button type="button" class="quiet pulse ${kind}" onClick=${refresh} title="Ask again now">
    <span class="dot" aria-hidden="true"></span><span>${words}</span></button>`;
};

/**
 * Said in full, and once for all of the page, when answers fail: what is shown then is of before, or nothing.
 * What is read aloud stands still: who listens does not want to hear each second that passes.
 */
export const Stale = () => {
  const { failing } = usePulse();
  const age = useAge(oldest(failing));
  // A wrong filter is told beside the filters, and a token is asked for.
  const told = [...failing.values()].find(({ problem }) => problem.status !== 401 && !problem.field);
  if (!told) return undefined;
  return html`<div class="banner"><strong role="alert">${told.problem.message}</strong>
    ${age !== undefined && ` What you see is ${duration(age)} old.`} It is tried again every 15 seconds.
    ${" "}<button type="button" onClick=${refresh}>Try now</button></div>`;
};

/** What a header takes: another character, such as that of an ellipsis, would keep all questions from being sent. */
const TOKEN = /^[\x20-\x7e]+$/;

/** Asks for the token, where the server wants one. */
export const Door = () => {
  const { failing } = usePulse();
  const [garbled, setGarbled] = useState(0);
  const locked = [...failing.values()].map(({ problem }) => problem).filter((problem) => problem.status === 401);
  if (locked.length === 0) return undefined;
  const [refused] = locked.map((problem) => problem.refused).filter((count) => count !== undefined);
  const enter = (event) => {
    event.preventDefault();
    const text = new FormData(event.target).get("token").trim();
    if (!TOKEN.test(text)) {
      setGarbled(garbled + 1);
      return;
    }
    setGarbled(0);
    present(text);
  };
  const [key, wrong] = garbled > 0
    ? [`garbled ${garbled}`, "That is no token: it has a character that tokens do not have, such as an ellipsis. Copy it anew."]
    : [`refused ${refused}`, refused === undefined ? undefined : "The server does not take the token that this tab has."];
  return html`<form class="door" onSubmit=${enter} aria-labelledby="door-title">
    <h2 id="door-title">This server wants a token</h2>
    <p>It is the one of <code>--bearer-token-file</code>. It is kept in this tab and gone with it.</p>
    ${wrong && html`<p key=${key} id="door-wrong" class="bad" role="alert">${wrong}</p>`}
    <label>Token <input name="token" type="password" autocomplete="off" required autofocus
      aria-invalid=${wrong ? "true" : undefined} aria-describedby=${wrong ? "door-wrong" : undefined} /></label>
    <button type="submit">Show</button>
  </form>`;
};

export const Head = ({ version }) => html`<header class="top">
  <a class="skip" href="#main">To the numbers</a>
  <h1><svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true"><rect width="32" height="32" rx="7" class="mark" />
    <path d="M6 12h19m-5-5 5 5-5 5" class="forth" /><path d="M26 22H12" class="back" /></svg>kubezonnet</h1>
  ${version && html`<span class="version">${version.version}</span>`}
  <span class="gap"></span>
  <${Pulse} /><${ThemeSwitch} />
</header>`;
