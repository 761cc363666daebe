// What the screen says is what the API answers.

import assert from "node:assert/strict";

const exact = (count) => `${count.toLocaleString("en-US")} bytes`;
const titles = (locator) => locator.evaluateAll((all) => all.map((one) => one.title));

/** Asks the server, has the page ask too, and compares: again, as long as the minute turns in between. */
const compare = (visit, page, path, parameters, look) => visit.until(async () => {
  const answer = await visit.ask(path, parameters);
  await page.getByTitle("Ask again now").click();
  await look(answer);
});

const top = (page) => async ({ currency, total, rate, month }) => {
  const shown = Object.fromEntries(await page.locator(".tile").evaluateAll((all) =>
    all.map((one) => [one.dataset.tile, one.querySelector(".value").title])));
  assert.deepEqual(shown, {
    now: `${rate.cost_per_hour} ${currency} an hour`,
    range: `${total.cost} ${currency}`,
    month: `${month.so_far.cost} ${currency}`,
    projected: shown.projected,
  });
  // What is to come goes by the moment.
  const projected = Number.parseFloat(shown.projected) / Number(month.projected.cost);
  assert.ok(projected > 0.99 && projected < 1.01, `${shown.projected}, not ${month.projected.cost}`);
  assert.ok(Number(total.cost) > 0, "there is something that costs");
};

/** What has no price is never shown as free. */
const costOf = ({ cost, unpriced_bytes: unpriced }) => (unpriced > 0 && Number(cost) === 0 ? "no price" : `${cost} USD`);

const boundaries = (page) => async ({ localities }) => {
  const rows = await page.locator(".shares tbody tr").evaluateAll((all) => all.map((row) =>
    [row.dataset.locality, ...[...row.querySelectorAll("td > .number")].map((one) => one.title)]));
  assert.deepEqual(rows, localities.map((one) => [one.locality, exact(one.bytes), costOf(one)]));
  // Nothing of the seed to the internet has a price.
  assert.deepEqual(rows.filter(([name]) => name === "internet").map((row) => row[2]), ["no price"]);
};

/** What each of a list costs, as the screen has it. */
const costs = (page) => async ({ items }) => {
  const shown = await page.locator("#ranking table").evaluate((table) => {
    const place = [...table.querySelectorAll("thead th")].findIndex((head) => head.innerText.startsWith("Cost"));
    return [...table.querySelectorAll("tbody tr:not(.space)")].map((row) => row.children[place].querySelector(".number").title);
  });
  assert.deepEqual(shown, items.slice(0, shown.length).map(costOf));
  assert.ok(shown.includes("no price"), shown.join());
};

const doubts = (page) => async ({ unknown, left_out: leftOut }) => {
  const shown = await titles(page.locator("#doubts .doubt").first().locator("td > .number"));
  assert.deepEqual(shown, unknown.filter((one) => one.bytes > 0).map((one) => exact(one.bytes)));
  assert.ok(shown.length > 0, "there is something unknown");
  assert.deepEqual(await page.locator("ul.out li").allTextContents(), leftOut);
};

const pairs = (page) => async ({ items }) => {
  const names = [items[0].key.source.name, items[0].key.destination.name];
  assert.deepEqual(await page.locator("#pairs tbody tr").first().locator(".end .name").allTextContents(), names);
  assert.deepEqual(await page.locator(".culprit .end .name").allTextContents(), names);
  const costs = await titles(page.locator("#pairs .strong .number"));
  assert.deepEqual(costs, items.filter((item) => Number(item.cost) > 0).map((item) => `${item.cost} USD`));
};

const agents = (page) => async ({ agents: all }) => {
  const well = all.filter((agent) => agent.state === "reporting").length;
  assert.ok((await page.locator("#health .checks").innerText()).includes(`${well} of ${all.length} nodes have an agent that reports.`));
  assert.equal(await page.locator("#health tbody tr:not(.space)").count(), all.length);
};

const matrix = (page) => async ({ cells }) => {
  const shown = await titles(page.locator(".matrix td.number, .matrix td.number button"));
  assert.deepEqual(shown.filter(Boolean).sort(), cells.map((cell) => `${exact(cell.bytes)}, ${cell.cost} USD`).sort());
};

const timeline = (page) => async ({ times, lines }) => {
  const rows = await page.locator("#timeline details tbody tr").evaluateAll((all) =>
    all.map((row) => [...row.querySelectorAll("td > .number")].map((one) => one.title)));
  const wanted = times.map((_, index) => lines.map((line) => exact(line.points[index].bytes)));
  assert.deepEqual(rows, wanted.reverse());
};

const workloads = (page) => async ({ items, count }) => {
  const rows = await page.locator("#ranking tbody tr:not(.space)").evaluateAll((all) => all.map((row) =>
    [row.querySelector(".group") ? row.querySelector("th").innerText : "", row.querySelector("td.number > .number").title]));
  assert.ok(rows.length > 5, `${rows.length} rows`);
  assert.deepEqual(rows, items.slice(0, rows.length).map((item) => [item.key.namespace ? `${item.key.namespace}/${item.key.name}` : "", exact(item.sent_bytes)]));
  assert.match(await page.locator("#ranking .sum").innerText(), new RegExp(`^${count.toLocaleString("en-US")} in all`));
};

/** Pods by name, with what each sent and received. */
const pods = (page) => async ({ items, count }) => {
  const rows = await page.locator("#ranking tbody tr:not(.space)").evaluateAll((all) => all.map((row) =>
    [row.querySelector("th").innerText, ...[...row.querySelectorAll("td.number > .number")].slice(0, 3).map((one) => one.title)]));
  assert.ok(rows.length > 5, `${rows.length} rows`);
  const wanted = items.slice(0, rows.length).map(({ key, ...had }) =>
    [`${key.namespace}/${key.name}`, exact(had.sent_bytes), exact(had.received_bytes), exact(had.crossing_bytes)]);
  assert.deepEqual(rows, wanted);
  assert.match(await page.locator("#ranking .sum").innerText(), new RegExp(`^${count.toLocaleString("en-US")} in all`));
};

export const money_on_the_screen_is_what_the_api_answers = async (visit) => {
  const page = await visit.openWhole();
  for (const look of [top, boundaries, doubts]) await compare(visit, page, "summary", { since: "1h" }, look(page));
  await compare(visit, page, "top", { since: "1h", of: "pairs", by: "cost", limit: 10 }, pairs(page));
  await compare(visit, page, "health", {}, agents(page));
};

export const bytes_on_the_screen_are_what_the_api_answers = async (visit) => {
  const page = await visit.openWhole("?show=bytes&by=bytes");
  await page.locator("#timeline summary").click();
  await compare(visit, page, "matrix", { since: "1h" }, matrix(page));
  await compare(visit, page, "series", { since: "1h", by: "locality" }, timeline(page));
  await compare(visit, page, "top", { since: "1h", of: "workloads", by: "bytes", limit: 500 }, workloads(page));
};

export const pods_on_the_screen_are_those_of_the_api = async (visit) => {
  const page = await visit.openWhole("?of=pods&show=bytes&by=bytes");
  await compare(visit, page, "top", { since: "1h", of: "pods", by: "bytes", limit: 500 }, pods(page));
};

export const what_has_no_price_has_a_dash_in_lists = async (visit) => {
  for (const of of ["networks", "pairs"]) {
    const page = await visit.openWhole(`?of=${of}&locality=internet`);
    await compare(visit, page, "top", { since: "1h", of, by: "cost", locality: "internet", limit: 500 }, costs(page));
  }
};
