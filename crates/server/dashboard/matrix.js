// From which zone into which. A cell narrows all of the page to what goes that way.

import { html } from "./vendor/htm-preact.js";
import { Amount, Panel, size } from "./parts.js";
import { bytes, exact, money } from "./units.js";
import { place } from "./words.js";

const same = (view, name, value) => view[name].length === 1 && view[name][0] === value;

const Cell = ({ cell, source, destination, most, unit, currency, view, change }) => {
  const amount = cell ? size(cell, unit) : 0;
  if (amount === 0) {
    const title = cell ? `${exact(cell.bytes)}${unit === "cost" ? ", without cost" : ""}` : "nothing";
    return html`<td class="none" title=${title}>–</td>`;
  }
  // By the root, as the eye compares areas: small cells would all be blank otherwise.
  const heat = Math.round(4 + 36 * Math.sqrt(amount / most));
  const title = `${exact(cell.bytes)}${cell.cost ? `, ${cell.cost} ${currency}` : ""}`;
  const kind = source === destination ? "home" : "away";
  const style = { "--heat": `${heat}%` };
  const words = unit === "cost" ? money(cell.cost, currency) : bytes(cell.bytes);
  // Where a place has no name there is no filter that means it.
  if (![source, destination].every((name) => name && name !== "internet")) {
    return html`<td class="number ${kind}" style=${style} title=${title}>${words}</td>`;
  }
  const isChosen = same(view, "source_zone", source) && same(view, "destination_zone", destination);
  const choose = () => change(isChosen
    ? { source_zone: [], destination_zone: [] }
    : { source_zone: [source], destination_zone: [destination] });
  return html`<td class="number ${kind}" style=${style}><button type="button" title=${title} onClick=${choose}
    aria-pressed=${isChosen ? "true" : "false"} aria-label="${words} from ${source} to ${destination}">${words}</button></td>`;
};

export const Matrix = ({ view, state, unit, change }) => html`<${Panel} id="matrix" title="Zone to zone" state=${state}
  note="choose a cell to look at that way alone" empty=${(answer) => answer.cells.length === 0 && "Nothing went anywhere in this range."}>
  ${(answer) => {
    const { cells, currency, total } = answer;
    const names = [...new Set(cells.flatMap((cell) => [cell.source, cell.destination]))];
    // What has no name goes last.
    const order = (name) => (name === "" ? 2 : name === "internet" ? 1 : 0);
    names.sort((a, b) => order(a) - order(b) || a.localeCompare(b));
    // Zones stay where they are; what is none has its row or column only if there is something in it.
    const has = (name, side) => cells.some((cell) => cell[side] === name && (order(name) === 0 || size(cell, unit) > 0));
    const sources = names.filter((name) => has(name, "source"));
    const destinations = names.filter((name) => has(name, "destination"));
    const most = Math.max(...cells.map((cell) => size(cell, unit)), Number.MIN_VALUE);
    const find = (source, destination) => cells.find((cell) => cell.source === source && cell.destination === destination);
    return html`<div class="wide" tabindex="0" role="region" aria-label="Zones, from and to"><table class="matrix">
      <caption class="spoken">${unit === "cost" ? "Cost" : "Bytes"} from zone (row) to zone (column)</caption>
      <thead><tr><th scope="col" class="corner">from ↓ to →</th>${destinations.map((name) => html`<th key=${name} scope="col" class="number">${place(name)}</th>`)}</tr></thead>
      <tbody>${sources.map((source) => html`<tr key=${source}><th scope="row">${place(source)}</th>
        ${destinations.map((destination) => html`<${Cell} key=${destination} cell=${find(source, destination)} ...${{ source, destination, most, unit, currency, view, change }} />`)}</tr>`)}
      </tbody></table></div>
      <p class="sum">Together <${Amount} of=${total} unit=${unit} currency=${currency} />${unit === "cost" ? "; within a zone nothing is charged." : "."}</p>`;
  }}<//>`;
