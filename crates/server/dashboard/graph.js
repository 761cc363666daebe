// Where things lie in a picture of flows: sources, their zones, the zones they send to, destinations.
// Pure: pairs in, boxes and bands out.

/** Boxes in the first and the last column; what is beyond is one box. */
const MOST = 9;
/** Between boxes: as high as a line of text, so that each box has room for its name. */
const GAP = 16;
const THICK = 12;

/** Adds to a value of a map. */
const add = (map, key, value, rest) => {
  const entry = map.get(key) ?? { ...rest, value: 0 };
  entry.value += value;
  map.set(key, entry);
};

/** Names of the largest of one side; all others become `undefined`. */
const keep = (flows, side) => {
  const sums = new Map();
  for (const flow of flows) add(sums, flow[side], flow.value);
  const largest = [...sums].sort(([, a], [, b]) => b.value - a.value);
  const kept = largest.length > MOST ? largest.slice(0, MOST - 1) : largest;
  return new Set(kept.map(([name]) => name));
};

/**
 * `flows` have `source`, `sourceZone`, `destinationZone`, `destination`, `locality` and `value`. Answers
 * boxes with `column`, `name`, `value`, `x`, `y`, `height`, and bands between them with `path`.
 */
export const lay = (flows, { width, height, margin }) => {
  const [sources, destinations] = [keep(flows, "source"), keep(flows, "destination")];
  const boxes = new Map();
  const bands = new Map();
  for (const flow of flows) {
    const names = [
      sources.has(flow.source) ? flow.source : undefined, flow.sourceZone,
      flow.destinationZone, destinations.has(flow.destination) ? flow.destination : undefined,
    ];
    const ids = names.map((name, column) => JSON.stringify([column, name ?? null]));
    names.forEach((name, column) => add(boxes, ids[column], flow.value, { id: ids[column], column, name }));
    for (const column of [0, 1, 2]) {
      const [from, to, { locality }] = [ids[column], ids[column + 1], flow];
      add(bands, `${from} ${to} ${locality}`, flow.value, { from, to, locality });
    }
  }
  return place([...boxes.values()], [...bands.values()], { width, height, margin });
};

const place = (boxes, bands, { width, height, margin }) => {
  const columns = [0, 1, 2, 3].map((column) => boxes.filter((box) => box.column === column));
  const total = columns[0].reduce((sum, box) => sum + box.value, 0);
  const gaps = Math.max(...columns.map((column) => column.length - 1), 0) * GAP;
  const scale = total > 0 ? (height - gaps) / total : 0;
  const byId = new Map(boxes.map((box) => [box.id, box]));
  const zones = (a, b) => String(a.name ?? "").localeCompare(String(b.name ?? ""));
  columns[1].sort(zones);
  columns[2].sort(zones);
  const put = (column) => {
    let y = (height - column.reduce((sum, box) => sum + box.value * scale, 0) - GAP * (column.length - 1)) / 2;
    for (const box of column) {
      box.x = margin + (box.column * (width - 2 * margin - THICK)) / 3;
      box.y = y;
      box.height = box.value * scale;
      y += box.height + GAP;
    }
  };
  put(columns[1]);
  put(columns[2]);
  // Ends lie beside their zones, so that few bands cross.
  for (const [column, own, other] of [[columns[0], "from", "to"], [columns[3], "to", "from"]]) {
    const pull = (box) => bands.filter((band) => band[own] === box.id)
      .reduce((sum, band) => sum + (byId.get(band[other]).y * band.value) / box.value, 0);
    const pulls = new Map(column.map((box) => [box, pull(box)]));
    column.sort((a, b) => pulls.get(a) - pulls.get(b) || b.value - a.value);
    put(column);
  }
  return { boxes, bands: draw(bands, byId, scale), thick: THICK };
};

/** Bands side by side along each box, in the order of what is at their other ends. */
const draw = (bands, byId, scale) => {
  const filled = new Map();
  const slot = (side, band) => {
    const key = `${side}${band[side]}`;
    const at = filled.get(key) ?? byId.get(band[side]).y;
    filled.set(key, at + band.value * scale);
    return at;
  };
  for (const [side, other] of [["from", "to"], ["to", "from"]]) {
    const order = (a, b) => byId.get(a[other]).y - byId.get(b[other]).y || a.locality.localeCompare(b.locality);
    for (const band of [...bands].sort(order)) band[`${side}At`] = slot(side, band);
  }
  return bands.map((band) => {
    const [left, right, thick] = [byId.get(band.from).x + THICK, byId.get(band.to).x, band.value * scale];
    const middle = (left + right) / 2;
    const curve = (from, to, a, b) => `C${middle} ${a} ${middle} ${b} ${to} ${b}`;
    const [a, b] = [band.fromAt, band.toAt];
    const path = `M${left} ${a} ${curve(left, right, a, b)} V${b + thick} ${curve(right, left, b + thick, a + thick)} Z`;
    return { ...band, path, source: byId.get(band.from), destination: byId.get(band.to) };
  });
};
