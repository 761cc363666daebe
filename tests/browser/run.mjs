// Looks at the dashboard of a server in a real browser, and says of each check whether it holds.
//
//   node run.mjs http://127.0.0.1:8080 DIRECTORY-FOR-SCREENSHOTS [GROUP...]
//
// A group is a file of checks/, without its ending; without any, all checks run.
// LOCKED is another server that wants a token, and LOCKED_TOKEN the file that it has it from.
// KUBEZONNET_BROWSER_TOOLS is where the packages of package.json are, and CHROMIUM the browser. ONLY is a
// part of the names of the checks to run.

import { performance } from "node:perf_hooks";
import { Browser } from "./browser.mjs";
import * as access from "./checks/access.mjs";
import * as address from "./checks/address.mjs";
import * as gate from "./checks/gate.mjs";
import * as keyboard from "./checks/keyboard.mjs";
import * as numbers from "./checks/numbers.mjs";
import * as pure from "./checks/pure.mjs";
import * as scroll from "./checks/scroll.mjs";
import * as states from "./checks/states.mjs";

const groups = { pure, numbers, address, states, gate, keyboard, access, scroll };
const [base, screenshots, ...named] = process.argv.slice(2);
const stranger = named.find((name) => !Object.hasOwn(groups, name));
if (!base || !screenshots || stranger) {
  if (stranger) console.error(`there is no group ${stranger}, only ${Object.keys(groups).join(", ")}`);
  console.error("usage: node run.mjs BASE-URL DIRECTORY-FOR-SCREENSHOTS [GROUP...]");
  process.exit(64);
}

const chosen = named.length === 0 ? Object.keys(groups) : named;
const checks = chosen.flatMap((name) => Object.entries(groups[name]))
  .map(([name, check]) => [name.replaceAll("_", " "), check])
  .filter(([words]) => words.includes(process.env.ONLY ?? ""));
const browser = await Browser.start(base, screenshots);
let failed = 0;

/** Takes check after check until none is left. */
const work = async () => {
  for (let next = checks.shift(); next; next = checks.shift()) {
    const [words, check] = next;
    const begun = performance.now();
    try {
      await browser.visit(check);
      console.log(`ok      ${words} (${Math.round(performance.now() - begun)} ms)`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${words}\n${error.stack ?? error}\n`);
    }
  }
};

// Each check mostly waits, and shares nothing with the others.
await Promise.all(Array.from({ length: 4 }, work));
await browser.end();
process.exit(failed === 0 ? 0 : 1);
