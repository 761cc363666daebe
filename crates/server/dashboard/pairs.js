// Who sends to whom, the dearest first: that is where to look.

import { html } from "./vendor/htm-preact.js";
import { Amount, Bytes, Change, Locality, Panel, Spark, nothingCosts, size } from "./parts.js";
import { end, filterOf } from "./words.js";

/** One end by name, which narrows the page to it. */
export const End = ({ of, change }) => {
  const { kind, group, name } = end(of);
  const filter = filterOf(of);
  const text = html`${group && html`<span class="group">${group}/</span>`}<span class="name">${name}</span>`;
  const title = [kind, group && `in ${group}`, of.zone].filter(Boolean).join(" ");
  if (!filter) return html`<span class="end" title=${title}>${text}</span>`;
  return html`<button type="button" class="link end" title="${title}: look at it alone" onClick=${() => change({ workload: [filter] })}>${text}</button>`;
};

/** Two ends. */
export const Pair = ({ of, change }) => html`<span class="pair"><${End} of=${of.source} change=${change} />
  <span class="arrow"><span aria-hidden="true"> → </span><span class="spoken"> to </span></span><${End} of=${of.destination} change=${change} /></span>`;

export const pairKey = ({ key }) => JSON.stringify([key.source, key.destination, key.locality]);

export const Pairs = ({ state, unit, change }) => html`<${Panel} id="pairs" title=${unit === "cost" ? "What costs most" : "What sends most"} state=${state}
  note="who sends to whom; choose a name to look at it alone"
  empty=${(answer) => answer.items.every((item) => size(item, unit) === 0) && (answer.items.length > 0 ? nothingCosts(answer.items) : "Nobody sent anything here in this range.")}>
  ${({ items: all, currency, total, count, range }, now) => {
    // What costs nothing is no answer to what costs most.
    const items = all.filter((item) => size(item, unit) > 0);
    return html`<div class="wide"><table class="list">
    <caption class="spoken">The pairs of workloads that have most, the largest first</caption>
    <thead><tr><th scope="col">From and to</th><th scope="col">Boundary</th><th scope="col" class="minor">Trend</th>
      <th scope="col" class="number minor">${unit === "cost" ? "Bytes" : "Share"}</th>
      <th scope="col" class="number" aria-sort="descending">${unit === "cost" ? "Cost" : "Bytes"}</th><th scope="col" class="number">Change</th></tr></thead>
    <tbody>${items.map((item) => html`<tr key=${pairKey(item)}>
      <th scope="row"><${Pair} of=${item.key} change=${change} /></th>
      <td><${Locality} of=${item.key.locality} /></td>
      <td class="minor"><${Spark} of=${item.trend} range=${range} now=${now} /></td>
      <td class="number minor">${unit === "cost" ? html`<${Bytes} of=${item.bytes} />` : `${Math.round((100 * item.bytes) / (total.bytes || 1))} %`}</td>
      <td class="number strong"><${Amount} of=${item} unit=${unit} currency=${currency} /></td>
      <td class="number"><${Change} now=${size(item, unit)} before=${item.before && size(item.before, unit)} /></td></tr>`)}
    </tbody></table></div>
    ${count > all.length && items.length === all.length && html`<p class="sum">The first ${items.length} of ${count}; all are below, under “Pairs”.</p>`}`;
  }}<//>`;
