/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One packet to one add: reads the headers, sizes the packet as the wire will carry it, and charges
 * it to a flow. Shared by all hooks; each calls account() with its own constants.
 *
 * A byte is an IP byte on the wire: IP header included, link layer left out. A GSO packet is
 * charged with the headers of every segment it becomes.
 *
 * Headers are read straight from the linear part of the packet (bpf_rdonly_cast, no helper call);
 * what is not there is copied by bpf_dynptr_read.
 */
#ifndef KUBEZONNET_ACCOUNT_BPF_H
#define KUBEZONNET_ACCOUNT_BPF_H

#include "hot.bpf.h"

#define NF_ACCEPT 1

#define IPPROTO_HOPOPTS 0
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_DCCP 33
#define IPPROTO_ROUTING 43
#define IPPROTO_FRAGMENT 44
#define IPPROTO_AH 51
#define IPPROTO_DSTOPTS 60
#define IPPROTO_SCTP 132
#define IPPROTO_UDPLITE 136

#define IP_OFFSET_MASK 0x1fff  /* include/net/ip.h: fragment offset, in units of 8 bytes */
#define IP6_OFFSET_MASK 0xfff8 /* include/net/ipv6.h: the same, in bytes */
#define RTCF_BROADCAST_OR_MULTICAST 0x30000000 /* include/uapi/linux/in_route.h */
#define SKB_DST_NOREF_BIT 1UL		       /* include/linux/skbuff.h */
#define SKB_GSO_DODGY (1 << 1) /* include/linux/skbuff.h: gso_segs comes from outside */
#define PACKET_LOOPBACK 5      /* include/uapi/linux/if_packet.h */
#define GSO_BY_FRAGS 0xffff    /* include/linux/skbuff.h: the size differs by segment (SCTP) */

/* More extension headers than any real packet has; what follows them is counted without ports. */
#define MAX_EXTENSION_HEADERS 8

extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym;
extern int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags,
			       struct bpf_dynptr *ptr) __ksym __weak;

/* Set before load. */
const volatile __u8 flow_detail = DETAIL_SERVICE;
const volatile __u8 limited_to_networks = 0;
const volatile __u16 ephemeral_first = 32768;
const volatile __u16 ephemeral_last = 60999;

struct packet {
	struct sk_buff *skb;
	unsigned char *start; /* of the network header */
	__u32 length;	      /* from the network header to the end */
	__u32 linear;	      /* of it, what can be read straight */
	__u32 transport;      /* offset of the transport header */
	__u32 not_on_wire;    /* bytes the driver takes off again */
	bool has_transport;   /* false for fragments whose transport header went with another */
};

/* Copies from anywhere in the packet. Out of line: packets seldom have headers in fragments. */
static __noinline int copy_from_packet(struct sk_buff *skb, __u32 offset, void *to, __u32 size)
{
	struct bpf_dynptr content;

	if (bpf_dynptr_from_skb((struct __sk_buff *)skb, 0, &content))
		return -1;
	return bpf_dynptr_read(to, size, &content, offset, 0);
}

/*
 * The fields that are used, each by a load of its own: the verifier allows no load that covers two
 * fields of a kernel type, which is what the compiler makes of a struct's assignment.
 */
static __always_inline void copy_iphdr(struct iphdr *to, const volatile struct iphdr *from)
{
	to->version_ihl = from->version_ihl;
	to->frag_off = from->frag_off;
	to->protocol = from->protocol;
	to->saddr = from->saddr;
	to->daddr = from->daddr;
}

static __always_inline void copy_ipv6hdr(struct ipv6hdr *to, const volatile struct ipv6hdr *from)
{
	to->version_class = from->version_class;
	to->payload_len = from->payload_len;
	to->nexthdr = from->nexthdr;
	to->saddr[0] = from->saddr[0];
	to->saddr[1] = from->saddr[1];
	to->daddr[0] = from->daddr[0];
	to->daddr[1] = from->daddr[1];
}

static __always_inline void copy_ipv6_opt_hdr(struct ipv6_opt_hdr *to,
					      const volatile struct ipv6_opt_hdr *from)
{
	to->nexthdr = from->nexthdr;
	to->hdrlen = from->hdrlen;
}

static __always_inline void copy_frag_hdr(struct frag_hdr *to, const volatile struct frag_hdr *from)
{
	to->nexthdr = from->nexthdr;
	to->frag_off = from->frag_off;
}

static __always_inline void copy_udphdr(struct udphdr *to, const volatile struct udphdr *from)
{
	to->source = from->source;
	to->dest = from->dest;
}

static __always_inline void copy_tcphdr(struct tcphdr *to, const volatile struct tcphdr *from)
{
	to->doff_reserved = from->doff_reserved;
}

