// What is looked at: range, filters and units. It lives in the address, so that a view can be sent to
// somebody, and back and forward go from view to view.

import { useEffect, useState } from "./vendor/htm-preact.js";

/** Filters that the API knows by the same names; each may have several values. */
export const FILTERS = [
  "namespace", "workload", "team", "zone", "region", "network", "service", "locality",
  "source_zone", "destination_zone",
];

/** Ranges that end now: what the API is asked for, and what it is called. */
export const RANGES = [
  ["1h", "1 hour"], ["24h", "24 hours"], ["7d", "7 days"], ["30d", "30 days"], ["month", "Month"],
];

const SINGLE = ["since", "from", "to", "show", "of", "by"];
const DEFAULTS = { since: "1h", of: "workloads", by: "cost" };

/** The view that a query string stands for. */
export const read = (search) => {
  const query = new URLSearchParams(search);
  const view = { ...DEFAULTS };
  for (const name of SINGLE) if (query.get(name)) view[name] = query.get(name);
  if (view.from) delete view.since;
  for (const name of FILTERS) view[name] = [...new Set(query.getAll(name))];
  return view;
};

/** The query string of a view, without what is as ever: an address stays short. */
export const write = (view) => {
  const query = new URLSearchParams();
  for (const name of SINGLE) {
    if (view[name] && view[name] !== DEFAULTS[name]) query.set(name, view[name]);
  }
  for (const name of FILTERS) for (const value of view[name]) query.append(name, value);
  const text = query.toString();
  return text ? `?${text}` : "";
};

/** The parameters of the API that say the same range and filters. */
export const asked = (view, more = {}) => {
  const query = new URLSearchParams();
  if (view.from) {
    query.set("from", view.from);
    if (view.to) query.set("to", view.to);
  } else {
    query.set("since", view.since);
  }
  for (const name of FILTERS) for (const value of view[name]) query.append(name, value);
  for (const [name, value] of Object.entries(more)) {
    query.delete(name);
    for (const one of [value].flat()) if (one !== undefined) query.append(name, one);
  }
  return query.toString();
};

/** The same view with a filter's value taken in, or out if it is in. */
export const toggled = (view, name, value) => {
  const values = view[name];
  const next = values.includes(value) ? values.filter((one) => one !== value) : [...values, value];
  return { [name]: next };
};

/** The view of the address, and a way to another one. */
export const useView = () => {
  const [view, setView] = useState(() => read(location.search));
  useEffect(() => {
    const follow = () => setView(read(location.search));
    addEventListener("popstate", follow);
    return () => removeEventListener("popstate", follow);
  }, []);
  const change = (patch) => {
    const next = { ...read(location.search), ...patch };
    if (patch.from) delete next.since;
    if (patch.since) next.from = next.to = undefined;
    history.pushState(null, "", location.pathname + write(next));
    setView(read(location.search));
  };
  return [view, change];
};
