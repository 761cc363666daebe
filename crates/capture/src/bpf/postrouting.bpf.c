/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Netfilter POSTROUTING: everything the node sends and forwards, to other nodes and to its own
 * pods.
 *
 * Attached before source translation (priority below 100), so that pods still have their own
 * address, and after destination translation, so that a service is already one of its pods.
 * Kernel: 6.4.
 */

SEC("netfilter")
int postrouting_v4(struct bpf_nf_ctx *ctx)
{
	return account(ctx, HOOK_POSTROUTING, false);
}

SEC("netfilter")
int postrouting_v6(struct bpf_nf_ctx *ctx)
{
	return account(ctx, HOOK_POSTROUTING, true);
}
