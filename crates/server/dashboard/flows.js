// The way of the bytes: who sends, from which zone, into which zone, to whom; as a picture and a table.

import { html, useEffect, useMemo, useRef, useState } from "./vendor/htm-preact.js";
import { lay } from "./graph.js";
import { useAnswer } from "./ask.js";
import { Amount, Locality, Panel, nothingCosts, size } from "./parts.js";
import { Pair, pairKey } from "./pairs.js";
import { bytes, money, share } from "./units.js";
import { asked } from "./view.js";
import { PAIRS, waysOf } from "./ways.js";
import { BOUNDARIES, end, filterOf, place } from "./words.js";

const HEIGHT = 320;

const nameOf = (one) => one && JSON.stringify([filterOf(one) ?? null, end(one).group, end(one).name]);

/** One way as the picture needs it. */
const flowOf = ({ ends, source, destination, locality, ...item }, unit) => ({
  source: nameOf(ends[0]), sourceZone: source,
  destination: nameOf(ends[1]), destinationZone: destination,
  locality, value: size(item, unit),
});

/** What a box stands for: `[filter, group, name]` of an end, or a zone. */
const label = (box) => {
  if (box.column === 1 || box.column === 2) return { name: place(box.name) };
  if (box.name === undefined) return { name: "all others" };
  const [filter, group, name] = JSON.parse(box.name);
  return { filter, name, title: group ? `${group}/${name}` : name };
};

const Box = ({ box, thick, total, text, change }) => {
  const { filter, name, title = name } = label(box);
  const isLeft = box.column === 0;
  const isZone = box.column === 1 || box.column === 2;
  const choose = filter ? () => change({ workload: [filter] }) : undefined;
  const press = (event) => {
    if (!choose || !["Enter", " "].includes(event.key)) return;
    event.preventDefault();
    choose();
  };
  const [x, anchor] = isLeft ? [box.x - 6, "end"] : [box.x + thick + 6, "start"];
  const short = name.length > 20 ? `${name.slice(0, 19)}…` : name;
  const more = choose ? { role: "button", tabindex: 0, onClick: choose, onKeyDown: press } : {};
  return html`<g class="box ${isZone ? "zone" : ""} ${choose ? "link" : ""}" ...${more}>
    <title>${title}, ${text(box.value)}, ${share(box.value, total)}</title>
    <rect x=${box.x} y=${box.y} width=${thick} height=${Math.max(1, box.height)} rx="2" />
    <text x=${x} y=${box.y + box.height / 2} text-anchor=${anchor} dominant-baseline="central">${short}</text>
  </g>`;
};

const Picture = ({ answer, unit, change }) => {
  const box = useRef(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const fit = new ResizeObserver(([entry]) => setWidth(Math.max(620, Math.floor(entry.contentRect.width))));
    fit.observe(box.current);
    return () => fit.disconnect();
  }, []);
  const flows = answer.items.map((item) => flowOf(item, unit));
  const total = flows.reduce((sum, flow) => sum + flow.value, 0);
  const text = (value) => (unit === "cost" ? money(String(value), answer.currency) : bytes(value));
  const { boxes, bands, thick } = lay(flows, { width: width || 620, height: HEIGHT, margin: 150 });
  return html`<div class="flow wide" ref=${box}>${width > 0 && html`<svg width=${width} height=${HEIGHT + 44} viewBox="0 -28 ${width} ${HEIGHT + 44}"
      role="group" aria-label="Who sends from which zone into which zone to whom; the same is in the table below">
    <defs><pattern id="others" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path d="M0 0v6" /></pattern></defs>
    ${[["from", 150, "end"], ["out of zone", 150 + (width - 312) / 3, "middle"], ["into zone", 150 + (2 * (width - 312)) / 3, "middle"], ["to", width - 150, "start"]]
      .map(([words, x, anchor]) => html`<text class="head" x=${x} y="-16" text-anchor=${anchor}>${words}</text>`)}
    ${bands.map((band) => html`<path key=${band.from + band.to + band.locality} class="band ${band.locality}" d=${band.path}>
      <title>${label(band.source).name} to ${label(band.destination).name}, ${BOUNDARIES[band.locality].toLowerCase()}: ${text(band.value)}</title></path>`)}
    ${boxes.map((one) => html`<${Box} key=${one.id} box=${one} ...${{ thick, total, text, change }} />`)}
  </svg>`}</div>`;
};

/** Whether an element has come into sight: what nobody sees is not asked for. */
const useSeen = () => {
  const anchor = useRef(null);
  const [isSeen, setSeen] = useState(false);
  useEffect(() => {
    const watch = new IntersectionObserver(([entry]) => setSeen(entry.isIntersecting), { rootMargin: "400px" });
    watch.observe(anchor.current);
    return () => watch.disconnect();
  }, []);
  return [anchor, isSeen];
};

const Numbers = ({ items, unit, currency, change }) => html`<details><summary>As a table</summary>
  <div class="scroll low" tabindex="0" role="region" aria-label="Flows as a table"><table class="list">
    <caption class="spoken">Flows, the largest first</caption>
    <thead><tr><th scope="col">From and to</th><th scope="col">Zones</th><th scope="col">Boundary</th><th scope="col" class="number">${unit === "cost" ? "Cost" : "Bytes"}</th></tr></thead>
    <tbody>${items.map((item) => html`<tr key=${item.source + item.destination + pairKey(item)}><th scope="row"><${Pair} of=${item.key} change=${change} /></th>
      <td>${place(item.source)} → ${place(item.destination)}</td>
      <td><${Locality} of=${item.key.locality} /></td><td class="number"><${Amount} of=${item} unit=${unit} currency=${currency} /></td></tr>`)}</tbody>
  </table></div></details>`;

export const Flows = ({ view, matrix, unit, change }) => {
  const [anchor, isSeen] = useSeen();
  const table = matrix.isOld ? undefined : matrix.answer;
  // What the pairs by name leave of the matrix is drawn, so they are asked for after it.
  const query = table && asked(view, { of: "pairs", zones: true, by: unit, limit: PAIRS });
  const ways = useAnswer("top", query, { pace: isSeen ? "beat" : "off", after: table });
  const answer = useMemo(() => ways.answer && waysOf(ways.answer, ways.after, unit), [ways.answer, unit]);
  const state = { ...ways, answer, problem: ways.problem ?? matrix.problem };
  const names = view.workload.map((one) => one.split("/").at(-1)).join(" and ");
  return html`<div class="full" ref=${anchor}><${Panel} id="flows" state=${state} lines=${9} title=${names ? `Flows of ${names}` : "Flows"}
    note=${names ? "who sends to it and to whom it sends, through which zones" : "who sends to whom through which zones; choose a name to look at its flows alone"}
    empty=${({ items }) => items.every((item) => size(item, unit) === 0) && (items.length > 0 && unit === "cost" ? nothingCosts(items) : "Nobody sent anything here in this range.")}>
    ${({ items: all, currency, left }) => {
      const items = all.filter((item) => size(item, unit) > 0);
      const boundaries = Object.keys(BOUNDARIES).filter((name) => items.some((item) => item.locality === name));
      return html`<${Picture} answer=${{ items, currency }} unit=${unit} change=${change} />
        <ul class="legend">${boundaries.map((name) => html`<li key=${name}><${Locality} of=${name} /></li>`)}</ul>
        ${left > 0 && html`<p class="sum">${left} smaller ways between zones are left out.</p>`}
        <${Numbers} items=${items.filter((item) => item.key)} unit=${unit} currency=${currency} change=${change} />`;
    }}<//></div>`;
};
