// Asks the server, again and again while somebody looks, and keeps the last good answer when it
// does not come: what is shown is then old, and says so.

import { useEffect, useRef, useState } from "./vendor/htm-preact.js";

/** How often it is asked, in milliseconds: windows come every ten seconds. */
const BEAT = 15_000;

/** How long an answer may take, in milliseconds. It may be longer than a beat: a question is let go on, not begun anew. */
const PATIENCE = 20_000;

/** The same where the server asks another for history: it gives that a minute after its turn, and then says so itself. */
const LONG_PATIENCE = 75_000;

/** What the server knows without looking into history. */
const KNOWN = ["health", "version"];

/** An answer that is older is not of now, in milliseconds. */
export const FRESH = 2 * BEAT;

/** What the server says in a few words, as a sentence. */
const sentence = (words) => `${words.slice(0, 1).toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? "" : "."}`;

/** Why there is no answer: what the server says, or that it says nothing. */
export class Problem extends Error {
  constructor(message, { status = 0, field, refused } = {}) {
    super(field ? message : sentence(message));
    this.status = status;
    this.field = field;
    /** Which of the tokens of this page was refused, if one was given; they are counted. */
    this.refused = refused;
  }
}

/** What a tab keeps over reloads; where that is forbidden, things hold until the page is left. */
const stored = (use) => {
  try {
    return use(sessionStorage);
  } catch {
    return undefined;
  }
};

const token = {
  /** Counts those that were given: with another one all is asked anew. */
  count: 0,
  text: stored((storage) => storage.getItem("token")),
  set: (text) => {
    token.text = text;
    token.count += 1;
    stored((storage) => storage.setItem("token", text));
  },
};

/** How far the server's clock is ahead of the one here, in milliseconds. */
let ahead = 0;

/** The server's time of a moment that was taken here: times in its answers are by its own clock. */
export const serverTime = (here = Date.now()) => here + ahead;

/** What an answer says, of whatever status. What stands before the server, such as a proxy, has words of its own. */
const told = async (response, used) => {
  const body = await response.json().catch((cause) => {
    if (cause instanceof SyntaxError) return undefined;
    throw cause;
  });
  if (!response.ok) {
    const words = body?.error ?? `The server answers ${response.status}.`;
    throw new Problem(words, { status: response.status, field: body?.field, refused: response.status === 401 ? used : undefined });
  }
  if (body === undefined) throw new Problem("What answers is not this server: something else stands before it.");
  if (body.now) ahead = Date.parse(body.now) - Date.now();
  return body;
};

/** One answer of `/api/v1`. */
export const ask = async (path, query = "", signal = undefined) => {
  const headers = { accept: "application/json" };
  const used = token.text ? token.count : undefined;
  if (token.text) headers.authorization = `Bearer ${token.text}`;
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), KNOWN.includes(path) ? PATIENCE : LONG_PATIENCE);
  const give = () => patience.abort();
  signal?.addEventListener("abort", give);
  try {
    return await told(await fetch(`api/v1/${path}${query && "?"}${query}`, { headers, signal: patience.signal }), used);
  } catch (cause) {
    if (cause instanceof Problem || signal?.aborted) throw cause;
    throw new Problem(patience.signal.aborted ? "The server takes too long." : "The server cannot be reached.");
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", give);
  }
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
 * The last good answer to a question, when it came (`at`), and the problem if the newest one went wrong.
 * While another question waits for its first answer, that of the one before stays, and `isOld` says so; if
 * none comes, there is no answer. Without a query nothing is asked.
 *
 * `pace` is `beat`, or `still` for one answer to each question, or `off` to ask nothing now and keep what is
 * there. A question that goes on from another answer is asked anew when that is another: `after`, which is
 * told with the answer to it.
 */
export const useAnswer = (path, query, { pace = "beat", after } = {}) => {
  const beat = useBeat();
  const [state, setState] = useState({});
  // A question of its own, even if another panel asks the same.
  const name = useRef({}).current;
  const flight = useRef();
  const asked = useRef({});
  const good = useRef({});
  const question = query === undefined ? undefined : `${token.count} ${path}?${query}`;
  const since = after ?? beat;

  const send = () => {
    const control = new AbortController();
    flight.current = control;
    asked.current = { question, since };
    // Something else may be looked at by the time it comes.
    const land = (take) => (what) => {
      if (flight.current !== control) return;
      flight.current = undefined;
      take(what);
    };
    ask(path, query, control.signal).then(
      land((answer) => {
        good.current = { question, at: Date.now() };
        setState({ answer, question, after, at: good.current.at });
        went(name);
      }),
      land((problem) => {
        setState((before) => ({ ...before, problem, failed: question }));
        went(name, problem, good.current.question === question ? good.current.at : undefined);
      }),
    );
  };

  useEffect(() => {
    // What is asked no more does not fail either.
    if (question === undefined && pulse.failing.delete(name)) tell();
    return () => {
      if (!flight.current) return;
      flight.current.abort();
      flight.current = undefined;
      asked.current = {};
    };
  }, [question]);
  useEffect(() => {
    // One at a time: whoever asks anew before the answer is there may never get one.
    if (question === undefined || pace === "off" || flight.current) return;
    const { question: before, since: then } = asked.current;
    if (question !== before || pulse.failing.has(name) || (pace === "beat" && since !== then)) send();
  }, [question, pace, since, beat]);
  useEffect(() => () => {
    if (pulse.failing.delete(name)) tell();
  }, []);

  const isOther = state.answer !== undefined && state.question !== question;
  const problem = state.failed !== undefined && state.failed === question ? state.problem : undefined;
  // An answer to another question stays only as long as there may be one to this.
  const { answer, at, after: base } = isOther && problem ? {} : state;
  return { answer, at, problem, after: base, isOld: answer !== undefined && isOther };
};
