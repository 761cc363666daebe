// A table of any length. Only the rows in sight are in the document, so that ten thousand are as
// quick as ten; who listens to it is told how many there are and which these are.

import { html, useEffect, useLayoutEffect, useRef, useState } from "./vendor/htm-preact.js";

/** Height of a row in pixels, as in the style sheet: rows out of sight are known by it alone. */
const ROW = 34;

/** Rows drawn beyond what is in sight, so that a fast wheel does not outrun them. */
const SPARE = 8;

/** How a column is set; a minor one is left out where there is no room. */
const kindOf = ({ number, minor }) => `${number ? "number" : ""} ${minor ? "minor" : ""}`;

const Heading = ({ column, onSort }) => {
  const { label, sort, isSorted } = column;
  const kind = kindOf(column);
  if (!sort) return html`<th scope="col" class=${kind}>${label}</th>`;
  return html`<th scope="col" class=${kind} aria-sort=${isSorted ? "descending" : "none"}>
    <button type="button" class="sort" onClick=${() => onSort(sort)}>${label}<span aria-hidden="true">${isSorted ? " ▾" : " ▿"}</span></button>
  </th>`;
};

/**
 * `columns` have `label`, `cell(row)`, and `number`, `sort` and `isSorted` as they need. `count` is of
 * all rows there are, of which `rows` are the first; `onEnd`, where more can be had, is told when they come
 * in sight. Rows of another `question` are shown from the top.
 */
export const Table = ({ caption, columns, rows, count = rows.length, rowKey, onSort, onEnd, onPlace, question = caption, most = 12 }) => {
  const box = useRef(null);
  const [first, setFirst] = useState(0);
  const seen = most + 2 * SPARE;
  const follow = () => {
    const at = Math.max(0, Math.floor(box.current.scrollTop / ROW) - SPARE);
    // Every few rows are enough, as there are spare ones.
    setFirst(at - (at % 4));
    onPlace?.(box.current.scrollTop);
  };
  useLayoutEffect(() => {
    if (box.current) box.current.scrollTop = 0;
    setFirst(0);
  }, [question]);
  const from = Math.min(first, Math.max(0, rows.length - 1));
  const shown = rows.slice(from, from + seen);
  // Whatever changed: as long as the end of what there is can be seen, more is wanted.
  useEffect(() => {
    if (from + seen >= rows.length && rows.length < count) onEnd?.();
  });
  const above = from * ROW;
  const below = Math.max(0, rows.length - from - shown.length) * ROW;
  return html`<div class="scroll" ref=${box} onScroll=${follow} tabindex="0" role="region" aria-label=${caption}
      style=${{ maxHeight: `${(most + 1) * ROW + 2}px` }}>
    <table aria-rowcount=${count + 1}>
      <caption class="spoken">${caption}</caption>
      <thead><tr aria-rowindex="1">${columns.map((column) => html`<${Heading} key=${column.label} column=${column} onSort=${onSort} />`)}</tr></thead>
      <tbody>
        ${above > 0 && html`<tr key="above" class="space" aria-hidden="true" style=${{ height: `${above}px` }}></tr>`}
        ${shown.map((row, index) => html`<tr key=${rowKey(row)} aria-rowindex=${from + index + 2}>
          ${columns.map((column, place) => place === 0
            ? html`<th key=${column.label} scope="row">${column.cell(row)}</th>`
            : html`<td key=${column.label} class=${kindOf(column)}>${column.cell(row)}</td>`)}
        </tr>`)}
        ${below > 0 && html`<tr key="below" class="space" aria-hidden="true" style=${{ height: `${below}px` }}></tr>`}
      </tbody>
    </table>
  </div>`;
};
