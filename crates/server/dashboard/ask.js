// Asks the server, again and again while somebody looks, and keeps the last good answer when it
// does not come: what is shown is then old, and says so.

import { useEffect, useRef, useState } from "./vendor/htm-preact.js";

/** How often it is asked, in milliseconds: windows come every ten seconds. */
const BEAT = 15_000;

/** How long an answer may take. */
const PATIENCE = 20_000;

/** Why there is no answer: what the server says, or that it says nothing. */
export class Problem extends Error {
  constructor(message, status = 0, field = undefined) {
    super(message);
    this.status = status;
    this.field = field;
  }
}

const token = {
  get: () => sessionStorage.getItem("token"),
  set: (text) => sessionStorage.setItem("token", text),
};

/** One answer of `/api/v1`. */
export const ask = async (path, query = "", signal = undefined) => {
  const headers = { accept: "application/json" };
  if (token.get()) headers.authorization = `Bearer ${token.get()}`;
  const patience = AbortSignal.timeout(PATIENCE);
  let response;
  try {
    response = await fetch(`api/v1/${path}${query && "?"}${query}`, {
      headers,
      signal: signal ? AbortSignal.any([signal, patience]) : patience,
    });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new Problem(patience.aborted ? "The server takes too long." : "The server cannot be reached.");
  }
  if (response.ok) return response.json();
  // What stands before the server, such as a proxy, has words of its own.
  const body = await response.json().catch(() => ({}));
  const words = body.error ?? `The server answers ${response.status}.`;
  throw new Problem(words, response.status, body.field);
};

// What all questions of the page have in common: their rhythm, and how the last ones went.
const listeners = new Set();
const pulse = { beat: 0, lastGood: undefined, failing: new Map() };

const tell = () => {
  for (const listener of listeners) listener({ ...pulse });
};

/** Asks everything again now. */
export const refresh = () => {
  pulse.beat += 1;
  tell();
};

/** Keeps a token for this tab, and asks everything again with it. */
export const present = (text) => {
  token.set(text);
  refresh();
};

let due = 0;
const beat = () => {
  clearTimeout(due);
  if (document.hidden) return;
  refresh();
  due = setTimeout(beat, BEAT);
};
due = setTimeout(beat, BEAT);
// Nobody looks at a hidden page; who comes back sees what is now.
document.addEventListener("visibilitychange", beat);

/** The rhythm, when the last good answer came, and which questions fail. */
export const usePulse = () => {
  const [now, setNow] = useState({ ...pulse });
  useEffect(() => {
    listeners.add(setNow);
    return () => listeners.delete(setNow);
  }, []);
  return now;
};

/** The rhythm alone. */
const useBeat = () => {
  const [now, setNow] = useState(pulse.beat);
  useEffect(() => {
    const follow = () => setNow(pulse.beat);
    listeners.add(follow);
    return () => listeners.delete(follow);
  }, []);
  return now;
};

/** Notes how a question went: the problem, and since when what is shown in its place is old. */
const went = (name, problem, lastGood) => {
  if (problem) {
    pulse.failing.set(name, { problem, lastGood });
  } else {
    pulse.failing.delete(name);
    pulse.lastGood = Date.now();
  }
  tell();
};

/**
 * The last good answer to a question, and the problem if the newest one went wrong. While another
 * question waits for its first answer, that of the one before stays, and `isOld` says so. Without a
 * query nothing is asked.
 */
export const useAnswer = (path, query, rhythm = true) => {
  const beat = useBeat();
  const [state, setState] = useState({});
  // A question of its own, even if another panel asks the same.
  const name = useRef({}).current;
  const lastGood = useRef();
  useEffect(() => {
    if (query === undefined) {
      // What is asked no more does not fail either.
      if (pulse.failing.delete(name)) tell();
      return undefined;
    }
    const control = new AbortController();
    ask(path, query, control.signal).then(
      (answer) => {
        if (control.signal.aborted) return;
        setState({ answer, query });
        lastGood.current = Date.now();
        went(name);
      },
      (problem) => {
        if (control.signal.aborted) return;
        setState((before) => ({ ...before, problem }));
        went(name, problem, lastGood.current);
      },
    );
    return () => control.abort();
  }, [path, query, rhythm ? beat : 0]);
  useEffect(() => () => {
    pulse.failing.delete(name);
  }, []);
  return { ...state, isOld: state.answer !== undefined && state.query !== query };
};
