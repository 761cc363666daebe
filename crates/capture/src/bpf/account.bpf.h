/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One packet to one add: reads the headers, sizes the packet as it is on the wire, and charges it
 * to a flow. Shared by all hooks; each calls account() with its own constants.
 */
#ifndef KUBEZONNET_ACCOUNT_BPF_H
#define KUBEZONNET_ACCOUNT_BPF_H

#include "encrypted.bpf.h"
#include "hot.bpf.h"
#include "packet.bpf.h"
#include "socket.bpf.h"
#include "tunnel.bpf.h"
#include "wire_size.bpf.h"

#define NF_ACCEPT 1

#define RTCF_BROADCAST_OR_MULTICAST 0x30000000 /* include/uapi/linux/in_route.h */
#define PACKET_LOOPBACK 5		       /* include/uapi/linux/if_packet.h */

/* Set before load. */
const volatile __u8 limited_to_networks = 0;

static __always_inline __u32 class_of(__u32 ifindex)
{
	__u32 slot = ifindex % INTERFACE_SLOTS;
	const struct interface_slot *interface;

	if (!ifindex)
		return CLASS_HOST;
	interface = bpf_map_lookup_elem(&interfaces, &slot);
	if (!interface)
		return CLASS_OTHER;
	if (interface->ifindex[0] == ifindex)
		return interface->class[0];
	return interface->ifindex[1] == ifindex ? interface->class[1] : CLASS_OTHER;
}

/*
 * Where the packet came in. What the node itself has made never came in, though the stack gives
 * some of it (neighbour discovery, what leaves a tunnel's device) the device it goes out by; and
 * what a bridge passes on did, though the hook is told of no device.
 */
static __always_inline __u32 input_class(struct bpf_nf_ctx *ctx, __u32 hook)
{
	/* A device that is not there has the index 0: such a read faults to 0. */
	__u32 ifindex = ctx->state->in->ifindex;

#ifdef INPUT_OF_CRAFTED /* for benches: a crafted packet came in by no device */
	if (!ctx->skb->skb_iif)
		return INPUT_OF_CRAFTED;
#endif

	if (hook == HOOK_POSTROUTING && (!ifindex || !ctx->skb->skb_iif))
		ifindex = ctx->skb->skb_iif;
	return class_of(ifindex);
}

static __always_inline bool in_networks(const __u8 *address)
{
	struct network_key key = { .prefix_length = 128 };

	__builtin_memcpy(key.address, address, sizeof(key.address));
	return bpf_map_lookup_elem(&networks, &key);
}

/* Multicast by address; broadcast, which depends on the subnet, by the route the packet took. */
static __always_inline bool is_multicast(const struct sk_buff *skb, const struct flow_key *key,
					 bool ipv6)
{
	if (ipv6)
		return key->dst[0] == 0xff;
	/* 224.0.0.0/4, and 255.255.255.255. */
	if ((key->dst[12] & 0xf0) == 224 || *(__u32 *)&key->dst[12] == 0xffffffff)
		return true;
	return route_of(skb)->rt_flags & RTCF_BROADCAST_OR_MULTICAST;
}

/*
 * The copy of a multicast or broadcast that the host makes for its own listeners. It passes
 * POSTROUTING before the packet itself (ip_mc_output(), ip6_finish_output2()), as a clone: the hook
 * is told of the socket, and the clone has none. It comes back to LOCAL_IN by dev_loopback_xmit().
 */
static __always_inline bool is_own_copy(struct bpf_nf_ctx *ctx, __u32 hook)
{
	if (hook == HOOK_LOCAL_IN)
		return BPF_CORE_READ_BITFIELD(ctx->skb, pkt_type) == PACKET_LOOPBACK;
	return state_of(ctx)->sk && !untrusted(ctx->skb)->sk;
}

static __always_inline int account(struct bpf_nf_ctx *ctx, const __u32 hook, const bool ipv6)
{
	__u32 input = input_class(ctx, hook);
	__u32 output = class_of(ctx->state->out->ifindex);
	struct sk_buff *skb = ctx->skb;
	struct packet packet = {
		.ctx = ctx,
		.skb = skb,
		.start = skb->head + skb->network_header,
		.length = skb->len,
		.linear = skb->len - skb->data_len,
	};
	struct flow_counters size = { .bytes = packet.length, .packets = 1 };
	struct flow_key key
		__attribute__((aligned(8))) = { .hook = hook, .interfaces = input << 4 | output };
	struct flow_counters left_out = {};
	bool outer;

	if (input >= CLASSES || output >= CLASSES)
		return NF_ACCEPT;
	if (!(ipv6 ? read_ipv6(&packet, 0, &key) : read_ipv4(&packet, 0, &key))) {
		add_skipped(active_generation(), SKIP_MALFORMED, hook, &size);
		return NF_ACCEPT;
	}
	outer = may_be_outer(hook, input, &packet, key.protocol) && read_inner(&packet, &key);
	size_on_wire(&packet, key.protocol, ipv6, hook == HOOK_LOCAL_IN, &size);
	if (is_to_be_encrypted(skb, hook) || was_encrypted(skb, input, output) ||
	    ((input == CLASS_TUNNEL || output == CLASS_TUNNEL) &&
	     !counts_inside(ctx, &packet, &key, &size, ipv6))) {
		add_skipped(active_generation(), SKIP_ENCAPSULATED, hook, &size);
		return NF_ACCEPT;
	}
	if (!outer && may_be_wireguards(hook, input, &packet, key.protocol) &&
	    leave_out_encrypted(&packet, &size, &left_out)) {
		add_skipped(active_generation(), SKIP_ENCAPSULATED, hook, &left_out);
		if (!size.bytes)
			return NF_ACCEPT;
	}
	if (hook == HOOK_LOCAL_IN && input == CLASS_LOOPBACK) {
		add_skipped(active_generation(), SKIP_LOOPED, hook, &size);
		return NF_ACCEPT;
	}
	if (limited_to_networks && !in_networks(key.src) && !in_networks(key.dst)) {
		add_skipped(active_generation(), SKIP_OUTSIDE_CIDR, hook, &size);
		return NF_ACCEPT;
	}
	if (output == CLASS_LOOPBACK) {
		add_total(active_generation(), TOTAL_LOOPBACK, &key, &size);
		return NF_ACCEPT;
	}
	if (is_multicast(skb, &key, ipv6)) {
		if (is_own_copy(ctx, hook)) {
			add_skipped(active_generation(), SKIP_LOOPED, hook, &size);
			return NF_ACCEPT;
		}
		add_total(active_generation(), TOTAL_MULTICAST, &key, &size);
		return NF_ACCEPT;
	}
	read_ports(&packet, &key);
	if (hook == HOOK_LOCAL_IN || input == CLASS_HOST)
		key.cgroup = socket_of(ctx, &key, outer);
	settle_ports(&key);
	add_flow(&key, &size);
	return NF_ACCEPT;
}

#endif