/* Copies a header at `offset` into `to`. True if the packet holds it. */
#define read_header(packet, offset, type, to)                                                      \
	({                                                                                         \
		bool read_ = true;                                                                 \
		if ((offset) + sizeof(struct type) <= (packet)->linear)                            \
			copy_##type(to, bpf_rdonly_cast((packet)->start + (offset),                \
							bpf_core_type_id_kernel(struct type)));    \
		else                                                                               \
			read_ = !copy_from_packet((packet)->skb, offset, to, sizeof(struct type)); \
		read_;                                                                             \
	})

static __always_inline void map_ipv4(__u8 *to, __be32 address)
{
	*(__u64 *)to = 0;
	*(__u32 *)(to + 8) = bpf_htonl(0xffff);
	*(__u32 *)(to + 12) = address;
}

static __always_inline bool read_ipv4(struct packet *packet, struct flow_key *key)
{
	struct iphdr ip;

	if (!read_header(packet, 0, iphdr, &ip))
		return false;
	packet->transport = (ip.version_ihl & 0xf) * 4;
	if (ip.version_ihl >> 4 != 4 || packet->transport < sizeof(ip))
		return false;
	packet->has_transport = !(ip.frag_off & bpf_htons(IP_OFFSET_MASK));
	key->protocol = ip.protocol;
	map_ipv4(key->src, ip.saddr);
	map_ipv4(key->dst, ip.daddr);
	return true;
}

/*
 * Follows the extension headers. A chain that is cut short or longer than any real one leaves the
 * packet without transport header, under the protocol that comes next: it is counted all the same.
 */
static __noinline int skip_extensions(struct packet *packet, struct flow_key *key)
{
	struct ipv6_opt_hdr extension;
	struct frag_hdr fragment;

	for (int i = 0; i < MAX_EXTENSION_HEADERS; i++) {
		switch (key->protocol) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case IPPROTO_AH:
			if (!read_header(packet, packet->transport, ipv6_opt_hdr, &extension))
				goto cut_short;
			packet->transport += key->protocol == IPPROTO_AH
						     ? (extension.hdrlen + 2) * 4
						     : (extension.hdrlen + 1) * 8;
			key->protocol = extension.nexthdr;
			break;
		case IPPROTO_FRAGMENT:
			if (!read_header(packet, packet->transport, frag_hdr, &fragment))
				goto cut_short;
			packet->transport += sizeof(fragment);
			key->protocol = fragment.nexthdr;
			if (fragment.frag_off & bpf_htons(IP6_OFFSET_MASK))
				goto cut_short;
			break;
		default:
			return 0;
		}
	}
cut_short:
	packet->has_transport = false;
	return 0;
}

static __always_inline bool is_extension(__u8 protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
	       protocol == IPPROTO_FRAGMENT || protocol == IPPROTO_DSTOPTS ||
	       protocol == IPPROTO_AH;
}

static __always_inline bool read_ipv6(struct packet *packet, struct flow_key *key)
{
	struct ipv6hdr ip;

	if (!read_header(packet, 0, ipv6hdr, &ip))
		return false;
	if (ip.version_class >> 4 != 6)
		return false;
	packet->transport = sizeof(ip);
	packet->has_transport = true;
	key->protocol = ip.nexthdr;
	__builtin_memcpy(key->src, ip.saddr, sizeof(key->src));
	__builtin_memcpy(key->dst, ip.daddr, sizeof(key->dst));
	/*
	 * Above 65,535 bytes the stack itself puts a hop-by-hop header with the jumbo option there,
	 * and takes it off before the packet is cut into segments (ipv6_hopopt_jumbo_remove).
	 */
	if (ip.nexthdr == IPPROTO_HOPOPTS && !ip.payload_len)
		packet->not_on_wire = 8;
	if (is_extension(ip.nexthdr))
		skip_extensions(packet, key);
	return true;
}

/* Of two ports the one outside the ephemeral range is the service's; if both or neither are, the
 * lower one; if they are equal, the destination's. */
static __always_inline bool source_serves(__u16 src, __u16 dst)
{
	bool src_ephemeral = src >= ephemeral_first && src <= ephemeral_last;
	bool dst_ephemeral = dst >= ephemeral_first && dst <= ephemeral_last;

	if (src_ephemeral != dst_ephemeral)
		return dst_ephemeral;
	return src < dst;
}

static __always_inline bool has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_DCCP || protocol == IPPROTO_UDPLITE;
}

static __always_inline void read_ports(struct packet *packet, struct flow_key *key)
{
	struct udphdr ports;
	__u16 src, dst;

	if (!has_ports(key->protocol) || !packet->has_transport)
		return;
	if (!read_header(packet, packet->transport, udphdr, &ports))
		return;
	src = bpf_ntohs(ports.source);
	dst = bpf_ntohs(ports.dest);
	if (source_serves(src, dst)) {
		key->service_port = src;
		key->client_port = dst;
		key->ports = SIDE_SOURCE;
	} else {
		key->service_port = dst;
		key->client_port = src;
		key->ports = SIDE_DESTINATION;
	}
	if (flow_detail == DETAIL_CONNECTION)
		key->ports |= CLIENT_PORT_KEPT;
	else
		key->client_port = 0;
}

