/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For tests only: sizes packets that no traffic on the tests' kernel makes, such as those of SCTP
 * with segmentation offload. The packet is a crafted one, what the kernel would say of its segments
 * is set from outside.
 */
#include "account.bpf.h"

/* Written before a run: what skb_shared_info says. */
__u16 gso_size;
__u16 gso_segs;
__u32 gso_type;

/* Read after it. */
struct flow_counters counted;

/* Room for a struct skb_shared_info, whose fields are where this kernel has them. */
char shared_info[512] __attribute__((aligned(8)));

static __always_inline int size_segments(struct bpf_nf_ctx *ctx, bool ipv6)
{
	struct skb_shared_info *shared = (void *)shared_info;
	struct sk_buff *skb = ctx->skb;
	struct packet packet = {
		.ctx = ctx,
		.skb = skb,
		.start = skb->head + skb->network_header,
		.length = skb->len,
		.linear = skb->len - skb->data_len,
	};
	struct flow_counters size = { .bytes = packet.length, .packets = 1 };
	struct flow_key key = {};

	if (!(ipv6 ? read_ipv6(&packet, 0, &key) : read_ipv4(&packet, 0, &key)))
		return NF_ACCEPT;
	shared->gso_size = gso_size;
	shared->gso_segs = gso_segs;
	shared->gso_type = gso_type;
	add_segments(&packet, key.protocol, shared, &size, ipv6, false);
	counted = size;
	return NF_ACCEPT;
}

SEC("netfilter")
int size_segments_ipv4(struct bpf_nf_ctx *ctx)
{
	return size_segments(ctx, false);
}

SEC("netfilter")
int size_segments_ipv6(struct bpf_nf_ctx *ctx)
{
	return size_segments(ctx, true);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
