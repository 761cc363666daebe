/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The object that is loaded: all hooks over one set of maps, and the stubs in front of them.
 */
#include "account.bpf.h"

#include "postrouting.bpf.c"
#include "local_in.bpf.c"
#include "stub.bpf.c"

/* Key: 0, value: window_state. Written and read by agents only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct window_state);
} state SEC(".maps");

char LICENSE[] SEC("license") = "Dual BSD/GPL";
