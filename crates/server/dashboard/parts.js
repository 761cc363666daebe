// Small parts that panels are made of.

import { html } from "./vendor/htm-preact.js";
import { refresh } from "./ask.js";
import { bytes, change, exact, money } from "./units.js";
import { LOCALITIES } from "./words.js";

/** Bytes, with all digits for who points at them. */
export const Bytes = ({ of, per = "" }) => html`<span class="number" title=${exact(of) + per}>${bytes(of)}${per}</span>`;

/** Money, with all digits for who points at it. */
export const Money = ({ of, currency, per = "" }) =>
  of === undefined
    ? html`<span class="number none" title="no price">–</span>`
    : html`<span class="number" title="${of} ${currency}${per}">${money(of, currency)}${per}</span>`;

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
  <span class="swatch ${of}" aria-hidden="true"></span>${LOCALITIES[of] ?? of}</span>`;

/** A trend without the part that has only begun, and so would seem to fall. */
const settled = (trend, range) =>
  trend.length > 2 && new Date(range.to) > Date.now() - 60_000 ? trend.slice(0, -1) : trend;

/** A small line of how it went; it has no scale, and the numbers beside it do. */
export const Spark = ({ of: trend, range }) => {
  const of = settled(trend, range);
  const [width, height] = [96, 22];
  const most = Math.max(...of, 1);
  const step = width / Math.max(of.length - 1, 1);
  const points = of.map((value, index) => `${(index * step).toFixed(1)},${(height - 2 - (value / most) * (height - 4)).toFixed(1)}`);
  return html`<svg class="spark" viewBox="0 0 ${width} ${height}" width=${width} height=${height} role="img" aria-label=${trendWords(of)}>
    <polygon points="0,${height} ${points.join(" ")} ${width},${height}" />
    <polyline points=${points.join(" ")} />
  </svg>`;
};

/** What a trend tells, in words. */
const trendWords = (trend) => {
  if (trend.length === 0) return "no trend";
  const most = Math.max(...trend);
  return `from ${bytes(trend[0])} to ${bytes(trend.at(-1))} at a time, at most ${bytes(most)}`;
};

const Skeleton = ({ lines }) => html`<div class="skeleton" aria-hidden="true">
  ${Array.from({ length: lines }, () => html`<div></div>`)}</div>`;

/** Why there is nothing to see, and a way to try again. */
export const Trouble = ({ problem }) => html`<div class="trouble" role="alert">
  <p><strong>No answer.</strong> ${problem.message}</p>
  <button type="button" onClick=${refresh}>Try again</button>
</div>`;

/**
 * A part of the page with a heading. What is in it depends on the answer: none yet, none to be had,
 * empty, old, or there. `children` is a function of the answer.
 */
export const Panel = ({ id, title, note, tools, state, empty, lines = 6, children }) => {
  const { answer, problem, isOld } = state;
  let body;
  if (answer === undefined) body = problem ? html`<${Trouble} problem=${problem} />` : html`<${Skeleton} lines=${lines} />`;
  else if (empty?.(answer)) body = html`<p class="empty">${empty(answer)}</p>`;
  else body = children(answer);
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
  unit === "cost" ? html`<${Money} of=${of.cost} currency=${currency} />` : html`<${Bytes} of=${of.bytes} />`;

/** The number that is shown, for pictures: a picture needs no more digits than it has pixels. */
export const size = (of, unit) => (unit === "cost" ? Number(of?.cost ?? 0) : (of?.bytes ?? 0));
