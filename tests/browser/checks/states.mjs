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

  await page.locator("#summary .trouble", { hasText: "History cannot be read now." }).waitFor();
  await page.locator(".banner", { hasText: "History cannot be read now." }).waitFor();
  // All panels are without an answer, and one voice is enough to say so.
  assert.equal(await page.getByRole("alert").count(), 1);
  await visit.screenshot(page, "failing");
  await page.unroute(API);
  await page.getByRole("button", { name: "Try now" }).click();
  await visit.whole(page);
  assert.equal(await page.locator(".trouble, .banner").count(), 0);
};

export const a_server_that_never_answers_is_not_called_live_and_not_asked_twice_at_once = async (visit) => {
  const page = await visit.openWhole("", { prepare: (fresh) => fresh.clock.install() });
  let under = 0;
  let most = 0;
  await page.route(API, () => {});
  await page.route("**/api/v1/health", () => { under += 1; most = Math.max(most, under); });
  page.on("requestfailed", (request) => { under -= request.url().includes("/health") ? 1 : 0; });
  const pass = async (seconds) => {
    for (let second = 0; second < seconds; second += 1) await page.clock.fastForward(1_000);
    // What this comes after has been sent.
    await page.evaluate(() => fetch("dashboard/icon.svg"));
  };

  await pass(32);
  assert.doesNotMatch(await page.locator(".pulse").innerText(), /^Live/);
  await pass(6);
  await page.locator(".banner", { hasText: "The server takes too long. What you see is" }).waitFor();
  await page.getByText("Not live").waitFor();
  await pass(60);
  assert.equal(most, 1);
  await page.unrouteAll({ behavior: "ignoreErrors" });
  await pass(40);
  await page.getByText("Live, ").waitFor();
};

export const an_answer_that_takes_long_is_waited_for = async (visit) => {
  let release;
  const held = new Promise((resolve) => { release = resolve; });
  let asked = 0;
  const slow = async (route) => {
    asked += 1;
    await held;
    return route.continue();
  };
  const page = await visit.open("", {
    prepare: async (fresh) => {
      await fresh.clock.install();
      await fresh.route("**/api/v1/summary?**", slow);
    },
  });
  await visit.until(async () => assert.equal(asked, 1));

  for (let second = 0; second < 45; second += 1) await page.clock.fastForward(1_000);
  release();

  await visit.whole(page);
  assert.equal(asked, 1);
};

export const a_month_that_cannot_be_told_in_time_has_a_dash = async (visit) => {
  const without = async (route) => {
    const response = await route.fetch();
    const { month, ...json } = await response.json();
    assert.ok(month);
    return route.fulfill({ response, json });
  };
  const page = await visit.openWhole("", { prepare: (fresh) => fresh.route("**/api/v1/summary?**", without) });

  const told = await page.locator("#summary .tiles").innerText();
  assert.equal(told.match(/takes too long to tell/g).length, 2, told);
};

export const something_else_that_answers_is_not_taken_for_the_server = async (visit) => {
  const page = await visit.open("", {
    prepare: (fresh) => fresh.route(API, (route) => route.fulfill({ contentType: "text/html", body: "<title>Sign in</title>" })),
  });

  await page.locator(".banner", { hasText: "What answers is not this server" }).waitFor();
};

export const flows_of_another_view_are_never_shown_as_those_of_this_one = async (visit) => {
  visit.expected.push(refused);
  const page = await visit.openWhole("", { prepare: (fresh) => fresh.clock.install() });
  await page.locator("#flows").scrollIntoViewIfNeeded();
  await visit.until(async () => assert.equal(await page.locator("#flows .body.old").count(), 0));
  let fail;
  const failing = new Promise((resolve) => { fail = resolve; });
  await page.route("**/api/v1/top?*zones=true*", async (route) => {
    await failing;
    await answer(503, { error: "too many questions at once" })(route);
  });

  await page.locator("#flows g.link").first().click();
  await page.getByRole("heading", { name: "Flows of" }).waitFor();
  await visit.until(async () => assert.equal(await page.locator("#matrix .old, #ranking .old").count(), 0));
  assert.equal(await page.locator("#flows .body.old").count(), 1);

  fail();
  await page.locator("#flows .trouble", { hasText: "Too many questions at once." }).waitFor();
  await page.locator(".banner", { hasText: "Too many questions at once." }).waitFor();
  assert.equal(await page.locator("#flows .band").count(), 0);

  await page.unroute("**/api/v1/top?*zones=true*");
  await page.getByRole("button", { name: "Try now" }).click();
  await page.locator("#flows .band").first().waitFor();
};

