// Pairs by the zones they went between: for each way of the matrix the largest pairs, and all others as
// one, so that the picture has all that the matrix has.

import { useEffect, useState } from "./vendor/htm-preact.js";
import { ask } from "./ask.js";
import { size } from "./parts.js";
import { asked } from "./view.js";

/** The most ways that are asked for: four zones, both ways, and a little. */
const WAYS = 16;

/** The most pairs of a way: more are too thin to be seen. */
const PAIRS = 12;

/** How the API's filters call a place: what is outside has no zone. */
const zoneOf = (name) => (name === "internet" ? "" : name);

const isOutside = (end) => end.kind === "internet";

/** All others of a way, as one without names. */
const rest = ({ items, total }, unit) => {
  const left = size(total, unit) - items.reduce((sum, item) => sum + size(item, unit), 0);
  // Money is shown to six digits: less than that is the rounding of this subtraction.
  if (left < 1e-6 || items.length === 0) return [];
  return [{ cost: String(left), bytes: left, locality: items.at(-1).key.locality }];
};

/** The pairs of a way, with its zones; what is on the internet says so. */
const pairs = ([source, destination], answer, unit) => [...answer.items, ...rest(answer, unit)].map((item) => ({
  ...item,
  source: item.key && isOutside(item.key.source) ? "internet" : source,
  destination: item.key && isOutside(item.key.destination) ? "internet" : destination,
}));

/** The ways of a matrix that have most, by the filters that mean them. */
const largest = (cells, unit) => {
  const ways = new Map();
  for (const cell of cells) {
    const way = [zoneOf(cell.source), zoneOf(cell.destination)];
    const key = JSON.stringify(way);
    ways.set(key, { way, value: (ways.get(key)?.value ?? 0) + size(cell, unit) });
  }
  return [...ways.values()].filter(({ value }) => value > 0).sort((a, b) => b.value - a.value);
};

/** As an answer of the server: `items` with `source` and `destination` zones, as long as somebody looks. */
export const useWays = (view, matrix, unit, isSeen) => {
  const [state, setState] = useState({});
  const { answer: table } = matrix;
  useEffect(() => {
    if (!isSeen || !table || matrix.isOld) return undefined;
    const control = new AbortController();
    const ways = largest(table.cells, unit);
    const shown = ways.slice(0, WAYS).map(({ way }) => way);
    const questions = shown.map((way) => ask("top", asked(view, {
      of: "pairs", by: unit, limit: PAIRS, source_zone: way[0], destination_zone: way[1],
    }), control.signal));
    Promise.all(questions).then((answers) => {
      if (control.signal.aborted) return;
      const items = answers.flatMap((answer, index) => pairs(shown[index], answer, unit));
      items.sort((a, b) => size(b, unit) - size(a, unit));
      const isFree = items.length === 0 && table.cells.length > 0;
      setState({ answer: { items: isFree ? table.cells : items, currency: table.currency, left: ways.length - shown.length } });
    }, (problem) => {
      if (!control.signal.aborted) setState((before) => ({ ...before, problem }));
    });
    return () => control.abort();
  }, [table, unit, isSeen]);
  return { problem: matrix.problem, ...state, isOld: Boolean(state.answer) && matrix.isOld };
};
