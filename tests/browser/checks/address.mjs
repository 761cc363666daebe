// A view is its address.

import assert from "node:assert/strict";

const chips = (page) => page.locator(".chips li:not(.all) span").allTextContents();

export const a_filter_is_in_the_address_and_back_goes_back = async (visit) => {
  const page = await visit.openWhole();

  await page.locator("#pairs .end.link").first().click();
  await visit.whole(page);
  const filtered = new URL(page.url());
  assert.match(filtered.searchParams.get("workload"), /^[^/]+\/[^/]+\/[^/]+$/);
  assert.equal((await chips(page)).length, 1);
  await page.getByRole("button", { name: "24 hours" }).click();
  assert.equal(new URL(page.url()).searchParams.get("since"), "24h");

  await page.goBack();
  assert.equal(page.url(), filtered.href);
  await page.goBack();
  assert.equal(new URL(page.url()).search, "");
  assert.deepEqual(await chips(page), []);
  await page.goForward();
  assert.equal((await chips(page)).length, 1);
};

export const an_address_that_somebody_sends_shows_the_same_view = async (visit) => {
  const page = await visit.openWhole("?namespace=shop&locality=cross_zone&show=bytes&since=24h");

  assert.deepEqual(await chips(page), ["Namespace: shop", "Locality: Cross zone"]);
  assert.equal(await page.getByRole("button", { name: "Bytes", exact: true }).getAttribute("aria-pressed"), "true");
  assert.equal(await page.getByRole("button", { name: "24 hours" }).getAttribute("aria-pressed"), "true");
  assert.deepEqual(await page.locator(".shares tbody tr").evaluateAll((all) => all.map((row) => row.dataset.locality)), ["cross_zone"]);
};

export const a_cell_of_the_matrix_narrows_the_page_to_its_way = async (visit) => {
  const page = await visit.openWhole();

  const cell = page.locator(".matrix td.away button").first();
  const [, source, destination] = /from (\S+) to (\S+)$/.exec(await cell.getAttribute("aria-label"));
  await cell.click();
  await visit.whole(page);

  const query = new URL(page.url()).searchParams;
  assert.deepEqual([query.get("source_zone"), query.get("destination_zone")], [source, destination]);
  assert.equal(await page.locator(".matrix button").count(), 1);
  await page.locator(".matrix button[aria-pressed='true']").click();
  assert.equal(new URL(page.url()).search, "");
};

export const a_filter_can_be_typed_and_removed = async (visit) => {
  const page = await visit.openWhole();

  await page.getByLabel("Filter by").selectOption("zone");
  await page.getByLabel("Zone to look at").fill("us-east-1b");
  await page.keyboard.press("Enter");
  await visit.whole(page);
  assert.deepEqual(await chips(page), ["Zone: us-east-1b"]);

  await page.getByRole("button", { name: "Remove Zone us-east-1b" }).click();
  assert.equal(new URL(page.url()).search, "");
};

export const names_are_offered_of_the_filter_that_is_chosen_and_asked_for_once = async (visit) => {
  const page = await visit.openWhole();
  const asked = [];
  let release;
  const held = new Promise((resolve) => { release = resolve; });
  const tell = (of, key, clock) => page.route(new RegExp(`top\\?since=24h&of=${of}&`), async (route) => {
    asked.push(of);
    const response = await route.fetch();
    await clock;
    await route.fulfill({ response, json: { ...await response.json(), items: [{ key }] } });
  });
  await tell("namespaces", { type: "namespace", name: "shop" }, held);
  await tell("workloads", { type: "workload", kind: "workload", workload_kind: "Deployment", namespace: "shop", name: "web" });
  const offered = () => page.locator("#suggested option").evaluateAll((all) => all.map((one) => one.value));
  const value = page.locator(".adder input");

  await value.focus();
  await page.getByLabel("Filter by").selectOption("workload");
  await visit.until(async () => assert.deepEqual(await offered(), ["shop/Deployment/web"]));
  const late = page.waitForResponse(/of=namespaces/);
  release();
  await (await late).finished();
  // What this comes after has been taken.
  await page.evaluate(() => fetch("dashboard/icon.svg"));
  assert.deepEqual(await offered(), ["shop/Deployment/web"]);

  await value.focus();
  await page.getByLabel("Filter by").selectOption("namespace");
  await visit.until(async () => assert.deepEqual(await offered(), ["shop"]));
  await value.focus();
  await page.getByLabel("Filter by").selectOption("locality");
  await visit.until(async () => assert.ok((await offered()).includes("cross_zone")));
  assert.deepEqual(asked, ["namespaces", "workloads"]);
};

export const a_range_of_ones_own_is_asked_for_and_shown = async (visit) => {
  const page = await visit.openWhole();

  await page.getByRole("button", { name: "From – to" }).click();
  const hourAgo = new Date(Date.now() - 3_600_000 - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  await page.getByLabel("From", { exact: true }).fill(hourAgo);
  // What is typed stays while answers come.
  const answered = page.waitForResponse("**/api/v1/health");
  await page.getByTitle("Ask again now").click();
  await answered;
  await visit.whole(page);
  assert.equal(await page.getByLabel("From", { exact: true }).inputValue(), hourAgo);
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await visit.whole(page);

  assert.match(new URL(page.url()).searchParams.get("from"), /^\d{4}-\d\d-\d\dT\d\d:\d\d:00Z$/);
  assert.equal(await page.locator(".tile[data-tile=range] dt").innerText(), "The range");
};

export const an_address_that_makes_no_sense_says_so_and_can_be_mended = async (visit) => {
  visit.expected.push(/Failed to load resource/);
  const refused = async (query, pattern) => {
    const page = await visit.open(query);
    await page.locator(".wrong", { hasText: pattern }).waitFor();
    return page;
  };

  await refused("?locality=constructor", /^locality: ./);
  await refused("?from=2026-11-01T00:00:00Z&to=yesterday", /^to: ./);
  await refused("?from=12026-11-01T00:00:00Z", /^from: ./);
  const page = await refused("?from=x", /^from: ./);
  assert.equal(await page.getByLabel("From", { exact: true }).inputValue(), "");
  await page.getByRole("button", { name: "24 hours" }).click();
  await visit.whole(page);

  assert.equal(await page.locator(".wrong").count(), 0);
};

export const a_namespace_with_the_name_of_a_boundary_keeps_its_name = async (visit) => {
  const page = await visit.openWhole("?namespace=internet&locality=internet");

  assert.deepEqual(await chips(page), ["Namespace: internet", "Locality: Internet"]);
};
