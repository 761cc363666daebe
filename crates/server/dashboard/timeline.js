// How it went: a picture of what crossed which boundary, and the same as tables.

import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import Plot from "./vendor/uplot.js";
import { Amount, BEHIND, Bytes, Change, Locality, Money, Panel, costOf, size } from "./parts.js";
import { bytes, date, moment, money, share } from "./units.js";
import { LOCALITIES } from "./words.js";
import { toggled } from "./view.js";

const HEIGHT = 226;

/** From the bottom up: what costs most for a byte lies on the ground, where it is read best. */
const STACK = ["cross_zone", "cross_region", "internet", "unknown", "same_zone", "same_node"];

/** How much an amount is in an hour, or bytes in a second: steps of any length look alike. */
const pace = (unit, seconds) => (unit === "cost" ? 3600 / seconds : 1 / seconds);

/** Marks are minutes, hours or days apart, in seconds: nothing is told finer than by minute. */
const MARKS = [...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * 60), ...[1, 2, 3, 6, 12].map((hours) => hours * 3_600),
  ...[1, 2, 7, 14, 30, 90].map((days) => days * 86_400)];

/** The least time that is shown, in seconds: a single minute is no picture. */
const LEAST = 600;

/** Marks of the axis in hours of the day, and in days where they are days. */
const timeMarks = (_, marks, column, space, step) => marks.map((seconds) => {
  const time = new Date(seconds * 1000);
  const isMidnight = time.getHours() === 0 && time.getMinutes() === 0;
  return step >= 86_400 || isMidnight ? date(time) : moment(time, false);
});

const axisText = (unit, currency) => (value) =>
  unit === "cost" ? money(String(value), currency) : `${bytes(value)}/s`;

/** Of each step how many seconds there is history of `now`: the last one has only begun, and so had the first. */
const lengths = ({ range, times, step_seconds: step }, now) => {
  const behind = BEHIND / 1000;
  const last = Math.min(new Date(range.to) / 1000, now / 1000 - behind);
  const since = range.history_since ? new Date(range.history_since) / 1000 : 0;
  return times.map((time) => new Date(time) / 1000).map((begin) =>
    Math.max(behind / 2, Math.min(begin + step, last) - Math.max(begin, since)));
};

/** Columns for the plot: times, and for each locality what is at it and below. */
export const stacked = (answer, unit, now) => {
  const since = answer.range.history_since ? new Date(answer.range.history_since) : 0;
  const seconds = lengths(answer, now);
  // What was before there is any history is not nothing, so it is not drawn. Nor is a step of which
  // little is over, or of a short one not all: it would seem to fall or to rise.
  const known = answer.times.map((time, index) => index)
    .filter((index) => new Date(answer.times[index]) / 1000 + answer.step_seconds > since / 1000);
  const step = answer.step_seconds;
  const settled = known.filter((index) => seconds[index] >= (step < LEAST ? step : step / 2));
  // Of a server that has just begun there is no other: then the time counts since it began.
  const kept = settled.length > 0 ? settled : known;
  if (settled.length === 0) {
    for (const index of known) {
      const begin = Math.max(new Date(answer.times[index]), since) / 1000;
      seconds[index] = Math.max(1, Math.min(new Date(answer.times[index]) / 1000 + step, now / 1000) - begin);
    }
  }
  const lines = STACK.map((name) => answer.lines.find((line) => line.key.locality === name))
    .filter((line) => line && size(line.total, unit) > 0);
  const below = kept.map(() => 0);
  const columns = lines.map((line) => kept.map((index, at) => {
    below[at] += size(line.points[index], unit) * pace(unit, seconds[index]);
    return below[at];
  }));
  const times = kept.map((index) => new Date(answer.times[index]) / 1000);
  if (times.length > 0) {
    // Steps need an end, or the last would have no width.
    times.push(times.at(-1) + seconds[kept.at(-1)]);
    for (const column of columns) column.push(column.at(-1));
  }
  return { names: lines.map((line) => line.key.locality), times, columns };
};

/** Colours as they are now: a canvas knows no style sheet. */
const colour = (name) => {
  const probe = document.querySelector(`.probe .${name}`);
  return getComputedStyle(probe).color;
};

const options = ({ width, names, unit, currency, onSpan, onPoint }) => {
  const stepped = Plot.paths.stepped({ align: 1 });
  const axis = {
    stroke: () => colour("muted"),
    grid: { stroke: () => colour("line"), width: 1 },
    ticks: { stroke: () => colour("line"), width: 1 },
    font: "12px system-ui, sans-serif",
  };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
    // It begins at nothing: a stack that is cut off below lies.
    scales: { x: { range: (_, low, high) => [Math.min(low, high - LEAST), high] }, y: { range: (_, low, high) => [0, high > 0 ? high * 1.08 : 1] } },
    axes: [{ ...axis, space: 64, size: 30, incrs: MARKS, values: timeMarks }, { ...axis, size: 84, values: (_, ticks) => ticks.map(axisText(unit, currency)) }],
    // The highest is painted first, and what is below it over it.
    series: [{}, ...names.map((name) => ({
      paths: stepped, points: { show: false }, width: 1,
      stroke: () => colour("surface"), fill: () => colour(name),
    })).reverse()],
    hooks: {
      setCursor: [(plot) => onPoint(plot.cursor.idx)],
      setSelect: [(plot) => {
        if (plot.select.width < 4) return;
        const at = (x) => plot.posToVal(x, "x");
        onSpan(at(plot.select.left), at(plot.select.left + plot.select.width));
        plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
      }],
    },
  };
};

