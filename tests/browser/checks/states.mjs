// What the page says when there is nothing to show, nothing new, or nothing at all.

import assert from "node:assert/strict";

const API = "**/api/v1/**";
const refused = /Failed to load resource/;

const answer = (status, body) => (route) => route.fulfill({ status, contentType: "application/json", body: JSON.stringify(body) });

export const until_answers_come_the_page_has_its_outline = async (visit) => {
  let release;
  const held = new Promise((resolve) => { release = resolve; });
  const page = await visit.open("", {
    prepare: (fresh) => fresh.route(API, async (route) => { await held; await route.continue(); }),
  });

  await page.locator("#summary[aria-busy='true'] .skeleton").waitFor();
  release();
  await visit.whole(page);
  assert.equal(await page.locator(".skeleton").count(), 0);
};

export const a_server_that_fails_is_quoted_and_asked_again = async (visit) => {
  visit.expected.push(refused);
  const page = await visit.open("", {
    prepare: (fresh) => fresh.route(API, answer(503, { error: "history cannot be read now" })),
  });

  await page.locator("#summary .trouble", { hasText: "history cannot be read now" }).waitFor();
  await visit.screenshot(page, "failing");
  await page.unroute(API);
  await page.locator("#summary .trouble button").click();
  await visit.whole(page);
  assert.equal(await page.locator(".trouble").count(), 0);
};

export const a_server_that_goes_leaves_its_last_answers_and_the_page_says_so = async (visit) => {
  visit.expected.push(refused);
  const page = await visit.openWhole();
  const before = await page.locator("#pairs tbody tr").count();

  await page.route(API, (route) => route.abort());
  await page.getByTitle("Ask again now").click();
  await page.locator(".banner", { hasText: "The server cannot be reached. What you see is" }).waitFor();
  await page.getByText("Not live").waitFor();
  assert.equal(await page.locator("#pairs tbody tr").count(), before);
  await visit.screenshot(page, "stale");

  await page.unroute(API);
  await page.getByRole("button", { name: "Try now" }).click();
  await page.locator(".banner").waitFor({ state: "detached" });
};

export const a_filter_that_nobody_matches_says_so_in_every_panel = async (visit) => {
  const page = await visit.openWhole("?namespace=nobody-has-this");

  for (const panel of ["summary", "pairs", "matrix", "flows", "ranking"]) {
    await page.locator(`#${panel} .empty`).waitFor();
  }
  await visit.screenshot(page, "empty");
};

export const a_range_that_the_server_refuses_is_named_with_its_field = async (visit) => {
  visit.expected.push(refused);
  const page = await visit.open("?since=yesterday");

  const wrong = page.locator(".wrong");
  await wrong.waitFor();
  assert.match(await wrong.innerText(), /^since: ./);
};

export const without_prices_there_are_bytes_and_a_word_on_how_to_have_prices = async (visit) => {
  const strip = (value) => {
    if (Array.isArray(value)) return value.map(strip);
    if (value === null || typeof value !== "object") return value;
    const kept = Object.entries(value).filter(([name]) => !["cost", "cost_per_hour", "currency", "prices"].includes(name));
    return Object.fromEntries(kept.map(([name, one]) => [name, strip(one)]));
  };
  const page = await visit.openWhole("", {
    prepare: (fresh) => fresh.route(API, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: strip(await response.json()) });
    }),
  });

  assert.equal(await page.getByRole("button", { name: "Money" }).count(), 0);
  assert.equal(await page.getByRole("heading", { name: "What crosses zones" }).count(), 1);
  await page.locator("#doubts .hint", { hasText: "--cloud aws" }).waitFor();
  assert.doesNotMatch(await page.locator("#app").innerText(), /\$|NaN|undefined/);
  await visit.screenshot(page, "without-prices");
};

export const a_server_that_wants_a_token_is_asked_with_it_for_as_long_as_the_tab_lives = async (visit) => {
  visit.expected.push(refused);
  const asked = [];
  const page = await visit.open("", {
    prepare: (fresh) => fresh.route(API, (route) => {
      const held = route.request().headers().authorization;
      asked.push(held);
      return held === "Bearer secret" ? route.continue() : answer(401, { error: "a bearer token is wanted" })(route);
    }),
  });

  await page.getByRole("textbox", { name: "Token" }).fill("wrong");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.waitForFunction(() => sessionStorage.getItem("token") === "wrong");
  await page.getByRole("textbox", { name: "Token" }).fill("secret");
  await page.keyboard.press("Enter");
  await visit.whole(page);
  await page.locator(".door").waitFor({ state: "detached" });
  assert.deepEqual([...new Set(asked)], [undefined, "Bearer wrong", "Bearer secret"]);
  await page.reload();
  await visit.whole(page);
  assert.equal(await page.evaluate(() => localStorage.getItem("token")), null);
};

export const the_server_is_asked_again_and_again_but_not_while_nobody_looks = async (visit) => {
  const page = await visit.openWhole("", { prepare: (fresh) => fresh.clock.install() });
  let asked = 0;
  page.on("request", (request) => { asked += request.url().includes("/api/") ? 1 : 0; });
  const hide = (isHidden) => page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, isHidden);
  const pass = async (seconds) => {
    await page.clock.fastForward(seconds * 1_000);
    // What this comes after has been sent.
    await page.evaluate(() => fetch("dashboard/icon.svg"));
  };

  await hide(true);
  await pass(120);
  assert.equal(asked, 0);
  await hide(false);
  await visit.until(() => assert.ok(asked >= 6, `${asked} questions of who comes back`));
  await visit.whole(page);
  asked = 0;
  await pass(16);
  await visit.until(() => assert.ok(asked >= 6, `${asked} questions of who stays`));
};
