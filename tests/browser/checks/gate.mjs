// A real server that wants a token: LOCKED is where it is, and LOCKED_TOKEN the file with its token.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";

const refused = /Failed to load resource/;
const base = process.env.LOCKED;
const file = process.env.LOCKED_TOKEN;

const present = async (page, token) => {
  await page.getByRole("textbox", { name: "Token" }).fill(token);
  await page.keyboard.press("Enter");
};

const agents = (page) => page.locator("#health tbody tr:not(.space)");

export const a_locked_server_shows_nothing_but_its_door_until_it_has_its_own_token = async (visit) => {
  visit.expected.push(refused);
  const token = (await readFile(file, "utf8")).trim();
  const page = await visit.open("", { base });
  const answers = [];
  page.on("response", (response) => {
    if (response.url().includes("/api/v1/")) answers.push([response.status(), response.request().headers().authorization]);
  });

  await page.locator(".door").waitFor();
  assert.equal(await agents(page).count(), 0);
  await present(page, `${token}x`);
  await visit.until(() => assert.ok(answers.some(([status, held]) => status === 401 && held === `Bearer ${token}x`)));
  await page.locator(".door").waitFor();
  assert.equal(await agents(page).count(), 0);

  await present(page, token);
  await page.locator(".door").waitFor({ state: "detached" });
  await visit.until(async () => assert.equal(await agents(page).count(), 2));
  assert.ok(answers.filter(([status]) => status === 200).every(([, held]) => held === `Bearer ${token}`));
  assert.ok(!page.url().includes(token) && !(await page.content()).includes(token), "the token is nowhere to be seen");

  // Who comes in another tab does not have it.
  const other = await visit.open("", { base });
  await other.locator(".door").waitFor();
  assert.equal(await agents(other).count(), 0);

  // Another token takes the place of the one before.
  await present(other, token);
  await other.locator(".door").waitFor({ state: "detached" });
  await writeFile(file, "another-token\n");
  await visit.until(async () => {
    await other.getByTitle("Ask again now").click();
    assert.equal(await other.locator(".door").count(), 1);
  });
  await present(other, "another-token");
  await other.locator(".door").waitFor({ state: "detached" });
  await writeFile(file, `${token}\n`);
};
