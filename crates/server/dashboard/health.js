// Whether to believe what is shown: the agents, what the server knows of the cluster, and its disk.

import { html } from "./vendor/htm-preact.js";
import { Panel } from "./parts.js";
import { Table } from "./table.js";
import { bytes, duration, moment, whole } from "./units.js";
import { AGENTS } from "./words.js";

/** What is wrong with an agent, in words; nothing, if all is well. */
const faults = (agent) => {
  const found = agent.state === "reporting" || agent.state === "impossible" ? [] : [AGENTS[agent.state]?.[1] ?? agent.state];
  if (agent.coarsened) found.push("too many flows: less detail");
  if (agent.lost_bytes > 0) found.push(`lost ${bytes(agent.lost_bytes)}`);
  if (agent.bypassed) found.push("packets bypass its hooks");
  return found;
};

/** So many seconds behind the history is late: it takes half a minute by itself. */
const BEHIND = 120;

/** So many names are told in a line. */
const SHOWN = 5;

/** Lines about the server itself; `[is it well, words]`. */
const lines = ({ ready, not_ready: why, topology, store, history, prices, agents, unseen_budgets: unseen }) => {
  const able = agents.filter((agent) => agent.state !== "impossible");
  const reporting = able.filter((agent) => agent.state === "reporting").length;
  const isBehind = history.behind_seconds >= BEHIND;
  const found = [
    [reporting === able.length && able.length > 0, `${whole(reporting)} of ${whole(able.length)} nodes have an agent that reports.`],
    [ready, ready ? "The server takes windows." : `The server takes no windows: ${why ?? "it is not ready"}.`],
    [topology.nodes_without_zone === 0, `${whole(topology.nodes)} nodes and ${whole(topology.pods)} pods are known${topology.nodes_without_zone > 0 ? `; ${topology.nodes_without_zone === 1 ? "1 node has" : `${whole(topology.nodes_without_zone)} nodes have`} no zone` : ""}${topology.age_seconds === undefined ? "" : `, as of ${duration(topology.age_seconds)} ago`}.`],
    store.failing !== undefined
      ? [false, `The disk cannot be written: ${store.failing}.`]
      : [store.durable, store.durable ? `All is kept on disk, in ${bytes(store.bytes)}.` : "Nothing is kept on disk: it is gone with the server (--data-dir)."],
    history.failing !== undefined
      ? [false, `The history fails: ${history.failing}.${isBehind ? ` It is ${duration(history.behind_seconds)} behind.` : ""}`]
      : [!isBehind, history.since
        ? `History begins ${moment(history.since)}${history.bytes > 0 ? `, in ${bytes(history.bytes)}` : ""}${isBehind ? `, and is ${duration(history.behind_seconds)} behind` : ""}.`
        : history.source === "prometheus" && !isBehind ? "There is history; since when, nobody can tell." : "There is no history yet."],
  ];
  if (history.lacking !== undefined) found.push([false, `Of the history: ${history.lacking}.`]);
  if (history.lost_changes > 0) {
    found.push([false, `The history lacks ${whole(history.lost_changes)} changes that the counters have: it could not be written then, or was taken away.`]);
  }
  if (history.damaged_files > 0) {
    found.push([false, `The file of the history was damaged${history.damaged_files > 1 ? ` ${whole(history.damaged_files)} times` : ""}, and it began anew.`]);
  }
  if (prices) {
    const list = prices.cloud ? `list prices of ${prices.cloud}` : "your own prices";
    found.push([!prices.stale, `Costs are by ${list}${prices.retrieved ? ` of ${prices.retrieved}` : ""}, in ${prices.currency}${prices.stale ? ": more than a year old" : ""}.`]);
  }
  if (unseen.length > 0) {
    const names = unseen.slice(0, SHOWN).map(({ kind, name }) => `${kind} ${name}`).join(", ");
    found.push([false, `Nobody has the names of these budgets, which compare nothing until somebody has: ${names}${unseen.length > SHOWN ? ` and ${whole(unseen.length - SHOWN)} more` : ""}.`]);
  }
  return found;
};

const State = ({ agent }) => {
  const found = faults(agent);
  if (agent.state === "impossible" && found.length === 0) {
    return html`<span class="none">${AGENTS.impossible.join(": ")}</span>`;
  }
  return found.length === 0
    ? html`<span class="good"><span aria-hidden="true">✓ </span>${AGENTS[agent.state][0]}</span>`
    : html`<span class="bad"><span aria-hidden="true">! </span>${AGENTS[agent.state]?.[0] ?? agent.state}${agent.state !== "reporting" || found.length > 0 ? `: ${found.join("; ")}` : ""}</span>`;
};

const COLUMNS = [
  { label: "Node", cell: (agent) => agent.node },
  { label: "Zone", cell: (agent) => agent.zone ?? "no zone" },
  { label: "Agent", cell: (agent) => html`<${State} agent=${agent} />` },
  { label: "Last window", number: true, cell: (agent) => agent.last_window_seconds === undefined ? "never" : `${duration(agent.last_window_seconds)} ago` },
];

export const Health = ({ state }) => html`<${Panel} id="health" title="Health" state=${state} lines=${5}>
  ${(answer) => {
    const ill = answer.agents.filter((agent) => faults(agent).length > 0);
    const well = answer.agents.filter((agent) => faults(agent).length === 0);
    return html`<ul class="checks">${lines(answer).map(([isWell, words]) => html`<li key=${words} class=${isWell ? "good" : "bad"}>
        <span aria-hidden="true">${isWell ? "✓" : "!"}</span><span class="spoken">${isWell ? "Well: " : "Look: "}</span><span>${words}</span></li>`)}</ul>
      <${Table} caption="Agents by node, those with trouble first" rows=${[...ill, ...well]} rowKey=${(agent) => agent.node} columns=${COLUMNS} most=${6} />`;
  }}<//>`;
