// The page: one view of the address, the questions that several panels share, and where panels are.

import { html, render } from "./vendor/htm-preact.js";
import { useAnswer } from "./ask.js";
import { Doubts } from "./doubts.js";
import { Filters } from "./filters.js";
import { Flows } from "./flows.js";
import { Door, Head, Stale } from "./head.js";
import { Health } from "./health.js";
import { Matrix } from "./matrix.js";
import { Pairs } from "./pairs.js";
import { Ranking } from "./ranking.js";
import { Summary } from "./summary.js";
import { Timeline } from "./timeline.js";
import { asked, useView } from "./view.js";
import { CROSSING, LOCALITIES } from "./words.js";

/** How many pairs are listed. */
const PAIRS = 10;

/** Colours by class, for what is painted where no style sheet reaches. */
const Probe = () => html`<div class="probe" hidden>
  ${["surface", "line", "muted", ...Object.keys(LOCALITIES)].map((name) => html`<span key=${name} class=${name}></span>`)}</div>`;

const App = () => {
  const [view, change] = useView();
  const version = useAnswer("version", "");
  const summary = useAnswer("summary", asked(view));
  const hasPrices = Boolean(summary.answer?.currency);
  const unit = hasPrices && view.show !== "bytes" ? "cost" : "bytes";
  const isKnown = summary.answer !== undefined || summary.problem !== undefined;
  const by = unit;
  // Without prices the headline is of what crosses, unless somebody filters by boundary.
  const narrows = isKnown && unit === "bytes" && view.locality.length === 0;
  const crossing = useAnswer("summary", narrows ? asked(view, { locality: CROSSING }) : undefined);
  const pairs = useAnswer("top", isKnown ? asked(view, { of: "pairs", by, limit: PAIRS, ...(narrows && { locality: CROSSING }) }) : undefined);
  const series = useAnswer("series", asked(view, { by: "locality" }));
  const matrix = useAnswer("matrix", asked(view));
  const health = useAnswer("health", "");
  const hasTeams = version.answer?.labels.includes("team") ?? false;
  return html`<${Head} version=${version.answer} />
    <${Filters} ...${{ view, change, unit, hasPrices, hasTeams }} />
    <${Stale} />
    <main id="main" tabindex="-1">
      <${Door} />
      <${Summary} view=${view} state=${narrows ? crossing : summary} unit=${unit} pairs=${pairs} change=${change} />
      <${Timeline} view=${view} state=${series} summary=${summary} unit=${unit} change=${change} />
      <${Pairs} state=${pairs} unit=${unit} change=${change} />
      <${Matrix} view=${view} state=${matrix} unit=${unit} change=${change} />
      <${Flows} view=${view} matrix=${matrix} unit=${unit} change=${change} />
      <${Ranking} ...${{ view, unit, hasTeams, change }} />
      <${Doubts} state=${summary} />
      <${Health} state=${health} />
    </main>
    <footer>Bytes are IP bytes on the wire; 1 GB is 10⁹ bytes. Point at a number to see all of its digits. Times are yours, months are UTC.</footer>
    <${Probe} />`;
};

render(html`<${App} />`, document.getElementById("app"));
