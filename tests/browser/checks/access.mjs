// axe finds nothing to complain of, in light and dark, wide and narrow; and what it looks like is kept.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { axe } from "../browser.mjs";

const LOOKS = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  phone: { colorScheme: "light", viewport: { width: 390, height: 844 } },
};

const look = (name) => async (visit) => {
  const page = await visit.openWhole("", LOOKS[name]);
  await visit.screenshot(page, name);
  // What is folded away has to be well too.
  await page.locator("summary").evaluateAll((all) => all.forEach((one) => one.click()));
  await page.evaluate(await readFile(axe, "utf8"));
  const { violations } = await page.evaluate(() => window.axe.run());

  const told = violations.map((one) => `${one.id}: ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`).join("; ")}`);
  assert.deepEqual(told, []);
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= page.viewportSize().width, `${width} pixels wide`);
};

export const everybody_can_use_it_in_light = look("light");
export const everybody_can_use_it_in_dark = look("dark");
export const everybody_can_use_it_on_a_phone = look("phone");

export const everybody_can_use_it_when_it_fails = async (visit) => {
  visit.expected.push(/Failed to load resource/);
  const page = await visit.open("", {
    prepare: (fresh) => fresh.route("**/api/v1/**", (route) => route.fulfill({ status: 401, contentType: "application/json", body: "{}" })),
  });
  await page.locator(".door").waitFor();
  await page.evaluate(await readFile(axe, "utf8"));
  const { violations } = await page.evaluate(() => window.axe.run());
  assert.deepEqual(violations.map((one) => one.id), []);
};
