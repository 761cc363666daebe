/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is attached: stubs that go on to the program in their slot, about 3 ns away.
 *
 * A netfilter link cannot replace its program, and a new link beside the old one would count twice
 * or leave a gap. So the links hold these stubs, and an upgrade replaces what is in the slots. An
 * empty slot lets the packet pass. Kernel: 6.4.
 */

/*
 * Key: enum hook_slot, value: a program. Filled by the agent before the stubs are attached. Shared
 * by all versions of the agent as long as it is pinned, so neither its size nor its slots ever
 * change.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, HOOK_SLOTS);
	__type(key, __u32);
	__type(value, __u32);
} programs SEC(".maps");

SEC("netfilter")
int stub_post_v4(struct bpf_nf_ctx *ctx)
{
	bpf_tail_call(ctx, &programs, SLOT_POSTROUTING_V4);
	return NF_ACCEPT;
}

SEC("netfilter")
int stub_post_v6(struct bpf_nf_ctx *ctx)
{
	bpf_tail_call(ctx, &programs, SLOT_POSTROUTING_V6);
	return NF_ACCEPT;
}

SEC("netfilter")
int stub_in_v4(struct bpf_nf_ctx *ctx)
{
	bpf_tail_call(ctx, &programs, SLOT_LOCAL_IN_V4);
	return NF_ACCEPT;
}

SEC("netfilter")
int stub_in_v6(struct bpf_nf_ctx *ctx)
{
	bpf_tail_call(ctx, &programs, SLOT_LOCAL_IN_V6);
	return NF_ACCEPT;
}
