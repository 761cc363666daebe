/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the programs are measured against, for benches only (cargo feature "yardstick").
 *
 * - empty: what it costs to be called at all, which every figure is told net of.
 * - yardstick: counting done the plain way: headers by dynptr, one hash of 65,536 that all CPUs
 *   share, keyed by both addresses, both ports and the protocol, atomic adds, and no thought of
 *   segments, fragments, tunnels or windows.
 * - scattered: a packet that is forwarded; every run another flow, without changing the packet: the
 * service's port (the yardstick: the destination's) is one of `flows`, each in its turn. For each
 * of the above.
 *
 * `scattered` runs the very account() of the product, but for the port, over maps of its own.
 */

/* Crafted packets pass for forwarded ones. */
#define INPUT_OF_CRAFTED CLASS_POD

/* Only what follows packet.bpf.h calls it. */
#define read_ports read_ports_of_packet
#include "packet.bpf.h"
#undef read_ports

/* How many flows there are; a power of two. Written by the bench while the programs are loaded. */
__u32 flows = 1;
/* How many runs there were: one CPU runs the bench. */
__u32 turn = 0;

/* A port that was not seen for `flows` turns, and is none of the last one's neighbours. */
static __always_inline __u16 next_port(void)
{
	turn += 40503; /* odd, so that every port has its turn; 2^16 divided by the golden ratio */
	return turn & (flows - 1);
}

static __always_inline void read_ports(struct packet *packet, struct flow_key *key)
{
	read_ports_of_packet(packet, key);
	key->service_port = next_port();
}

#include "account.bpf.h"

extern void *bpf_dynptr_slice(const struct bpf_dynptr *content, __u32 offset, void *buffer,
			      __u32 buffer__szk) __ksym;

/* 16 bytes. */
struct plain_key_ipv4 {
	__be32 src;
	__be32 dst;
	__be16 src_port;
	__be16 dst_port;
	__u8 protocol;
	__u8 reserved[3];
};

/* 40 bytes. */
struct plain_key_ipv6 {
	__u64 src[2];
	__u64 dst[2];
	__be16 src_port;
	__be16 dst_port;
	__u8 protocol;
	__u8 reserved[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct plain_key_ipv4);
	__type(value, struct flow_counters);
} plain_flows_ipv4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct plain_key_ipv6);
	__type(value, struct flow_counters);
} plain_flows_ipv6 SEC(".maps");

static __always_inline void add_plainly(void *map, const void *key, __u64 bytes)
{
	struct flow_counters first = { .bytes = bytes, .packets = 1 };
	struct flow_counters *value = bpf_map_lookup_elem(map, key);

	if (!value) {
		bpf_map_update_elem(map, key, &first, BPF_NOEXIST);
		return;
	}
	__sync_fetch_and_add(&value->bytes, bytes);
	__sync_fetch_and_add(&value->packets, 1);
}

static __always_inline int plainly_ipv4(struct bpf_nf_ctx *ctx, const bool scattered)
{
	struct plain_key_ipv4 key = {};
	struct bpf_dynptr content;
	const struct iphdr *ip;
	const struct udphdr *ports;
	struct iphdr ip_copy;
	struct udphdr ports_copy;
	__u32 length;

	if (bpf_dynptr_from_skb((struct __sk_buff *)ctx->skb, 0, &content))
		return NF_ACCEPT;
	ip = bpf_dynptr_slice(&content, 0, &ip_copy, sizeof(ip_copy));
	if (!ip)
		return NF_ACCEPT;
	key.src = ip->saddr;
	key.dst = ip->daddr;
	key.protocol = ip->protocol;
	length = bpf_ntohs(ip->tot_len);
	if (key.protocol == IPPROTO_TCP || key.protocol == IPPROTO_UDP) {
		ports = bpf_dynptr_slice(&content, (ip->version_ihl & 0xf) * 4, &ports_copy,
					 sizeof(ports_copy));
		if (!ports)
			return NF_ACCEPT;
		key.src_port = ports->source;
		key.dst_port = ports->dest;
	}
	if (scattered)
		key.dst_port = next_port();
	add_plainly(&plain_flows_ipv4, &key, length);
	return NF_ACCEPT;
}

static __always_inline int plainly_ipv6(struct bpf_nf_ctx *ctx, const bool scattered)
{
	struct plain_key_ipv6 key = {};
	struct bpf_dynptr content;
	const struct ipv6hdr *ip;
	const struct udphdr *ports;
	struct ipv6hdr ip_copy;
	struct udphdr ports_copy;
	__u32 length;

	if (bpf_dynptr_from_skb((struct __sk_buff *)ctx->skb, 0, &content))
		return NF_ACCEPT;
	ip = bpf_dynptr_slice(&content, 0, &ip_copy, sizeof(ip_copy));
	if (!ip)
		return NF_ACCEPT;
	key.src[0] = ip->saddr[0];
	key.src[1] = ip->saddr[1];
	key.dst[0] = ip->daddr[0];
	key.dst[1] = ip->daddr[1];
	key.protocol = ip->nexthdr;
	length = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	if (key.protocol == IPPROTO_TCP || key.protocol == IPPROTO_UDP) {
		ports = bpf_dynptr_slice(&content, sizeof(*ip), &ports_copy, sizeof(ports_copy));
		if (!ports)
			return NF_ACCEPT;
		key.src_port = ports->source;
		key.dst_port = ports->dest;
	}
	if (scattered)
		key.dst_port = next_port();
	add_plainly(&plain_flows_ipv6, &key, length);
	return NF_ACCEPT;
}

SEC("netfilter")
int empty(struct bpf_nf_ctx *ctx __attribute__((unused)))
{
	return NF_ACCEPT;
}

SEC("netfilter")
int yardstick_ipv4(struct bpf_nf_ctx *ctx)
{
	return plainly_ipv4(ctx, false);
}

SEC("netfilter")
int yardstick_ipv6(struct bpf_nf_ctx *ctx)
{
	return plainly_ipv6(ctx, false);
}

/* Moves on to the next port and does nothing with it. */
SEC("netfilter")
int scattered_empty(struct bpf_nf_ctx *ctx __attribute__((unused)))
{
	return next_port() == flows ? 0 : NF_ACCEPT; /* a port is always below */
}

SEC("netfilter")
int scattered_yardstick_ipv4(struct bpf_nf_ctx *ctx)
{
	return plainly_ipv4(ctx, true);
}

SEC("netfilter")
int scattered_yardstick_ipv6(struct bpf_nf_ctx *ctx)
{
	return plainly_ipv6(ctx, true);
}

SEC("netfilter")
int scattered_ipv4(struct bpf_nf_ctx *ctx)
{
	return account(ctx, HOOK_POSTROUTING, false);
}

SEC("netfilter")
int scattered_ipv6(struct bpf_nf_ctx *ctx)
{
	return account(ctx, HOOK_POSTROUTING, true);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
