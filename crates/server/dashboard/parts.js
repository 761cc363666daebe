// Small parts that panels are made of.

import { html } from "./vendor/htm-preact.js";
import { serverTime } from "./ask.js";
import { bytes, change, exact, money } from "./units.js";
import { BOUNDARIES } from "./words.js";

/** Bytes, with all digits for who points at them. */
export const Bytes = ({ of, per = "" }) => html`<span class="number" title=${exact(of) + per}>${bytes(of)}${per}</span>`;

/** Money, with all digits for who points at it. */
export const Money = ({ of, currency, per = "" }) =>
  of === undefined
    ? html`<span class="number none" title="no price">–</span>`
    : html`<span class="number" title="${of} ${currency}${per}">${money(of, currency)}${per}</span>`;

/** What it costs; nothing is known of that if there is something without a price, and the rest costs nothing. */
export const costOf = (of) => (of.unpriced_bytes > 0 && Number(of.cost) === 0 ? undefined : of.cost);

/** How a number changed: an arrow and a word, so that the colour is not all there is. */
export const Change = ({ now, before, title = "" }) => {
  const made = change(now, before);
  if (!made) return html`<span class="change none" title="there is no history of the time before">–</span>`;
  const [kind, arrow, word] = { 1: ["up", "▲", "up"], 0: ["level", "", ""], "-1": ["down", "▼", "down"] }[made.direction];
  return html`<span class="change ${kind}" title=${title}>
    <span aria-hidden="true">${arrow} </span><span class="spoken">${word} </span>${made.text}</span>`;
};

/** The sign and name of a locality. */
export const Locality = ({ of }) => html`<span class="locality">
  <span class="swatch ${of}" aria-hidden="true"></span>${BOUNDARIES[of] ?? of}</span>`;

/** How long a slot of history is, in milliseconds. */
const SLOTS = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** How long agents and history may take until a byte is there, in milliseconds. */
export const BEHIND = 45_000;

/**
 * The parts of a trend that are whole: not those before there was any history, which would seem to be
 * nothing, nor the one that has only begun at `now`, and so would seem to fall.
 */
export const settled = (trend, range, now) => {
  const [from, to] = [Date.parse(range.from), Date.parse(range.to)];
  const slot = SLOTS[range.resolution];
  // Parts are of whole slots; the last may be of fewer.
  const step = slot * Math.max(1, Math.ceil(Math.round((to - from) / slot) / trend.length));
  const since = range.history_since ? Date.parse(range.history_since) : from;
  const isWhole = (index) => from + index * step >= since && Math.min(from + (index + 1) * step, to) <= now - BEHIND;
  return trend.filter((_, index) => isWhole(index));
};

/** A small line of how it went until `now`; it has no scale, and the numbers beside it do. */
export const Spark = ({ of: trend, range, now }) => {
  const of = settled(trend, range, now);
  if (of.length < 2) return html`<span class="none" title="too little history for a trend">–</span>`;
  const [width, height] = [96, 22];
  const most = Math.max(...of, 1);
  const step = width / (of.length - 1);
  const points = of.map((value, index) => `${(index * step).toFixed(1)},${(height - 2 - (value / most) * (height - 4)).toFixed(1)}`);
  return html`<svg class="spark" viewBox="0 0 ${width} ${height}" width=${width} height=${height} role="img" aria-label=${trendWords(of)}>
    <polygon points="0,${height} ${points.join(" ")} ${width},${height}" />
    <polyline points=${points.join(" ")} />
  </svg>`;
};

/** What a trend tells, in words. */
const trendWords = (trend) => {
  const most = Math.max(...trend);
  return `from ${bytes(trend[0])} to ${bytes(trend.at(-1))} at a time, at most ${bytes(most)}`;
};

const Skeleton = ({ lines }) => html`<div class="skeleton" aria-hidden="true">
  ${Array.from({ length: lines }, () => html`<div></div>`)}</div>`;

/** Why there is nothing to see. The banner says it once to all who listen, and has a way to try again. */
const Trouble = ({ problem }) => html`<p class="trouble">${problem.status === 401
  ? "Not shown without a token."
  : html`<strong>No answer.</strong> ${problem.message}`}</p>`;

/**
 * A part of the page with a heading. What is in it depends on the answer: none yet, none to be had,
 * empty, old, or there. `children` is a function of the answer and of the server's time when it came.
 */
export const Panel = ({ id, title, note, tools, state, empty, lines = 6, children }) => {
  const { answer, at, problem, isOld } = state;
  let body;
  if (answer === undefined) body = problem ? html`<${Trouble} problem=${problem} />` : html`<${Skeleton} lines=${lines} />`;
  else if (empty?.(answer)) body = html`<p class="empty">${empty(answer)}</p>`;
  else body = children(answer, serverTime(at));
  return html`<section id=${id} class="panel" aria-labelledby="${id}-title" aria-busy=${answer === undefined && !problem ? "true" : "false"}>
    <header><h2 id="${id}-title">${title}</h2>${note && html`<p class="note">${note}</p>`}<div class="tools">${tools}</div></header>
    <div class="body ${isOld ? "old" : ""}">${body}</div>
  </section>`;
};

/** Some choices of which one holds. */
export const Choice = ({ label, choices, chosen, onChoose }) => html`<div class="choice" role="group" aria-label=${label}>
  ${choices.map(([value, text]) => html`<button type="button" key=${value} aria-pressed=${value === chosen ? "true" : "false"}
    onClick=${() => onChoose(value)}>${text}</button>`)}</div>`;

/** Money or bytes of an amount, whichever is shown. */
export const Amount = ({ of, unit, currency }) =>
  unit === "cost" ? html`<${Money} of=${costOf(of)} currency=${currency} />` : html`<${Bytes} of=${of.bytes} />`;

/** What is said where no item has money to show. */
export const nothingCosts = (items) =>
  items.some((item) => item.unpriced_bytes > 0) ? "Nothing here costs anything, as far as it has a price." : "Nothing here costs anything.";

/** The number that is shown, for pictures: a picture needs no more digits than it has pixels. */
export const size = (of, unit) => (unit === "cost" ? Number(of?.cost ?? 0) : (of?.bytes ?? 0));
