// What these numbers do not say: bytes whose way is unknown, bytes without a price, and costs that
// nobody can tell from bytes.

import { html } from "./vendor/htm-preact.js";
import { Bytes, Panel } from "./parts.js";
import { share } from "./units.js";
import { PRICES, UNKNOWN, UNPRICED } from "./words.js";

const Row = ({ name, words, docs, of, all }) => html`<tr><th scope="row">${docs ? html`<a href=${docs} rel="noreferrer">${name}</a>` : name}
    <span class="why">${words}</span></th>
  <td class="number"><${Bytes} of=${of} /></td><td class="number">${share(of, all)}</td></tr>`;

const Rows = ({ title, rows }) => html`<table class="doubt"><caption>${title}</caption>
  <thead class="spoken"><tr><th scope="col">Why</th><th scope="col">Bytes</th><th scope="col">Share</th></tr></thead>
  <tbody>${rows}</tbody></table>`;

/** How to switch prices on, where there are none. */
const NoPrices = () => html`<p class="hint"><strong>No prices.</strong> Only bytes are shown. The server takes a cloud's list prices
  when nodes tell which cloud it is; name it with <code>--cloud aws</code>, or give your own with <code>--pricing FILE</code>.
  ${" "}<a href=${PRICES} rel="noreferrer">Prices</a></p>`;

export const Doubts = ({ state }) => html`<${Panel} id="doubts" title="What is not known" state=${state} lines=${4}>
  ${({ unknown, unpriced, left_out: leftOut, total, currency }) => {
    const gaps = unpriced.filter((one) => one.bytes > 0 && one.reason !== "unknown_place");
    const reasons = unknown.filter((one) => one.bytes > 0);
    return html`
      ${!currency && html`<${NoPrices} />`}
      ${reasons.length === 0
        ? html`<p class="good"><span aria-hidden="true">✓ </span>It is known of every byte where it went.</p>`
        : html`<${Rows} title="Where it went is unknown" rows=${reasons.map((one) => {
            const [name, words, docs] = UNKNOWN[one.reason] ?? [one.reason, ""];
            return html`<${Row} key=${one.reason} ...${{ name, words, docs, of: one.bytes, all: total.bytes }} />`;
          })} />`}
      ${currency && gaps.length > 0 && html`<${Rows} title="Known, and without a price" rows=${gaps.map((one) => {
        const [name, words] = UNPRICED[one.reason] ?? [one.reason, ""];
        return html`<${Row} key=${one.reason} ...${{ name, words, docs: PRICES, of: one.bytes, all: total.bytes }} />`;
      })} />`}
      ${currency && leftOut.length > 0 && html`<p class="out">No cost on this page has in it:</p>
        <ul class="out">${leftOut.map((words) => html`<li key=${words}>${words}</li>`)}</ul>`}`;
  }}<//>`;