export const the_clock_of_the_browser_changes_nothing_that_is_shown = async (visit) => {
  // The same answers each time, so that the clock is all that differs.
  const answers = new Map();
  const replay = async (route) => {
    const url = route.request().url();
    if (!answers.has(url)) {
      const response = await route.fetch();
      answers.set(url, { status: response.status(), contentType: "application/json", body: await response.text() });
    }
    await route.fulfill(answers.get(url));
  };
  const look = async (ahead) => {
    const page = await visit.openWhole("", {
      prepare: async (fresh) => {
        await fresh.clock.install({ time: Date.now() + ahead });
        await fresh.route(API, replay);
      },
    });
    const parts = await page.locator("#timeline .plot, .spark").evaluateAll((all) => all.map((one) =>
      one.getAttribute("aria-label") + (one.querySelector("polyline")?.getAttribute("points") ?? "")));
    return [...parts, await page.locator(".tile[data-tile=now]").innerText()];
  };

  const right = await look(0);
  assert.ok(right.length > 10, `${right.length} pictures`);
  assert.deepEqual(await look(-50 * 60_000), right);
  assert.deepEqual(await look(50 * 60_000), right);
};

export const a_part_that_is_less_than_half_is_not_called_most = async (visit) => {
  const told = async (part) => {
    const page = await visit.openWhole("", {
      prepare: (fresh) => fresh.route("**/api/v1/top?*of=pairs*", async (route) => {
        const response = await route.fetch();
        const body = await response.json();
        const total = { ...body.total, cost: String(Number(body.items[0]?.cost ?? 0) / part) };
        await route.fulfill({ response, json: { ...body, total } });
      }),
    });
    return (await page.locator(".culprit").innerText()).replaceAll("\n", " ");
  };

  assert.match(await told(0.51), /^Most of it is .*51 % of all/);
  assert.match(await told(0.03), /^The largest part is .*3 % of all/);
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
  assert.equal(await page.getByRole("alert").count(), 0);
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.waitForFunction(() => sessionStorage.getItem("token") === "wrong");
  await page.getByRole("alert").filter({ hasText: "does not take the token" }).waitFor();
  assert.equal(await page.getByRole("alert").count(), 1);
  await page.getByRole("textbox", { name: "Token" }).fill("secret");
  await page.keyboard.press("Enter");
  await visit.whole(page);
  await page.locator(".door").waitFor({ state: "detached" });
  assert.deepEqual([...new Set(asked)], [undefined, "Bearer wrong", "Bearer secret"]);
  await page.reload();
  await visit.whole(page);
  assert.equal(await page.evaluate(() => localStorage.getItem("token")), null);
};

export const what_cannot_be_a_token_is_told_beside_its_field_and_not_kept = async (visit) => {
  visit.expected.push(refused);
  const page = await visit.open("", {
    prepare: (fresh) => fresh.route(API, (route) => route.request().headers().authorization === "Bearer secret"
      ? route.continue() : answer(401, { error: "a bearer token is wanted" })(route)),
  });
  const field = page.getByRole("textbox", { name: "Token" });

  for (const garbled of ["sec…", "   ", "secret\u200b"]) {
    await field.fill(garbled);
    await page.keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: "That is no token" }).waitFor();
    assert.equal(await page.evaluate(() => sessionStorage.getItem("token")), null);
  }
  await field.fill("secret");
  await page.keyboard.press("Enter");

  await visit.whole(page);
  await page.locator(".door").waitFor({ state: "detached" });
};

