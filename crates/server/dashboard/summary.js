// What it is, in four numbers and a sentence: now, in the range, this month, at its end; and who.

import { html } from "./vendor/htm-preact.js";
import { Change, Panel, size } from "./parts.js";
import { Pair } from "./pairs.js";
import { bytes, day, exact, money, share } from "./units.js";
import { LOCALITIES } from "./words.js";
import { RANGES } from "./view.js";

/** What the range is called. */
export const rangeName = (view) => {
  if (view.from) return "The range";
  if (view.since === "month") return "This month";
  const known = RANGES.find(([since]) => since === view.since);
  return `Last ${known ? known[1].replace(/^1 /, "") : view.since}`;
};

const Tile = ({ name, label, value, title, children }) => html`<div class="tile" data-tile=${name}>
  <dt>${label}</dt><dd><span class="value" title=${title}>${value}</span><span class="under">${children}</span></dd></div>`;

/** An amount as text and with all digits. */
const written = (of, unit, currency) => {
  if (!of) return { value: "–", title: undefined };
  if (unit === "bytes") return { value: bytes(of.bytes), title: exact(of.bytes) };
  return { value: money(of.cost ?? "0", currency), title: `${of.cost} ${currency}` };
};

const Against = ({ now, before, unit, currency, words, none }) => {
  if (!before) return none;
  const title = `${words}: ${written(before, unit, currency).title}`;
  return html`<${Change} now=${size(now, unit)} before=${size(before, unit)} title=${title} /> against ${words}`;
};

/** The pair that has most, and how much of all that is. */
const Culprit = ({ pairs, unit, currency, change }) => {
  const item = pairs.answer?.items[0];
  if (!item || size(item, unit) === 0) return undefined;
  const { value, title } = written(item, unit, currency);
  const [part, all] = [size(item, unit), size(pairs.answer.total, unit)];
  return html`<p class="culprit">${part > all / 2 ? "Most of it is" : "The largest part is"} <${Pair} of=${item.key} change=${change} />,
    ${" "}${LOCALITIES[item.key.locality].toLowerCase()}: <b title=${title}>${value}</b>,
    ${" "}${share(part, all)} of all.</p>`;
};

/**
 * `state` has the summary whose numbers are shown: of all with prices, of what crosses without. What
 * stays within a zone costs nothing, and would hide in bytes what this is about.
 */
export const Summary = ({ view, state, unit, pairs, change }) => html`<${Panel} id="summary" state=${state} lines=${3}
  title=${unit === "cost" ? "What it costs" : "What crosses zones"}
  empty=${(answer) => answer.total.bytes === 0 && !(answer.month?.so_far.bytes > 0) &&
    "Nothing was counted here yet. Numbers come with the first windows of the agents, within half a minute; with filters, it may be that nobody matches."}>
  ${(answer, at) => {
    const { currency, rate, month } = answer;
    const now = unit === "cost"
      ? { value: money(rate.cost_per_hour ?? "0", currency), title: `${rate.cost_per_hour} ${currency} an hour` }
      : { value: `${bytes(rate.crossing_bytes_per_second)}/s`, title: exact(rate.crossing_bytes_per_second) };
    // Whole minutes are told: a server that has just begun has none yet.
    const isYoung = rate.bytes_per_second === 0 && answer.total.bytes > 0 && new Date(answer.range.history_since) > at - 360_000;
    if (isYoung) now.value = "–";
    const until = month && new Date(new Date(month.to) - 1);
    const untold = "what is asked for history takes too long to tell";
    return html`<dl class="tiles">
      <${Tile} name="now" label="Now" value=${now.value} title=${now.title}>
        ${isYoung ? "after the first whole minutes" : unit === "cost" ? `an hour, as ${bytes(rate.crossing_bytes_per_second)}/s cross` : "over the last 5 minutes"}<//>
      <${Tile} name="range" label=${rangeName(view)} ...${written(answer.total, unit, currency)}>
        <${Against} now=${answer.total} before=${answer.before} unit=${unit} currency=${currency}
          words="the time before" none="no history of the time before" /><//>
      <${Tile} name="month" label=${month ? `Since ${day(month.from)}` : "This month"} ...${written(month?.so_far, unit, currency)}>
        ${month ? "this month (UTC) so far" : untold}<//>
      <${Tile} name="projected" label=${month ? `By ${day(until)}` : "By its end"} ...${written(month?.projected, unit, currency)}>
        ${!month ? untold : month.projected
          ? html`<${Against} now=${month.projected} before=${month.before} unit=${unit} currency=${currency}
              words="last month" none="projected, if it goes on like this" />`
          : "projected after an hour"}<//>
    </dl>
    <${Culprit} pairs=${pairs} unit=${unit} currency=${currency} change=${change} />`;
  }}<//>`;