/* The length of the transport header that every segment of a GSO packet carries. */
static __always_inline __u32 segment_header_length(struct packet *packet, __u8 protocol)
{
	struct tcphdr tcp;

	switch (protocol) {
	case IPPROTO_TCP:
		if (!read_header(packet, packet->transport, tcphdr, &tcp))
			return sizeof(tcp);
		return (tcp.doff_reserved >> 4) * 4;
	case IPPROTO_UDP:
		return sizeof(struct udphdr);
	case IPPROTO_SCTP:
		return 12; /* RFC 9260, 3.1: the common header */
	default:
		return 0;
	}
}

/*
 * What the packet will be on the wire: each segment with its own network and transport header, as
 * the kernel reckons it in qdisc_pkt_len_init().
 */
static __always_inline void size_on_wire(struct packet *packet, __u8 protocol,
					 struct flow_counters *size)
{
	struct sk_buff *skb = packet->skb;
	const struct skb_shared_info *shared = bpf_rdonly_cast(
		skb->head + skb->end, bpf_core_type_id_kernel(struct skb_shared_info));
	__u32 segment = shared->gso_size;
	__u32 segments, header;

	size->bytes = packet->length;
	size->packets = 1;
	if (!segment)
		return;
	size->bytes -= packet->not_on_wire;
	header = packet->transport - packet->not_on_wire + segment_header_length(packet, protocol);
	segments = shared->gso_segs;
	if ((!segments || shared->gso_type & SKB_GSO_DODGY) && segment != GSO_BY_FRAGS &&
	    size->bytes > header)
		segments = (size->bytes - header + segment - 1) / segment;
	if (segments < 2)
		return;
	size->bytes += (__u64)(segments - 1) * header;
	size->packets = segments;
}

static __always_inline __u32 class_of(const struct net_device *device)
{
	__u32 ifindex = device->ifindex; /* 0 where there is no device: such a read faults to 0 */
	__u32 slot = ifindex % INTERFACE_SLOTS;
	const struct interface_slot *interface;

	if (!ifindex)
		return CLASS_HOST;
	interface = bpf_map_lookup_elem(&interfaces, &slot);
	return interface && interface->ifindex == ifindex ? interface->class : CLASS_OTHER;
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
	const struct rtable *route;

	if (ipv6)
		return key->dst[0] == 0xff;
	if (key->dst[12] >= 224 && (key->dst[12] < 240 || key->dst[15] == 255))
		return true;
	route = bpf_rdonly_cast((void *)(skb->_skb_refdst & ~SKB_DST_NOREF_BIT),
				bpf_core_type_id_kernel(struct rtable));
	return route->rt_flags & RTCF_BROADCAST_OR_MULTICAST;
}

/* The host's own copy of a multicast or broadcast that it sent (dev_loopback_xmit). */
static __always_inline bool is_own_copy(const struct sk_buff *skb, __u32 hook)
{
	return hook == HOOK_LOCAL_IN && BPF_CORE_READ_BITFIELD(skb, pkt_type) == PACKET_LOOPBACK;
}

static __always_inline int account(struct bpf_nf_ctx *ctx, const __u32 hook, const bool ipv6)
{
	__u32 input = class_of(ctx->state->in);
	__u32 output = class_of(ctx->state->out);
	struct sk_buff *skb = ctx->skb;
	struct packet packet = {
		.skb = skb,
		.start = skb->head + skb->network_header,
		.length = skb->len,
		.linear = skb->len - skb->data_len,
	};
	struct flow_counters size = { .bytes = packet.length, .packets = 1 };
	struct flow_key key = { .hook = hook, .interfaces = input << 4 | output };

	if (input >= CLASSES || output >= CLASSES)
		return NF_ACCEPT;
	if (!(ipv6 ? read_ipv6(&packet, &key) : read_ipv4(&packet, &key))) {
		add_skipped(active_generation(), SKIP_MALFORMED, hook, &size);
		return NF_ACCEPT;
	}
	size_on_wire(&packet, key.protocol, &size);
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
		if (is_own_copy(skb, hook)) {
			add_skipped(active_generation(), SKIP_LOOPED, hook, &size);
			return NF_ACCEPT;
		}
		add_total(active_generation(), TOTAL_MULTICAST, &key, &size);
		return NF_ACCEPT;
	}
	read_ports(&packet, &key);
	add_flow(&key, &size);
	return NF_ACCEPT;
}

#endif
