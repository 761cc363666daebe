// What is pure in the page, asked in the page: how numbers are written, addresses read, flows laid out.

import assert from "node:assert/strict";

/** Calls functions of a module of the page with each of these arguments. */
const call = async (visit, module, name, cases) => {
  const page = await visit.open();
  return page.evaluate(async ([path, one, all]) => {
    const functions = await import(path);
    return all.map((few) => functions[one](...few));
  }, [`./dashboard/${module}.js`, name, cases]);
};

export const money_is_rounded_as_a_decimal_and_never_as_a_binary_fraction = async (visit) => {
  const written = await call(visit, "units", "money", [
    ["0.000000", "USD"], ["0.000001", "USD"], ["0.004250", "USD"], ["0.099999", "USD"], ["1.005000", "USD"],
    ["12345678901234567890.125000", "USD"], ["7.500000", "EUR"],
  ]);

  assert.deepEqual(written, [
    "$0.00", "< $0.0001", "$0.0043", "$0.10", "$1.01", "$12,345,678,901,234,567,890.13", "€7.50",
  ]);
};

export const bytes_have_three_digits_and_a_unit_of_ten_to_the_third = async (visit) => {
  const written = await call(visit, "units", "bytes", [
    [0], [999], [1000], [999_499], [999_999], [9_994_999], [9_995_000], [9_996_000], [99_949_999], [99_960_000], [1_005_000],
    [12_340_000_000], [2 ** 63],
  ]);

  assert.deepEqual(written, [
    "0 B", "999 B", "1.00 kB", "999 kB", "1.00 MB", "9.99 MB", "10.0 MB", "10.0 MB", "99.9 MB", "100 MB", "1.01 MB",
    "12.3 GB", "9.22 EB",
  ]);
};

export const what_is_too_large_for_the_browser_is_said_to_be_about_that = async (visit) => {
  const written = await call(visit, "units", "exact", [[Number.MAX_SAFE_INTEGER], [Number.MAX_SAFE_INTEGER + 1]]);

  assert.deepEqual(written, ["9,007,199,254,740,991 bytes", "about 9,007,199,254,740,992 bytes"]);
};

export const a_change_has_a_direction_and_a_word = async (visit) => {
  const written = await call(visit, "units", "change", [[110, 100], [50, 100], [100, 100], [5, 0], [0, 0], [2_000, 100], [5, undefined]]);

  assert.deepEqual(written.map((one) => one && [one.direction, one.text]), [
    [1, "10 %"], [-1, "50 %"], [0, "same"], [1, "new"], [0, "–"], [1, "× 20"], undefined,
  ]);
};

export const an_address_is_read_as_it_was_written = async (visit) => {
  const page = await visit.open();
  const searches = ["", "?since=7d&show=bytes&namespace=a&namespace=b&workload=shop%2FDeployment%2Fweb",
    "?from=2026-11-01T00%3A00%3A00Z&to=2026-11-02T00%3A00%3A00Z&locality=cross_zone&source_zone=a"];
  const again = await page.evaluate(async (all) => {
    const { read, write } = await import("./dashboard/view.js");
    return all.map((search) => write(read(search)));
  }, searches);

  assert.deepEqual(again, searches);
};

export const bands_of_a_picture_fill_their_boxes = async (visit) => {
  // Numbers that look like chance and are the same each time.
  let seed = 7;
  const pick = (most) => { seed = (seed * 48_271) % 2_147_483_647; return seed % most; };
  const flows = Array.from({ length: 60 }, () => ({
    source: `s${pick(14)}`, sourceZone: `z${pick(3)}`, destinationZone: `z${pick(3)}`, destination: `d${pick(14)}`,
    locality: pick(2) ? "cross_zone" : "same_zone", value: pick(1_000) + 1,
  }));
  const [{ boxes, bands }] = await call(visit, "graph", "lay", [[flows, { width: 900, height: 300, margin: 100 }]]);

  const total = flows.reduce((sum, flow) => sum + flow.value, 0);
  for (const column of [0, 1, 2, 3]) {
    const own = boxes.filter((box) => box.column === column);
    assert.equal(own.reduce((sum, box) => sum + box.value, 0), total);
    assert.ok(own.length <= 9, "what is small is one box");
    for (const box of own) {
      assert.ok(box.y >= -1e-6 && box.y + box.height <= 300 + 1e-6, "it is within the picture");
      const side = column < 3 ? "from" : "to";
      const filled = bands.filter((band) => band[side] === box.id).reduce((sum, band) => sum + band.value, 0);
      assert.equal(filled, box.value);
    }
  }
};

