// What is looked at: a range, filters, and money or bytes.

import { html, useRef, useState } from "./vendor/htm-preact.js";
import { ask, usePulse } from "./ask.js";
import { Choice } from "./parts.js";
import { FILTERS, RANGES, toggled } from "./view.js";
import { LOCALITIES, filterOf } from "./words.js";

/** Filters that are offered, and from which list what they may be is told. */
const OFFERED = {
  namespace: ["Namespace", "namespaces", (key) => key.name],
  workload: ["Workload", "workloads", filterOf],
  zone: ["Zone", "zones", (key) => key.name],
  locality: ["Locality"],
  team: ["Team", "teams", (key) => key.name],
};

const NAMES = {
  region: "Region", network: "Network", service: "Service", source_zone: "From zone", destination_zone: "To zone",
};

const label = (name) => OFFERED[name]?.[0] ?? NAMES[name];

/** How long names are good enough to be offered, in milliseconds: to ask for them is as dear as for a list. */
const GOOD = 60_000;

/** Names that were asked for: when, and a promise of them. */
const known = new Map();

/** What a filter may be: as many as a list can show. */
const suggested = (name) => {
  if (name === "locality") return Promise.resolve(Object.keys(LOCALITIES));
  const before = known.get(name);
  if (before && Date.now() - before.at < GOOD) return before.names;
  const [, of, value] = OFFERED[name];
  const names = ask("top", `since=24h&of=${of}&by=bytes&limit=500`).then(
    ({ items }) => items.map((item) => value(item.key)).filter(Boolean),
    () => {
      known.delete(name);
      return [];
    },
  );
  // Names that had anything to do lately; others can be typed.
  known.set(name, { at: Date.now(), names });
  return names;
};

const Adder = ({ view, change, hasTeams }) => {
  const [name, setName] = useState("namespace");
  const [values, setValues] = useState([]);
  const wanted = useRef();
  const names = Object.keys(OFFERED).filter((one) => one !== "team" || hasTeams);
  const load = async (of) => {
    wanted.current = of;
    const found = await suggested(of);
    // Another filter may have been chosen by then.
    if (wanted.current === of) setValues(found);
  };
  const choose = (event) => {
    setName(event.target.value);
    setValues([]);
    load(event.target.value);
  };
  const add = (event) => {
    event.preventDefault();
    const value = new FormData(event.target).get("value").trim();
    if (value && !view[name].includes(value)) change(toggled(view, name, value));
    event.target.reset();
  };
  return html`<form class="adder" onSubmit=${add}>
    <select aria-label="Filter by" value=${name} onChange=${choose}>
      ${names.map((one) => html`<option key=${one} value=${one}>${label(one)}</option>`)}</select>
    <input name="value" list="suggested" aria-label="${label(name)} to look at" placeholder="${label(name).toLowerCase()} …"
      autocomplete="off" onFocus=${() => load(name)} />
    <datalist id="suggested">${values.map((value) => html`<option key=${value} value=${value}></option>`)}</datalist>
    <button type="submit">Filter</button>
  </form>`;
};

/** The last time that a field takes, as years have four digits. */
const LAST = "9999-12-31T23:59";

/** A time as its field has it, which is the reader's. An address may have what is none: the server says so. */
const toField = (text) => {
  const time = new Date(text);
  const local = new Date(time - time.getTimezoneOffset() * 60_000);
  return Number.isNaN(local.getTime()) ? "" : local.toISOString().slice(0, 16);
};

const Custom = ({ view, change }) => {
  const [isOpen, setOpen] = useState(Boolean(view.from));
  const set = (event) => {
    event.preventDefault();
    const fields = new FormData(event.target);
    const time = (name) => fields.get(name) ? new Date(fields.get(name)).toISOString().replace(".000Z", "Z") : undefined;
    if (time("from")) change({ from: time("from"), to: time("to") });
  };
  return html`<div class="custom">
    <button type="button" aria-expanded=${isOpen ? "true" : "false"} aria-pressed=${view.from ? "true" : "false"}
      onClick=${() => setOpen(!isOpen)}>From – to</button>
    ${isOpen && html`<form onSubmit=${set}>
      <label>From <input type="datetime-local" name="from" required max=${LAST} defaultValue=${toField(view.from)} /></label>
      <label>to <input type="datetime-local" name="to" max=${LAST} defaultValue=${toField(view.to)} /></label>
      <button type="submit">Show</button></form>`}
  </div>`;
};

/** A value as people read it: boundaries have names of their own. */
const shown = (name, value) => (name === "locality" && Object.hasOwn(LOCALITIES, value) ? LOCALITIES[value] : value);

const Chips = ({ view, change }) => {
  const set = FILTERS.flatMap((name) => view[name].map((value) => [name, value]));
  if (set.length === 0) return undefined;
  const none = Object.fromEntries(FILTERS.map((name) => [name, []]));
  return html`<ul class="chips" aria-label="Filters that hold">
    ${set.map(([name, value]) => html`<li key=${name + value}><span>${label(name)}: <b>${shown(name, value)}</b></span>
      <button type="button" aria-label="Remove ${label(name)} ${value}" onClick=${() => change(toggled(view, name, value))}>×</button></li>`)}
    <li class="all"><button type="button" onClick=${() => change(none)}>Remove all</button></li></ul>`;
};

/** What the server says of a filter or range that it does not take. */
const Wrong = () => {
  const { failing } = usePulse();
  const problem = [...failing.values()].map((one) => one.problem).find((one) => one.field);
  return problem ? html`<p class="wrong" role="alert"><strong>${problem.field}</strong>: ${problem.message}</p>` : undefined;
};

export const Filters = ({ view, change, unit, hasPrices, hasTeams }) => html`<nav class="filters" aria-label="Range and filters">
  <${Choice} label="Range" choices=${RANGES} chosen=${view.from ? undefined : view.since} onChoose=${(since) => change({ since })} />
  <${Custom} key=${view.from} view=${view} change=${change} />
  <${Adder} view=${view} change=${change} hasTeams=${hasTeams} />
  <span class="gap"></span>
  ${hasPrices && html`<${Choice} label="Show" choices=${[["cost", "Money"], ["bytes", "Bytes"]]} chosen=${unit}
    onChoose=${(show) => change({ show: show === "cost" ? undefined : show })} />`}
  <${Wrong} /><${Chips} view=${view} change=${change} />
</nav>`;
