// Everybody, in order: pods, workloads, namespaces and others, as many as there are. More is asked for
// as somebody scrolls.

import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { ask, useAnswer } from "./ask.js";
import { Bytes, Change, Choice, Locality, Money, Panel, Spark, costOf } from "./parts.js";
import { Pair } from "./pairs.js";
import { Table } from "./table.js";
import { whole } from "./units.js";
import { asked } from "./view.js";
import { named, narrowing } from "./words.js";

const KINDS = [
  ["workloads", "Workloads"], ["pods", "Pods"], ["pairs", "Pairs"], ["namespaces", "Namespaces"], ["teams", "Teams"],
  ["services", "Services"], ["networks", "Networks"], ["zones", "Zones"],
];

/** How many are asked for at once. */
const PAGE = 500;

/** How far from the top somebody may be for the list to follow what is new, in pixels. */
const TOP = 40;

const rowKey = (item) => JSON.stringify(item.key);

const Name = ({ item, change }) => {
  if (item.key.type === "pair") return html`<${Pair} of=${item.key} change=${change} />`;
  const { kind, group, name } = named(item.key);
  const filter = narrowing(item.key);
  const text = html`${group && html`<span class="group">${group}/</span>`}<span class="name">${name}</span>`;
  if (!filter) return html`<span class="end" title=${kind}>${text}</span>`;
  return html`<button type="button" class="link end" title="${kind ? `${kind}: ` : ""}look at ${filter[1]} alone"
    onClick=${() => change({ [filter[0]]: [filter[1]] })}>${text}</button>`;
};

/** All that an item has, for how it changed. */
const all = (amount, unit) => {
  if (!amount) return undefined;
  if (unit === "cost") return Number(amount.cost ?? 0);
  return amount.bytes ?? amount.sent_bytes + amount.received_bytes;
};

const columnsOf = ({ of, by, unit, currency, range, now, change }) => {
  const isParty = !["pairs", "services"].includes(of);
  const column = (label, more) => ({ label, number: true, ...more });
  const count = (label, field, more) => column(label, { cell: (item) => html`<${Bytes} of=${item[field]} />`, ...more });
  const sorted = (rank) => ({ sort: rank, isSorted: by === rank });
  // Without prices an order by cost is one by bytes.
  const byBytes = { sort: "bytes", isSorted: by === "bytes" || (by === "cost" && !currency) };
  const flows = isParty
    ? [count("Sent", "sent_bytes", byBytes), count("Received", "received_bytes", { minor: true }), count("Crossing", "crossing_bytes", { minor: true })]
    : [...(of === "pairs" ? [{ label: "Boundary", cell: (item) => html`<${Locality} of=${item.key.locality} />` }] : []), count("Bytes", "bytes", byBytes)];
  return [
    { label: "Name", cell: (item) => html`<${Name} item=${item} change=${change} />` },
    { label: "Trend", minor: true, cell: (item) => html`<${Spark} of=${item.trend} range=${range} now=${now} />` },
    ...flows,
    ...(currency ? [column("Cost", { cell: (item) => html`<${Money} of=${costOf(item)} currency=${currency} />`, ...sorted("cost") })] : []),
    column("Change", { cell: (item) => html`<${Change} now=${all(item, unit)} before=${all(item.before, unit)} />`, ...sorted("growth") }),
  ];
};

export const Ranking = ({ view, unit, hasTeams, change }) => {
  const { of, by } = view;
  // Pods are known for an hour.
  const range = of === "pods" ? { since: "1h", from: undefined, to: undefined } : {};
  const query = asked(view, { ...range, of, by: unit === "bytes" && by === "cost" ? "bytes" : by, limit: PAGE });
  const [isAtTop, setAtTop] = useState(true);
  useEffect(() => setAtTop(true), [query]);
  const state = useAnswer("top", query, { pace: isAtTop ? "beat" : "still" });
  // Who reads has the same rows under their eyes until the top is seen again, even if an answer was under way.
  const held = useRef();
  if (isAtTop || held.current?.query !== query) held.current = { query, answer: state.answer };
  const { answer } = held.current;
  const [more, setMore] = useState({});
  // Further pages belong to the first one they were asked after.
  const rest = more.of === answer ? more : { of: answer, items: [], next: answer?.next };
  const rows = answer ? [...answer.items, ...rest.items] : [];
  const load = () => {
    // The last minutes still grow: what was listed may have fallen behind the end of its page meanwhile.
    const listed = new Set(rows.map(rowKey));
    const isNew = (item) => !listed.has(rowKey(item));
    const put = (change) => setMore((before) => (before.of === answer ? { ...before, ...change } : before));
    setMore({ ...rest, isAsking: true, problem: undefined });
    ask("top", `${query}&cursor=${encodeURIComponent(rest.next)}`).then(
      (page) => put({ items: [...rest.items, ...page.items.filter(isNew)], next: page.next, isAsking: false }),
      (problem) => put({ problem, isAsking: false }),
    );
  };
  const canLoad = rest.next !== undefined && !rest.isAsking && !state.isOld;
  const kinds = KINDS.filter(([kind]) => kind !== "teams" || hasTeams);
  const caption = `${kinds.find(([kind]) => kind === of)?.[1] ?? of}, ${{ cost: "the dearest", bytes: "the largest", growth: "what grew most" }[by]} first`;
  return html`<${Panel} id="ranking" title="Who sends and receives" state=${{ ...state, answer }} lines=${12}
    note=${of === "pods" && (view.from || view.since !== "1h") ? "pods are known for an hour: this is the last one" : "what each sends and receives, and its own side of the cost"}
    tools=${html`<${Choice} label="Of what" choices=${kinds} chosen=${of} onChoose=${(next) => change({ of: next })} />`}
    empty=${(answer) => answer.items.length === 0 && "Nobody here in this range."}>
    ${({ of: answered, currency, count, range }, now) => html`<${Table} caption=${caption} rows=${rows} count=${count} rowKey=${rowKey}
        columns=${columnsOf({ of: answered, by, unit, currency, range, now, change })} onSort=${(rank) => change({ by: rank })}
        onEnd=${canLoad && !rest.problem ? load : undefined} question=${query} onPlace=${(top) => setAtTop(top < TOP)} />
      <p class="sum" role="status">${whole(count)} in all${rows.length < count ? `, ${whole(rows.length)} read` : ""}.
        ${!isAtTop && " It stands still while you read; it follows again at the top."}
        ${rest.problem && html` ${rest.problem.message} <button type="button" onClick=${load}>Read on</button>`}</p>`}<//>`;
};