export const a_trend_has_no_time_before_history_and_none_that_has_only_begun = async (visit) => {
  const range = { from: "2026-11-01T00:00:00Z", to: "2026-11-01T01:01:00Z", resolution: "minute" };
  // 61 minutes, of which the last is by itself.
  const trend = Array.from({ length: 31 }, (_, index) => index);
  const at = (time) => Date.parse(`2026-11-01T${time}Z`);
  const written = await call(visit, "parts", "settled", [
    [trend, range, at("02:00:00")],
    [trend, range, at("01:00:30")],
    [trend, { ...range, history_since: "2026-11-01T00:50:00Z" }, at("02:00:00")],
    [trend, { ...range, history_since: "2026-11-01T00:51:00Z" }, at("01:00:50")],
    [trend, { ...range, history_since: "2026-11-01T00:59:00Z" }, at("01:00:30")],
  ]);

  assert.deepEqual(written.map((one) => [one.length, one[0], one.at(-1)]), [
    [31, 0, 30], [29, 0, 28], [6, 25, 30], [4, 26, 29], [0, undefined, undefined],
  ]);
};

export const what_pairs_by_name_leave_of_a_way_is_others_and_of_the_internet_is_the_internets = async (visit) => {
  const pod = (zone) => ({ kind: "workload", workload_kind: "Deployment", namespace: "shop", name: "web", zone });
  const pair = (source, destination, locality, bytes) => ({ key: { type: "pair", source, destination, locality }, bytes });
  const [a, b, internet] = [pod("a"), pod("b"), { kind: "internet" }];
  const answer = { count: 9, items: [pair(a, b, "cross_zone", 70), pair(a, a, "same_node", 50), pair(a, internet, "internet", 40)] };
  const cell = (source, destination, bytes) => ({ source, destination, bytes });
  const table = { cells: [cell("a", "b", 100), cell("a", "a", 60), cell("a", "internet", 45), cell("a", "", 3), cell("b", "a", 0)] };
  const [all, whole] = await call(visit, "ways", "waysOf", [[answer, table, "bytes"], [{ ...answer, count: 3 }, table, "bytes"]]);

  const none = [undefined, undefined];
  assert.deepEqual(all.items.slice(3).map((one) => [one.source, one.destination, one.locality, one.bytes, one.ends]), [
    ["a", "b", "others", 30, none], ["a", "a", "others", 10, none],
    ["a", "internet", "internet", 5, [undefined, internet]], ["a", "", "others", 3, none],
  ]);
  assert.deepEqual(whole.items.map((one) => one.bytes), [70, 50, 40]);
};

export const a_step_that_history_begins_or_ends_in_is_as_high_as_what_there_is_of_it = async (visit) => {
  const at = (time) => `2026-11-01T${time}Z`;
  const hours = ["00:00:00", "01:00:00", "02:00:00"].map(at);
  const points = [1_800, 3_600, 2_400].map((bytes) => ({ bytes }));
  const line = { key: { locality: "cross_zone" }, total: { bytes: 7_800 }, points };
  const range = { from: at("00:00:00"), to: at("03:00:00"), history_since: at("00:30:00") };
  const answer = { range, times: hours, step_seconds: 3_600, lines: [line] };
  const minutes = { ...answer, times: ["00:00:00", "00:01:00", "00:02:00"].map(at), step_seconds: 60,
    range: { ...range, to: at("00:03:00"), history_since: at("00:00:30") }, lines: [{ ...line, points: [30, 60, 60].map((bytes) => ({ bytes })) }] };

  // An answer may be 45 seconds behind.
  const [of_hours, of_minutes] = await call(visit, "timeline", "stacked", [
    [answer, "bytes", new Date(at("02:40:45")).getTime()], [minutes, "bytes", new Date(at("00:03:45")).getTime()],
  ]);

  assert.deepEqual(of_hours.columns[0].map(Math.round), [1, 1, 1, 1]);
  assert.deepEqual(of_minutes.times.length, 3);
  assert.deepEqual(of_minutes.columns[0].map(Math.round), [1, 1, 1]);
};
