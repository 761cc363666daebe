// Pairs by the zones they went between: the largest of the cluster by name, and of each way of the matrix
// all others as one, so that the picture has all that the matrix has.

import { useEffect, useState } from "./vendor/htm-preact.js";
import { ask } from "./ask.js";
import { size } from "./parts.js";
import { asked } from "./view.js";

/** The most pairs by name: more are too thin to be seen. */
const PAIRS = 120;

/** The most ways whose other pairs are shown as one. */
const WAYS = 36;

/** How the matrix calls the place of an end. */
const placeOf = (end) => end.zone ?? (end.kind === "internet" ? "internet" : "");

const key = (source, destination) => JSON.stringify([source, destination]);

/** Across which boundary a way goes, where none of its pairs is there to tell. */
const boundary = ({ source, destination }) => {
  if ([source, destination].includes("internet")) return "internet";
  if (!source || !destination) return "unknown";
  return source === destination ? "same_zone" : "cross_zone";
};

/** What the ways of the matrix have beyond the pairs that are shown by name. */
const others = (cells, pairs, unit) => {
  const shown = new Map();
  const localities = new Map();
  for (const pair of pairs) {
    const way = key(pair.source, pair.destination);
    shown.set(way, (shown.get(way) ?? 0) + size(pair, unit));
    localities.set(way, pair.key.locality);
  }
  const localityOf = (cell) => localities.get(key(cell.source, cell.destination)) ?? boundary(cell);
  return cells.map((cell) => ({ ...cell, left: size(cell, unit) - (shown.get(key(cell.source, cell.destination)) ?? 0) }))
    // Money is shown to six digits: less than one of them for each pair is the rounding of the parts.
    .filter(({ left }) => left > (unit === "cost" ? 1e-6 * (pairs.length + 1) : 0))
    .sort((a, b) => b.left - a.left)
    .map((cell) => ({
      source: cell.source, destination: cell.destination, locality: localityOf(cell), cost: String(cell.left), bytes: cell.left,
    }));
};

/** As an answer of the server: `items` with `source` and `destination` zones, as long as somebody looks. */
export const useWays = (view, matrix, unit, isSeen) => {
  const [state, setState] = useState({});
  const { answer: table } = matrix;
  useEffect(() => {
    if (!isSeen || !table || matrix.isOld) return undefined;
    const control = new AbortController();
    const question = asked(view, { of: "pairs", zones: true, by: unit, limit: PAIRS });
    ask("top", question, control.signal).then((answer) => {
      if (control.signal.aborted) return;
      const pairs = answer.items.map((item) => ({
        ...item, source: placeOf(item.key.source), destination: placeOf(item.key.destination),
      }));
      const rest = answer.count > pairs.length ? others(table.cells, pairs, unit) : [];
      const items = [...pairs, ...rest.slice(0, WAYS)];
      setState({ answer: { items, currency: answer.currency, left: Math.max(0, rest.length - WAYS) } });
    }, (problem) => {
      if (!control.signal.aborted) setState((before) => ({ ...before, problem }));
    });
    return () => control.abort();
  }, [table, unit, isSeen]);
  return { problem: matrix.problem, ...state, isOld: Boolean(state.answer) && matrix.isOld };
};
