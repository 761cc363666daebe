/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Overlays: a packet between pods of two nodes that travels inside of a packet between the nodes.
 *
 * Such a packet passes the hooks twice on each node, inside and outside. What the wire carries is
 * the outer one, so that is the one that counts, with all its bytes; whose it is, is told by the
 * inner one, so it is charged to the inner addresses. The inner pass is left out.
 *
 * The outer one is known by its own bytes. Whether the stack marks it (skb->encapsulation) depends
 * on the protocol and on the checksum offload of the tunnel device.
 */
#ifndef KUBEZONNET_TUNNEL_BPF_H
#define KUBEZONNET_TUNNEL_BPF_H

#include "packet.bpf.h"
#include "wire_size.bpf.h"

#define IPPROTO_IPIP 4
#define IPPROTO_IPV6 41
#define IPPROTO_GRE 47

/* include/uapi/linux/if_ether.h */
#define ETH_HLEN 14
#define ETH_P_IP 0x0800
#define ETH_P_8021Q 0x8100
#define ETH_P_TEB 0x6558
#define ETH_P_IPV6 0x86dd

#define VXLAN_HAS_VNI 0x0800	   /* RFC 7348, 5; in the first 16 bits */
#define GENEVE_OPTION_WORDS 0x3f00 /* RFC 8926, 3.4; likewise */
#define GRE_HAS_CHECKSUM 0x8000	   /* RFC 2784, 2.1; likewise */
#define GRE_HAS_KEY 0x2000	   /* RFC 2890, 2 */
#define GRE_HAS_SEQUENCE 0x1000

/* Key: port / 8, value: eight tunnel kinds. Written by the agent as tunnel devices change. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TUNNEL_WORDS);
	__type(key, __u32);
	__type(value, __u64);
} tunnel_ports SEC(".maps");

static __always_inline __u32 tunnel_of_port(__u16 port)
{
	__u32 word = port >> 3;
	__u64 *kinds = bpf_map_lookup_elem(&tunnel_ports, &word);

	return kinds ? (*kinds >> (port & 7) * 8) & 0xff : TUNNEL_NONE;
}

/* The first two 16-bit fields of any header; a udphdr is read for its eight bytes. */
static __always_inline bool read_pair(struct packet *packet, __u32 offset, __u16 *first,
				      __u16 *second)
{
	struct udphdr header;

	if (!read_header(packet, offset, udphdr, &header))
		return false;
	*first = bpf_ntohs(header.source);
	*second = bpf_ntohs(header.dest);
	return true;
}

/* Steps over an Ethernet header and one tag; returns what follows and moves the offset there. */
static __always_inline __u16 skip_ethernet(struct packet *packet, __u32 *offset)
{
	__u16 type, next;

	/* The type is at 12, four bytes from it on are in every packet that is long enough. */
	if (!read_pair(packet, *offset + ETH_HLEN - 2, &type, &next))
		return 0;
	*offset += ETH_HLEN;
	if (type != ETH_P_8021Q)
		return type;
	*offset += 4;
	return read_pair(packet, *offset - 2, &type, &next) ? type : 0;
}

/* What an outer packet holds, where it begins, and whether it is one at all. */
struct inner {
	bool exists;
	__u16 type; /* ETH_P_IP, ETH_P_IPV6, or anything that is not counted apart */
	__u32 offset;
};

static __always_inline void find_inner(struct packet *packet, __u8 protocol, struct inner *inner)
{
	__u16 flags, port;

	inner->offset = packet->transport;
	switch (protocol) {
	case IPPROTO_IPIP:
		inner->type = ETH_P_IP;
		break;
	case IPPROTO_IPV6:
		inner->type = ETH_P_IPV6;
		break;
	case IPPROTO_GRE:
		if (!read_pair(packet, inner->offset, &flags, &inner->type))
			return;
		inner->offset += 4 + (flags & GRE_HAS_CHECKSUM ? 4 : 0) +
				 (flags & GRE_HAS_KEY ? 4 : 0) + (flags & GRE_HAS_SEQUENCE ? 4 : 0);
		break;
	case IPPROTO_UDP:
		if (!read_pair(packet, inner->offset, &flags, &port))
			return;
		inner->offset += sizeof(struct udphdr);
		switch (tunnel_of_port(port)) {
		case TUNNEL_VXLAN:
			if (!read_pair(packet, inner->offset, &flags, &port) ||
			    !(flags & VXLAN_HAS_VNI))
				return;
			inner->type = ETH_P_TEB;
			inner->offset += 8;
			break;
		case TUNNEL_GENEVE:
			if (!read_pair(packet, inner->offset, &flags, &inner->type))
				return;
			inner->offset += 8 + (flags & GENEVE_OPTION_WORDS) / 0x100 * 4;
			break;
		default:
			return;
		}
		break;
	default:
		return;
	}
	inner->exists = true;
	if (inner->type == ETH_P_TEB)
		inner->type = skip_ethernet(packet, &inner->offset);
}

/*
 * If this is an outer packet: reads on inside of it, so that addresses, protocol and ports are the
 * inner ones and every segment's header is all that is before the inner payload. What cannot be
 * read inside stays charged to the outer addresses. What fragments repeat stays the outer header.
 */
static __noinline int read_inner(struct packet *packet, struct flow_key *key)
{
	struct packet outer_packet = *packet;
	struct flow_key outer_key __attribute__((aligned(8))) = *key;
	struct inner inner = {};
	bool done = false;

	find_inner(packet, key->protocol, &inner);
	if (!inner.exists)
		return false;
	if (inner.type == ETH_P_IP)
		done = read_ipv4(packet, inner.offset, key);
	else if (inner.type == ETH_P_IPV6)
		done = read_ipv6(packet, inner.offset, key);
	if (!done) {
		*packet = outer_packet;
		*key = outer_key;
		return true;
	}
	packet->network = outer_packet.network;
	packet->dont_fragment = outer_packet.dont_fragment;
	return true;
}

/* Whether the packet can be an outer one: received or sent by the node itself, and of a protocol or
 * to a port that tunnels use. What pods send in tunnels of their own stays theirs. */
static __always_inline bool may_be_outer(__u32 hook, __u32 input, struct packet *packet,
					 __u8 protocol)
{
	struct udphdr udp;

	/* What comes by a pod's link, or by lo, is no other node's. */
	if (hook == HOOK_LOCAL_IN
		    ? input == CLASS_POD || input == CLASS_TUNNEL || input == CLASS_LOOPBACK
		    : input != CLASS_HOST)
		return false;
	if (protocol == IPPROTO_TCP || !packet->has_transport)
		return false;
	if (protocol == IPPROTO_UDP)
		return read_header(packet, packet->transport, udphdr, &udp) &&
		       tunnel_of_port(bpf_ntohs(udp.dest));
	return protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6 || protocol == IPPROTO_GRE;
}

#endif
