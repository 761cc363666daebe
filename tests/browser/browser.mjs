// A browser whose pages may ask nobody but their own server, and complain of nothing.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";

const tools = process.env.KUBEZONNET_BROWSER_TOOLS;
if (!tools) throw new Error("KUBEZONNET_BROWSER_TOOLS does not say where the packages are");
const require = createRequire(path.join(tools, "package.json"));
const { chromium } = require("playwright-core");

/** Where a program is, by name or path. */
const found = (name) => {
  const folders = name.includes("/") ? [""] : process.env.PATH.split(path.delimiter);
  const place = folders.map((folder) => path.join(folder, name)).find((one) => existsSync(one));
  if (!place) throw new Error(`there is no ${name}: scripts/install-deps.sh test installs it, or say where it is with CHROMIUM`);
  return place;
};

/** How long anything here may take, in milliseconds. */
export const DEADLINE = 30_000;

/** Where axe-core is: it is put into the page by the debugger, past the policy of the page. */
export const axe = require.resolve("axe-core/axe.min.js");

export class Browser {
  static async start(base, screenshots) {
    await mkdir(screenshots, { recursive: true });
    const browser = new Browser();
    // Root has no sandbox for it, and what it shows is ours.
    browser.chromium = await chromium.launch({
      executablePath: found(process.env.CHROMIUM ?? "chromium-headless-shell"),
      args: ["--no-sandbox", "--disable-dev-shm-usage"],
    });
    Object.assign(browser, { base, screenshots });
    return browser;
  }

  end() {
    return this.chromium.close();
  }

  /** Runs a check with pages of its own, and then sees that they kept to the rules. */
  async visit(check) {
    const visit = new Visit(this);
    try {
      await check(visit);
      visit.assertQuiet();
    } finally {
      await visit.close();
    }
  }
}

/** What one check does in the browser. */
class Visit {
  constructor(browser) {
    this.browser = browser;
    this.base = browser.base;
    this.complaints = [];
    /** Complaints that a check causes itself, such as that of an answer with an error. */
    this.expected = [];
  }

  /** Opens the dashboard, and waits for nothing. */
  async open(query = "", { base = this.base, prepare, ...options } = {}) {
    await this.close();
    this.context = await this.browser.chromium.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    this.context.setDefaultTimeout(DEADLINE);
    const page = await this.context.newPage();
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.complain(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.complain(`page: ${error.stack}`));
    page.on("request", (request) => {
      const { origin, protocol } = new URL(request.url());
      if (protocol !== "data:" && origin !== new URL(base).origin) this.complain(`asked ${request.url()}`);
    });
    await page.addInitScript(() => {
      window.violations = [];
      addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
    });
    await prepare?.(page);
    await page.goto(`${base}/${query}`);
    return page;
  }

  async close() {
    // Answers that are under way have nobody to go to.
    for (const page of this.context?.pages() ?? []) await page.unrouteAll({ behavior: "ignoreErrors" });
    await this.context?.close();
    this.context = undefined;
  }

  /** The same, and waits until every panel shows its answer. */
  async openWhole(query, options) {
    const page = await this.open(query, options);
    await this.whole(page);
    return page;
  }

  async whole(page) {
    await page.waitForFunction(() => {
      // Flows are asked for once they are in sight.
      document.querySelector("#flows[aria-busy='true'], #flows .old")?.scrollIntoView();
      return document.querySelectorAll(".panel").length >= 8 && !document.querySelector(".skeleton, .old, [aria-busy='true']");
    });
    await page.evaluate(() => scrollTo(0, 0));
    assert.deepEqual(await page.evaluate(() => window.violations), []);
  }

  complain(words) {
    if (!this.expected.some((pattern) => pattern.test(words))) this.complaints.push(words);
  }

  assertQuiet() {
    assert.deepEqual(this.complaints, []);
  }

  /** What the API answers, asked by this program and not by the page. */
  async ask(path, parameters = {}) {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(parameters)) for (const one of [value].flat()) query.append(name, one);
    const response = await fetch(`${this.base}/api/v1/${path}?${query}`);
    assert.equal(response.status, 200, `${path}?${query}`);
    return response.json();
  }

  /** Tries until what is told holds: numbers move while one looks. */
  async until(look) {
    const end = Date.now() + DEADLINE;
    for (;;) {
      try {
        return await look();
      } catch (error) {
        if (Date.now() > end) throw error;
        await new Promise((resolve) => { setTimeout(resolve, 100); });
      }
    }
  }

  screenshot(page, name) {
    return page.screenshot({ path: path.join(this.browser.screenshots, `${name}.png`), fullPage: true });
  }
}
