// Ten thousand rows: what is not in sight is not in the document.

import assert from "node:assert/strict";

const COUNT = 10_000;

/** Many workloads, made of one that the server has, in pages as it answers them; each begins with so many of the one before. */
const pages = (repeated) => async (route) => {
  const url = new URL(route.request().url());
  if (url.searchParams.get("of") !== "workloads") return route.continue();
  const begin = Number(url.searchParams.get("cursor") ?? 0);
  const end = Math.min(begin + Number(url.searchParams.get("limit")), COUNT);
  // A cursor of this test is none of the server's.
  url.searchParams.delete("cursor");
  const response = await route.fetch({ url: url.href });
  const answer = await response.json();
  const one = answer.items.find((item) => item.key.namespace);
  const items = Array.from({ length: end - begin + repeated }, (_, index) => ({ ...one, key: { ...one.key, name: `job-${begin - repeated + index}` } }));
  return route.fulfill({ response, json: { ...answer, count: COUNT, items, next: end < COUNT ? String(end) : undefined } });
};

const many = pages(0);

export const ten_thousand_rows_are_scrolled_through_with_few_in_the_document = async (visit) => {
  const page = await visit.openWhole("?of=workloads", { prepare: (fresh) => fresh.route("**/api/v1/top?**", many) });
  const box = page.locator("#ranking .scroll");
  const rows = page.locator("#ranking tbody tr:not(.space)");
  let most = 0;

  await visit.until(async () => {
    await box.evaluate((one) => { one.scrollTop = one.scrollHeight; });
    most = Math.max(most, await rows.count());
    assert.match(await rows.last().innerText(), new RegExp(`job-${COUNT - 1}\\b`));
  });

  assert.ok(most <= 40, `${most} rows in the document`);
  assert.ok((await page.evaluate(() => document.querySelectorAll("*").length)) < 3_000);
  assert.equal(await rows.last().getAttribute("aria-rowindex"), String(COUNT + 1));
  await page.getByText(`${COUNT.toLocaleString("en-US")} in all`).waitFor();

  await box.evaluate((one) => { one.scrollTop = 0; });
  await page.locator("#ranking th", { hasText: /job-0$/ }).waitFor();
};

export const a_list_that_is_read_stands_still_until_its_top_is_seen_again = async (visit) => {
  const page = await visit.openWhole("?of=workloads", { prepare: (fresh) => fresh.route("**/api/v1/top?**", many) });
  const box = page.locator("#ranking .scroll");
  await box.evaluate((one) => { one.scrollTop = 2_000; });
  await page.getByText("It stands still while you read").waitFor();
  const before = await box.evaluate((one) => one.scrollTop);
  let asked = 0;
  page.on("request", (request) => { asked += request.url().includes("of=workloads") && !request.url().includes("cursor") ? 1 : 0; });

  await page.getByTitle("Ask again now").click();
  await visit.whole(page);
  assert.equal(asked, 0);
  assert.equal(await box.evaluate((one) => one.scrollTop), before);

  await box.evaluate((one) => { one.scrollTop = 0; });
  await visit.until(() => assert.ok(asked > 0));
};

export const a_list_is_read_on_if_its_first_page_was_renewed_meanwhile = async (visit) => {
  const gates = { first: undefined, next: undefined };
  const gated = async (route) => {
    const { searchParams } = new URL(route.request().url());
    if (searchParams.get("of") === "workloads") await gates[searchParams.has("cursor") ? "next" : "first"];
    return many(route);
  };
  const page = await visit.openWhole("?of=workloads", { prepare: (fresh) => fresh.route("**/api/v1/top?**", gated) });
  const box = page.locator("#ranking .scroll");
  const release = {};
  for (const name of ["first", "next"]) gates[name] = new Promise((resolve) => { release[name] = resolve; });
  const asked = (part) => page.waitForRequest((request) => request.url().includes("of=workloads") && request.url().includes("cursor") === part);

  const renewal = asked(false);
  await page.getByTitle("Ask again now").click();
  await renewal;
  const reading = asked(true);
  await box.evaluate((one) => { one.scrollTop = one.scrollHeight; });
  await reading;
  const renewed = page.waitForResponse((response) => response.url().includes("of=workloads") && !response.url().includes("cursor"));
  release.first();
  await renewed;
  release.next();

  await page.locator("#ranking .sum", { hasText: "1,000 read" }).waitFor();
};

export const who_fell_behind_the_end_of_a_page_is_listed_once = async (visit) => {
  let repeated;
  const overlapping = async (route) => {
    const cursor = new URL(route.request().url()).searchParams.get("cursor");
    if (cursor !== null) repeated = Number(cursor) - 1;
    return pages(cursor === null ? 0 : 1)(route);
  };
  const page = await visit.openWhole("?of=workloads", { prepare: (fresh) => fresh.route("**/api/v1/top?**", overlapping) });
  const box = page.locator("#ranking .scroll");

  await box.evaluate((one) => { one.scrollTop = one.scrollHeight; });
  await page.locator("#ranking .sum", { hasText: "1,000 read" }).waitFor();

  assert.equal(repeated, 499);
};

export const a_list_is_read_to_its_end_by_the_cursors_of_the_server = async (visit) => {
  const short = async (route) => {
    const url = new URL(route.request().url());
    if (url.searchParams.get("of") === "workloads") url.searchParams.set("limit", "2");
    return route.continue({ url: url.href });
  };
  const range = Object.fromEntries([["from", 40], ["to", 10]].map(([name, minutes]) =>
    [name, `${new Date(Date.now() - minutes * 60_000).toISOString().slice(0, 16)}:00Z`]));
  // A range that is over, and one that ends now.
  for (const when of [range, { since: "1h" }]) {
    const page = await visit.openWhole(`?of=workloads&${new URLSearchParams(when)}`, {
      prepare: (fresh) => fresh.route("**/api/v1/top?**", short),
    });
    const { items } = await visit.ask("top", { ...when, of: "workloads", by: "cost" });
    assert.ok(items.length > 6, `${items.length} workloads`);

    const names = page.locator("#ranking tbody th .name");
    const wanted = items.filter((item) => item.key.kind === "workload").map((item) => item.key.name);
    await visit.until(async () => {
      const shown = await names.allTextContents();
      assert.deepEqual(shown.filter((name) => wanted.includes(name)), wanted);
      assert.equal(shown.length, items.length);
    });
    assert.equal(await page.locator("#ranking .sum button").count(), 0);
  }
};

/** The same question for fewer at once: the server's own pages. */
const few = (route) => {
  const url = new URL(route.request().url());
  if (url.searchParams.get("of") === "pods") url.searchParams.set("limit", "20");
  return route.continue({ url: url.href });
};

export const a_list_goes_on_page_by_page_of_the_server_to_its_end = async (visit) => {
  const { count } = await visit.ask("top", { since: "1h", of: "pods", by: "bytes" });
  assert.ok(count > 60, `${count} pods`);
  const page = await visit.openWhole("?of=pods&show=bytes&by=bytes", { prepare: (fresh) => fresh.route("**/api/v1/top?**", few) });
  const box = page.locator("#ranking .scroll");
  const rows = page.locator("#ranking tbody tr:not(.space)");

  await visit.until(async () => {
    await box.evaluate((one) => { one.scrollTop = one.scrollHeight; });
    assert.equal(await rows.last().getAttribute("aria-rowindex"), String(count + 1));
  });

  assert.equal(await page.locator("#ranking .sum button").count(), 0, "no page failed");
  assert.doesNotMatch(await page.locator("#ranking .sum").innerText(), / read\./);
};
