// Pairs by the zones they went between: the largest of the cluster by name, and of each way of the matrix
// all others as one, so that the picture has all that the matrix has. Pure: answers in, items out.

import { size } from "./parts.js";

/** The most pairs by name: more are too thin to be seen. */
export const PAIRS = 120;

/** The most ways whose other pairs are shown as one. */
const WAYS = 36;

/** How the matrix calls a place beyond the cluster and the networks with a name. */
const INTERNET = "internet";

/** How the matrix calls the place of an end. */
const placeOf = (end) => end.zone ?? (end.kind === "internet" ? INTERNET : "");

const key = (source, destination) => JSON.stringify([source, destination]);

/** The end of a way by itself: of the internet there is only one. */
const only = (name) => (name === INTERNET ? { kind: "internet" } : undefined);

/**
 * What the ways of the matrix have beyond the pairs that are shown by name. A way may have pairs of several
 * localities, and which of these the others are of is not known: but to and from the internet there is one.
 */
const others = (cells, pairs, unit) => {
  const shown = new Map();
  for (const pair of pairs) {
    const way = key(pair.source, pair.destination);
    shown.set(way, (shown.get(way) ?? 0) + size(pair, unit));
  }
  return cells.map((cell) => ({ ...cell, left: size(cell, unit) - (shown.get(key(cell.source, cell.destination)) ?? 0) }))
    // Money is shown to six digits: less than one of them for each pair is the rounding of the parts.
    .filter(({ left }) => left > (unit === "cost" ? 1e-6 * (pairs.length + 1) : 0))
    .sort((a, b) => b.left - a.left)
    .map(({ source, destination, left }) => ({
      source, destination, cost: String(left), bytes: left,
      ends: [only(source), only(destination)],
      locality: [source, destination].includes(INTERNET) ? "internet" : "others",
    }));
};

/**
 * `items` of an answer about pairs apart by zones: each with the `source` and `destination` that the matrix
 * has for it, its two `ends`, and a `locality`; those without a `key` are of several pairs together. `left`
 * says how many ways are left out. `table` is the matrix of the same question.
 */
export const waysOf = (answer, table, unit) => {
  const pairs = answer.items.map((item) => ({
    ...item, source: placeOf(item.key.source), destination: placeOf(item.key.destination),
    ends: [item.key.source, item.key.destination], locality: item.key.locality,
  }));
  const rest = answer.count > pairs.length ? others(table.cells, pairs, unit) : [];
  return {
    items: [...pairs, ...rest.slice(0, WAYS)], currency: answer.currency, left: Math.max(0, rest.length - WAYS),
  };
};
