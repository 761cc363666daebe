/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Netfilter LOCAL_IN: what the node's own sockets receive.
 *
 * Attached last of all, after filters (what they drop is not received), after IPVS and after
 * address translation. Kernel: 6.4.
 */

SEC("netfilter")
int local_in_v4(struct bpf_nf_ctx *ctx)
{
	return account(ctx, HOOK_LOCAL_IN, false);
}

SEC("netfilter")
int local_in_v6(struct bpf_nf_ctx *ctx)
{
	return account(ctx, HOOK_LOCAL_IN, true);
}
