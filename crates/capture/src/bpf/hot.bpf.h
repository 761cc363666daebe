/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A small cache of hot flows, one a CPU, in front of the flow map.
 *
 * The map is what costs: a lookup among tens of thousands of entries misses the CPU's caches, and
 * an add is an atomic on a line that other CPUs want too. Here a hit compares a key and adds
 * plainly. A miss moves what was there to the map and takes the place over.
 *
 * A place belongs to one CPU, but not to one program run: local output happens in process context,
 * and a softirq can interrupt it and come to the same place. So whoever works on a place takes it
 * first; who finds it taken goes to the map instead of waiting. Taking is atomic, for on a
 * preemptible kernel two tasks can be between the look and the mark.
 */
#ifndef KUBEZONNET_HOT_BPF_H
#define KUBEZONNET_HOT_BPF_H

#include "maps.bpf.h"

/*
 * Gives a place back. On x86 stores are seen in their order. Elsewhere the place is given back by
 * an atomic exchange, which orders: kernels before 6.17 let a program in process context move to
 * another CPU, and then somebody on the first one must not see the place free and its counts old.
 */
static __always_inline void give_back(struct hot_flow *hot, __u32 holder)
{
#if defined(__TARGET_ARCH_x86)
	barrier();
	hot->holder = holder;
#else
	__sync_lock_test_and_set(&hot->holder, holder);
#endif
}

static __always_inline __u32 hot_place(const struct flow_key *key)
{
	const __u64 *words = (const __u64 *)key;
	/* Fibonacci hashing of each word that differs; the constants are odd and of no pattern. */
	__u64 hash = (words[0] ^ words[1]) * 0x9e3779b97f4a7c15;

	hash ^= (words[2] ^ words[3]) * 0xc2b2ae3d27d4eb4f;
	hash += (words[4] ^ (__u64)key->cgroup << 16) * 0x165667b19e3779f9;
	_Static_assert(HOT_FLOWS == 1 << 6, "a place is the six highest bits of the hash");
	return hash >> 58;
}

static __always_inline bool same_key(const struct flow_key *one, const struct flow_key *other)
{
	const __u64 *a = (const __u64 *)one, *b = (const __u64 *)other;

#ifdef LONGER_LAYOUT
	if (one->longer[0] != other->longer[0])
		return false;
#endif
	return a[3] == b[3] && a[4] == b[4] && one->cgroup == other->cgroup && a[1] == b[1] &&
	       a[2] == b[2] && a[0] == b[0];
}

/* Takes the place over for another flow and moves what was there to the map. */
static __noinline int replace_hot(struct hot_flow *hot, const struct flow_key *key,
				  const struct flow_counters *what, __u32 holder)
{
	struct flow_key old_key __attribute__((aligned(8))) = hot->key;
	struct flow_counters old = hot->counters;

	hot->key = *(const struct flow_key *)__builtin_assume_aligned(key, 8);
	hot->counters = *what;
	give_back(hot, holder);
	if (old.bytes)
		add_to_map(&old_key, &old, holder / 2);
	return 0;
}

static __always_inline void add_flow(const struct flow_key *key, const struct flow_counters *what)
{
	struct hot_flow *hot = hot_flow_at(hot_place(key));
	__u32 holder;

	if (!hot)
		return;
	/* The generation stays what it is, so what it looks like free is known. */
	holder = hot->holder & ~HOT_TAKEN;
	if (__sync_val_compare_and_swap(&hot->holder, holder, holder | HOT_TAKEN) != holder) {
		add_to_map(key, what, holder / 2);
		return;
	}
	if (same_key(&hot->key, key)) {
		hot->counters.bytes += what->bytes;
		hot->counters.packets += what->packets;
		give_back(hot, holder);
		return;
	}
	replace_hot(hot, key, what, holder);
}

#endif