export const where_storage_is_forbidden_the_page_is_whole_and_holds_its_token_until_it_is_left = async (visit) => {
  visit.expected.push(refused);
  const page = await visit.open("", {
    prepare: async (fresh) => {
      await fresh.addInitScript(() => {
        for (const name of ["sessionStorage", "localStorage"]) {
          Object.defineProperty(window, name, { get: () => { throw new DOMException("Access is denied", "SecurityError"); } });
        }
      });
      await fresh.route(API, (route) => route.request().headers().authorization === "Bearer secret"
        ? route.continue() : answer(401, { error: "a bearer token is wanted" })(route));
    },
  });

  await page.getByRole("textbox", { name: "Token" }).fill("secret");
  await page.keyboard.press("Enter");
  await visit.whole(page);
  await page.locator(".door").waitFor({ state: "detached" });
  await page.reload();

  await page.locator(".door").waitFor();
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

export const a_node_that_no_agent_can_run_on_is_no_trouble = async (visit) => {
  const page = await visit.openWhole("", {
    prepare: (fresh) => fresh.route("**/api/v1/health", async (route) => {
      const response = await route.fetch();
      const body = await response.json();
      const agents = body.agents.map((agent, index) => ({ ...agent, state: index === 0 ? "impossible" : "reporting" }));
      await route.fulfill({ response, json: { ...body, agents } });
    }),
  });
  const count = await page.locator("#health tbody tr:not(.space)").count();

  assert.ok(count > 2, `${count} nodes`);
  assert.ok((await page.locator("#health .checks").innerText()).includes(`${count - 1} of ${count - 1} nodes have an agent that reports.`));
  const cell = page.locator("#health td", { hasText: "None can run there: receivers count what it sends" });
  assert.equal(await cell.locator(".good, .bad").count(), 0);
  assert.equal(await page.locator("#health td .bad").count(), 0);
};

export const budgets_of_names_that_nobody_has_are_told_with_a_few_of_them = async (visit) => {
  const told = async (names) => {
    const page = await visit.openWhole("", {
      prepare: (fresh) => fresh.route("**/api/v1/health", async (route) => {
        const response = await route.fetch();
        const unseen = names.map((name) => ({ kind: "namespace", name }));
        await route.fulfill({ response, json: { ...await response.json(), unseen_budgets: unseen } });
      }),
    });
    return page.locator("#health .checks .bad", { hasText: "these budgets" }).allInnerTexts();
  };

  assert.deepEqual(await told([]), []);
  const [line] = await told(["a", "b", "c", "d", "e", "f", "g"]);
  assert.ok(line.endsWith("namespace a, namespace b, namespace c, namespace d, namespace e and 2 more."), line);
};

export const what_the_history_lacks_is_told = async (visit) => {
  const told = async (more) => {
    const page = await visit.openWhole("", {
      prepare: (fresh) => fresh.route("**/api/v1/health", async (route) => {
        const response = await route.fetch();
        const body = await response.json();
        await route.fulfill({ response, json: { ...body, history: { ...body.history, ...more } } });
      }),
    });
    return page.locator("#health .checks .bad", { hasText: /history/i }).allInnerTexts();
  };

  assert.deepEqual(await told({ lost_changes: 0, damaged_files: 0 }), []);
  const lines = await told({ lost_changes: 1234, damaged_files: 2, lacking: "a part of it cannot be read" });
  assert.equal(lines.length, 3);
  assert.match(lines[0], /Of the history: a part of it cannot be read\.$/);
  assert.match(lines[1], /lacks 1,234 changes/);
  assert.match(lines[2], /was damaged 2 times/);
};

/** Answers lists late, so that what was chosen is not yet what is there. */
const late = (clock) => async (route) => {
  await clock;
  return route.continue();
};

export const a_list_has_the_columns_of_what_was_answered_while_another_is_chosen = async (visit) => {
  const page = await visit.openWhole("?of=workloads");
  const heads = () => page.locator("#ranking thead th").allInnerTexts();
  const choose = (name) => page.locator("#ranking").getByRole("button", { name, exact: true }).click();
  let answer;
  await page.route("**/api/v1/top?**", late(new Promise((resolve) => { answer = resolve; })));

  await choose("Pairs");
  const meanwhile = await heads();
  answer();
  await visit.until(async () => assert.ok((await heads()).some((head) => /boundary/i.test(head))));

  assert.ok(meanwhile.some((head) => /sent/i.test(head)), meanwhile.join());
  for (const [name, has] of [["Services", /bytes/i], ["Workloads", /sent/i], ["Pairs", /boundary/i], ["Namespaces", /sent/i]]) {
    await choose(name);
    await visit.until(async () => assert.ok((await heads()).some((head) => has.test(head)), name));
  }
};