const Picture = ({ answer, now, unit, change }) => {
  const box = useRef(null);
  const [at, setAt] = useState();
  const { names, times, columns } = stacked(answer, unit, now);
  const { currency } = answer;
  const last = useRef({});
  last.current = { names, times, columns };
  const kind = `${unit} ${currency} ${names}`;
  const plot = useRef();
  useEffect(() => {
    const minute = (seconds) => new Date(Math.round(seconds / 60) * 60_000).toISOString().replace(".000Z", "Z");
    const onSpan = (from, to) => to - from >= 60 && change({ from: minute(from), to: minute(to) });
    const draw = () => {
      plot.current?.destroy();
      const shown = last.current;
      const data = [shown.times, ...[...shown.columns].reverse()];
      plot.current = new Plot(options({ width: box.current.clientWidth, names: shown.names, unit, currency, onSpan, onPoint: setAt }), data, box.current);
    };
    draw();
    const fit = new ResizeObserver(() => plot.current.setSize({ width: box.current.clientWidth, height: HEIGHT }));
    fit.observe(box.current);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    addEventListener("theme", draw);
    dark.addEventListener("change", draw);
    return () => {
      fit.disconnect();
      removeEventListener("theme", draw);
      dark.removeEventListener("change", draw);
      plot.current.destroy();
      plot.current = undefined;
    };
  }, [kind]);
  useEffect(() => plot.current?.setData([times, ...[...columns].reverse()]), [answer]);
  const text = axisText(unit, currency);
  const here = at !== undefined && at !== null && at < times.length
    ? `${moment(times[at] * 1000)}: ${names.map((name, index) => `${LOCALITIES[name].toLowerCase()} ${text(columns[index][at] - (columns[index - 1]?.[at] ?? 0))}`).join(", ")}`
    : "Draw over a part of the picture to look at that time.";
  const tops = columns.at(-1) ?? [0];
  return html`<div class="plot" ref=${box} role="img"
      aria-label="${unit === "cost" ? "Cost an hour" : "Bytes a second"} over time, at most ${text(Math.max(...tops))}. The same is in the table below."></div>
    <p class="reading" aria-hidden="true">${here}${unit === "cost" && at !== undefined && at !== null ? " an hour" : ""}</p>`;
};

/** The same in numbers; made only when it is opened. */
const Numbers = ({ answer, unit }) => {
  const [isOpen, setOpen] = useState(false);
  return html`<details onToggle=${(event) => setOpen(event.target.open)}><summary>As a table</summary>
    ${isOpen && html`<div class="scroll low" tabindex="0" role="region" aria-label="Over time, as a table"><table>
      <caption class="spoken">Over time, the newest first</caption>
      <thead><tr><th scope="col">From</th>${answer.lines.map((line) => html`<th scope="col" class="number">${LOCALITIES[line.key.locality] ?? "Rest"}</th>`)}</tr></thead>
      <tbody>${answer.times.map((time, index) => html`<tr key=${time}><th scope="row">${moment(time)}</th>
        ${answer.lines.map((line) => html`<td class="number"><${Amount} of=${line.points[index]} unit=${unit} currency=${answer.currency} /></td>`)}</tr>`).reverse()}
      </tbody></table></div>`}</details>`;
};

const Shares = ({ summary, unit, view, change }) => {
  const { localities, total, currency } = summary;
  return html`<div class="wide"><table class="shares">
    <caption class="spoken">By the boundary that was crossed</caption>
    <thead><tr><th scope="col">Boundary</th><th scope="col" class="number">Bytes</th><th scope="col" class="number minor">Share</th>
      ${currency && html`<th scope="col" class="number">Cost</th>`}<th scope="col" class="number">Change</th></tr></thead>
    <tbody>${localities.map((one) => html`<tr key=${one.locality} data-locality=${one.locality}>
      <th scope="row"><button type="button" class="link" aria-pressed=${view.locality.includes(one.locality) ? "true" : "false"}
        onClick=${() => change(toggled(view, "locality", one.locality))}><${Locality} of=${one.locality} /></button></th>
      <td class="number"><${Bytes} of=${one.bytes} /></td>
      <td class="number minor">${share(one.bytes, total.bytes)}</td>
      ${currency && html`<td class="number"><${Money} of=${costOf(one)} currency=${currency} /></td>`}
      <td class="number"><${Change} now=${size(one, unit)} before=${one.before && size(one.before, unit)} /></td></tr>`)}
    </tbody>
    <tfoot><tr><th scope="row">All</th><td class="number"><${Bytes} of=${total.bytes} /></td><td class="minor"></td>
      ${currency && html`<td class="number"><${Money} of=${costOf(total)} currency=${currency} /></td>`}
      <td class="number"><${Change} now=${size(total, unit)} before=${summary.before && size(summary.before, unit)} /></td></tr></tfoot>
  </table></div>`;
};

export const Timeline = ({ view, state, summary, unit, change }) => html`<${Panel} id="timeline" title="Over time" state=${state}
  note=${unit === "cost" ? "cost an hour, by the boundary that was crossed" : "bytes a second, by the boundary that was crossed"} lines=${8}
  empty=${(answer) => answer.lines.every((line) => line.total.bytes === 0) && "Nothing in this range."}>
  ${(answer, now) => html`<div class="two"><div><${Picture} answer=${answer} now=${now} unit=${unit} change=${change} /><${Numbers} answer=${answer} unit=${unit} /></div>
    ${summary.answer && html`<${Shares} summary=${summary.answer} unit=${unit} view=${view} change=${change} />`}</div>`}<//>`;
