// Names and explanations: the API's words as people read them.

/** Localities, the nearest first, as the API orders them. */
export const LOCALITIES = {
  same_node: "Same node",
  same_zone: "Same zone",
  cross_zone: "Cross zone",
  cross_region: "Cross region",
  internet: "Internet",
  unknown: "Unknown",
};

/** Localities, and what is of several of them together. */
export const BOUNDARIES = { ...LOCALITIES, others: "Others, each small" };

/** What leaves a zone, and so may cost something. */
export const CROSSING = ["cross_zone", "cross_region", "internet"];

const DOCS = "https://github.com/kubezonnet/kubezonnet/blob/main/docs";

/** Why bytes have no locality, what to do, and where that is written. */
export const UNKNOWN = {
  unlisted_address: ["Addresses nobody holds", "A private address that is no pod, node or Service. If it is a database or an office, name its network.", `${DOCS}/named-networks.md`],
  reused_in_window: ["Addresses that changed hands", "A pod ended and another got its address within ten seconds.", `${DOCS}/attribution.md`],
  missing_zone: ["Nodes without a zone", "Give them the label topology.kubernetes.io/zone.", `${DOCS}/attribution.md`],
  coarsened: ["Too many flows at once", "The kernel's maps were full: raise --max-flows of the agent.", `${DOCS}/reliability.md`],
  service_address: ["A Service's own address", "Its pods are in several zones, and which of them answered is not known.", `${DOCS}/attribution.md`],
};

/** Why bytes have no price, and what to do. */
export const UNPRICED = {
  unknown_place: ["Unknown place", "Where it went is not known, so nobody can say what it costs."],
  unlisted_rate: ["No price listed", "The price table has none between these regions: give one with --pricing."],
  internet_off: ["Internet is off", "Bytes to the internet are not charged here; --internet-cost switches that on."],
  no_prices: ["No prices at that time", "There were none then, or they were in another currency."],
};

/** Where prices are explained. */
export const PRICES = `${DOCS}/pricing.md`;

/** States of an agent: the word, and what it means. */
export const AGENTS = {
  reporting: ["Reporting", "in time"],
  late: ["Late", "its next window is overdue"],
  ended: ["Ended", "it has ended, and said so"],
  missing: ["Missing", "it broke off without a word"],
  none: ["None", "the node never had an agent that reported"],
  impossible: ["None can run there", "receivers count what it sends"],
};

const KINDS = {
  node: "Node", network: "Network", service: "Service", internet: "Internet", unknown: "Unknown", other: "Other",
};

/** One end: what kind it is, where it belongs, and its name. */
export const end = (one) => {
  if (one.kind === "internet") return { kind: "", group: "", name: "Internet" };
  if (one.kind === "other") return { kind: "", group: "", name: "Others, each small" };
  if (one.kind === "unknown") {
    return { kind: "", group: "", name: `Unknown: ${(UNKNOWN[one.name]?.[0] ?? one.name ?? "nobody").toLowerCase()}` };
  }
  const kind = one.workload_kind ?? KINDS[one.kind] ?? one.kind;
  return { kind, group: one.namespace ?? "", name: one.name ?? "" };
};

/** The value of the filter `workload` that means this end; none for what is no workload. */
export const filterOf = (one) =>
  one.kind === "workload" ? `${one.namespace}/${one.workload_kind}/${one.name}` : undefined;

/** A place as the matrix and lines have it. */
export const place = (name) => (name === "" ? "no zone" : name);

/** What an item of a list is called: `{ kind, group, name }`, or two of them for a pair. */
export const named = (key) => {
  switch (key.type) {
    case "pod": return { kind: "Pod", group: key.namespace, name: key.name };
    case "workload": case "network": return end(key);
    case "namespace": return { kind: "", group: "", name: key.name || "in no namespace" };
    case "team": return { kind: "", group: "", name: key.name || "of no team" };
    case "service": return key.service
      ? { kind: "Service", group: key.service.namespace, name: key.service.name }
      : { kind: "", group: "", name: "Reached by no Service" };
    case "zone": return { kind: "", group: "", name: place(key.name) };
    case "locality": return { kind: "", group: "", name: LOCALITIES[key.locality] ?? key.locality };
    case "zone_pair": return { kind: "", group: "", name: `${place(key.source)} → ${place(key.destination)}` };
    case "total": return { kind: "", group: "", name: "All" };
    default: return { kind: "", group: "", name: "The rest" };
  }
};

/** The filter that narrows a view to an item, as `[name, value]`; none where there is no such filter. */
export const narrowing = (key) => {
  switch (key.type) {
    case "pod": return ["namespace", key.namespace];
    case "workload": return filterOf(key) && ["workload", filterOf(key)];
    case "namespace": return key.name ? ["namespace", key.name] : undefined;
    case "team": return key.name ? ["team", key.name] : undefined;
    case "service": return key.service && ["service", `${key.service.namespace}/${key.service.name}`];
    case "network": return key.kind === "network" ? ["network", key.name] : undefined;
    case "zone": return key.name ? ["zone", key.name] : undefined;
    default: return undefined;
  }
};
