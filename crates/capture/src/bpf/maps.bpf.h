/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps, and adding to them.
 *
 * Everything that is counted exists twice, once a generation. The outer map `active` alone says
 * which generation the programs add to; user space replaces its one entry, and the kernel's update
 * of a map of maps returns only when no program that saw the old entry still runs. So the other
 * generation is at rest and can be read and emptied without losing an add.
 *
 * A flow goes to `flows`; when that is full, to `pairs` without protocol and ports; when that is
 * full too, to a total of its hook and interface classes, which always has room.
 */
#ifndef KUBEZONNET_MAPS_BPF_H
#define KUBEZONNET_MAPS_BPF_H

#include "kernel.bpf.h"
#include "flow_abi.h"

#define BPF_ANY 0
#define BPF_NOEXIST 1
#define EEXIST 17

/*
 * Key: flow_key, value: flow_counters. Size: --max-flows, preallocated, so that adding takes no
 * memory on the packet's path. Emptied by the agent once a window is acknowledged. Values are
 * shared by all CPUs and added to atomically: a flow seldom changes its CPU, and per-CPU values of
 * 65,536 flows would take 134 MB on 128 CPUs.
 */
#define FLOWS(name)                                  \
	struct {                                     \
		__uint(type, BPF_MAP_TYPE_HASH);     \
		__uint(max_entries, 65536);          \
		__type(key, struct flow_key);        \
		__type(value, struct flow_counters); \
	} name SEC(".maps")

FLOWS(flows_0);
FLOWS(flows_1);

/* Key: pair_key, value: flow_counters. Size: an eighth of --max-flows; otherwise as flows. */
#define PAIRS(name)                                  \
	struct {                                     \
		__uint(type, BPF_MAP_TYPE_HASH);     \
		__uint(max_entries, 8192);           \
		__type(key, struct pair_key);        \
		__type(value, struct flow_counters); \
	} name SEC(".maps")

PAIRS(pairs_0);
PAIRS(pairs_1);

/* Key: generation * TOTALS + TOTAL_INDEX, value: flow_counters. Zeroed by the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GENERATIONS *TOTALS);
	__type(key, __u32);
	__type(value, struct flow_counters);
} totals SEC(".maps");

/* Key: generation * SKIPS + SKIP_INDEX, value: flow_counters. Zeroed by the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GENERATIONS *SKIPS);
	__type(key, __u32);
	__type(value, struct flow_counters);
} skipped SEC(".maps");

/*
 * The hot flows of a generation. Key: a hash of the flow's key, value: hot_flow, one a CPU. What is
 * in here when the generation is read belongs to it like what is in flows. Emptied by the agent
 * with flows; the number of its generation stays in every place.
 */
struct hot_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HOT_FLOWS);
	__type(key, __u32);
	__type(value, struct hot_flow);
} hot_0 SEC(".maps"), hot_1 SEC(".maps");

/* Key: 0, value: hot_0 or hot_1. Replaced by the agent to switch. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct hot_map);
} active SEC(".maps") = {
	.values = { &hot_0 },
};

/* Key: ifindex % INTERFACE_SLOTS, value: interface_slot. Written by the agent as links change. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, INTERFACE_SLOTS);
	__type(key, __u32);
	__type(value, struct interface_slot);
} interfaces SEC(".maps");

/* Key: network_key, value: 1. The networks of --cidr; filled by the agent before attaching. Room
 * for twice as many as it takes, as new ones come before old ones go. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 2048);
	__uint(map_flags, 1 /* BPF_F_NO_PREALLOC */);
	__type(key, struct network_key);
	__type(value, __u8);
} networks SEC(".maps");

static __always_inline void add(struct flow_counters *to, const struct flow_counters *what)
{
	/* Two CPUs can hit one entry, and a softirq can interrupt local output on one CPU. */
	__sync_fetch_and_add(&to->bytes, what->bytes);
	__sync_fetch_and_add(&to->packets, what->packets);
}

/* A place among the active generation's hot flows; NULL if there is none, which the agent never
 * leaves so. */
static __always_inline struct hot_flow *hot_flow_at(__u32 place)
{
	__u32 zero = 0;
	void *hot = bpf_map_lookup_elem(&active, &zero);

	return hot ? bpf_map_lookup_elem(hot, &place) : NULL;
}

/* The generation to add to, GENERATIONS if there is none. */
static __always_inline __u32 active_generation(void)
{
	struct hot_flow *any = hot_flow_at(0);

	return any ? any->holder / 2 : GENERATIONS;
}

static __always_inline void add_total(__u32 generation, __u32 kind, const struct flow_key *key,
				      const struct flow_counters *what)
{
	__u32 index = generation * TOTALS +
		      TOTAL_INDEX(kind, key->hook, key->interfaces >> 4, key->interfaces & 0xf);
	struct flow_counters *total;

	if (generation >= GENERATIONS)
		return;
	total = bpf_map_lookup_elem(&totals, &index);
	if (total)
		add(total, what);
}

static __always_inline void add_skipped(__u32 generation, __u32 reason, __u32 hook,
					const struct flow_counters *what)
{
	__u32 index = generation * SKIPS + SKIP_INDEX(reason, hook);
	struct flow_counters *skip;

	if (generation >= GENERATIONS)
		return;
	skip = bpf_map_lookup_elem(&skipped, &index);
	if (skip)
		add(skip, what);
}

/*
 * Adds under a key that was not in the map a moment ago. False if there is no room for it.
 * Another CPU may insert the same key in between: then the entry is there to be added to.
 */
static __always_inline bool insert(void *map, const void *key, const struct flow_counters *what)
{
	struct flow_counters *value;
	long error = bpf_map_update_elem(map, key, what, BPF_NOEXIST);

	if (!error)
		return true;
	if (error != -EEXIST)
		return false;
	value = bpf_map_lookup_elem(map, key);
	if (!value)
		return false;
	add(value, what);
	return true;
}

static __always_inline bool add_pair(void *pairs, const struct flow_key *key,
				     const struct flow_counters *what)
{
	struct pair_key pair = { .hook = key->hook, .interfaces = key->interfaces };
	struct flow_counters *value;

	__builtin_memcpy(pair.src, key->src, sizeof(pair.src));
	__builtin_memcpy(pair.dst, key->dst, sizeof(pair.dst));
	value = bpf_map_lookup_elem(pairs, &pair);
	if (value) {
		add(value, what);
		return true;
	}
	return insert(pairs, &pair, what);
}

/* Adds to the maps of one generation. */
static __always_inline int add_to_maps(void *flows, void *pairs, __u32 generation,
				       const struct flow_key *key, const struct flow_counters *what)
{
	struct flow_counters *value = bpf_map_lookup_elem(flows, key);

	if (value) {
		add(value, what);
		return 0;
	}
	if (!insert(flows, key, what) && !add_pair(pairs, key, what))
		add_total(generation, TOTAL_COARSENED, key, what);
	return 0;
}

/* A function for each generation, so that each lookup is of one map and the kernel puts it inline.
 * Out of line: hot flows do not come here. */
static __noinline int add_to_maps_0(const struct flow_key *key, const struct flow_counters *what)
{
	return add_to_maps(&flows_0, &pairs_0, 0, key, what);
}

static __noinline int add_to_maps_1(const struct flow_key *key, const struct flow_counters *what)
{
	return add_to_maps(&flows_1, &pairs_1, 1, key, what);
}

static __always_inline void add_to_map(const struct flow_key *key, const struct flow_counters *what,
				       __u32 generation)
{
	if (generation)
		add_to_maps_1(key, what);
	else
		add_to_maps_0(key, what);
}

#endif
