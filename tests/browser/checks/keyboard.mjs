// Everything can be reached and done by keyboard, and one sees where one is.

import assert from "node:assert/strict";

/** Goes on by Tab until an element matches; fails when the page is through. */
const tabTo = async (page, selector) => {
  for (let count = 0; count < 200; count += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)) return;
  }
  assert.fail(`no Tab leads to ${selector}`);
};

export const the_first_tab_offers_to_skip_to_the_numbers = async (visit) => {
  const page = await visit.openWhole();

  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
};

export const all_that_can_be_clicked_is_reached_by_tab_and_shows_it = async (visit) => {
  const page = await visit.openWhole();
  const wanted = await page.evaluate(() => {
    const all = [...document.querySelectorAll("button, a[href], input, select, summary, [tabindex='0']")];
    const seen = all.filter((one) => one.checkVisibility());
    seen.forEach((one, index) => { one.dataset.stop = index; });
    return seen.length;
  });
  assert.ok(wanted > 40, `${wanted} stops`);

  const reached = new Set();
  for (let count = 0; count < wanted + 5; count += 1) {
    await page.keyboard.press("Tab");
    const { stop, outline } = await page.evaluate(() => {
      const one = document.activeElement;
      return { stop: one.dataset.stop, outline: getComputedStyle(one).outlineStyle };
    });
    if (stop === undefined) continue;
    assert.notEqual(outline, "none", `stop ${stop} does not show that it has the focus`);
    reached.add(stop);
  }

  assert.equal(reached.size, wanted);
};

export const a_workload_is_chosen_by_keyboard_from_list_and_picture = async (visit) => {
  for (const [selector, key] of [["#pairs .end.link", "Enter"], ["#flows g.link", " "]]) {
    const page = await visit.openWhole();

    await tabTo(page, selector);
    await page.keyboard.press(key);
    await visit.whole(page);

    assert.ok(new URL(page.url()).searchParams.get("workload"), selector);
  }
};

export const light_and_dark_is_chosen_by_keyboard_and_remembered = async (visit) => {
  const page = await visit.openWhole();

  await tabTo(page, ".top button:last-child");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
  const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.reload();
  await visit.whole(page);
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), dark);
};

export const the_order_of_a_list_is_turned_by_keyboard = async (visit) => {
  const page = await visit.openWhole("?of=workloads");

  await tabTo(page, "#ranking th[aria-sort='none'] button.sort");
  await page.keyboard.press("Enter");
  await visit.whole(page);

  assert.equal(new URL(page.url()).searchParams.get("by"), "bytes");
  assert.equal(await page.locator("#ranking th[aria-sort='descending']").innerText(), "Sent ▾");
};
