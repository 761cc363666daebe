/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads the headers of a packet: who speaks to whom, by which protocol and ports, and where the
 * headers end.
 *
 * Headers are read straight from the linear part of the packet (bpf_rdonly_cast, no helper call);
 * what is not there is copied by bpf_dynptr_read.
 */
#ifndef KUBEZONNET_PACKET_BPF_H
#define KUBEZONNET_PACKET_BPF_H

#include "kernel.bpf.h"
#include "flow_abi.h"

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

/* include/net/ip.h: the flag, and the offset in units of 8 bytes */
#define IP_DF 0x4000
#define IP_OFFSET_MASK 0x1fff
/* include/net/ipv6.h: the offset in bytes */
#define IP6_OFFSET_MASK 0xfff8

/* More extension headers than any real packet has; what follows them is counted without ports. */
#define MAX_EXTENSION_HEADERS 8

extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym;
extern int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags,
			       struct bpf_dynptr *ptr) __ksym __weak;

/* Set before load. */
const volatile __u8 flow_detail = DETAIL_SERVICE;
const volatile __u16 ephemeral_first = 32768;
const volatile __u16 ephemeral_last = 60999;

struct packet {
	struct bpf_nf_ctx *ctx;
	struct sk_buff *skb;
	unsigned char *start; /* of the network header */
	__u32 length;	      /* from the network header to the end */
	__u32 linear;	      /* of it, what can be read straight */
	/*
	 * Length of what each fragment repeats: the IPv4 header, or the IPv6 header with the
	 * extension headers that stay before a fragment header.
	 */
	__u32 network;
	__u32 transport;    /* offset of the transport header */
	__u32 not_on_wire;  /* bytes the stack takes off again */
	__u32 piece;	    /* of several segments or fragments: the length of each but the last */
	bool has_transport; /* false for fragments whose transport header went with another */
	bool dont_fragment;
};

/*
 * For reading a pointer that is no part of the hot path. Of a pointer read through one that the
 * verifier trusts, it looks for what to make of it by name among all of the kernel's types, each
 * time it comes by: milliseconds. What is read through these stays untrusted, and costs nothing.
 */
static __always_inline const struct sk_buff *untrusted(const struct sk_buff *skb)
{
	return bpf_rdonly_cast(skb, bpf_core_type_id_kernel(struct sk_buff));
}

static __always_inline const struct nf_hook_state *state_of(const struct bpf_nf_ctx *ctx)
{
	return bpf_rdonly_cast(ctx->state, bpf_core_type_id_kernel(struct nf_hook_state));
}

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

/* By words: the compiler does not see that a key is aligned. */
static __always_inline void copy_address(__u8 *to, const __u64 *from)
{
	((__u64 *)to)[0] = from[0];
	((__u64 *)to)[1] = from[1];
}

static __always_inline bool read_ipv4(struct packet *packet, __u32 offset, struct flow_key *key)
{
	struct iphdr ip;
	__u32 length;

	if (!read_header(packet, offset, iphdr, &ip))
		return false;
	length = (ip.version_ihl & 0xf) * 4;
	if (ip.version_ihl >> 4 != 4 || length < sizeof(ip))
		return false;
	packet->transport = offset + length;
	packet->network = packet->transport;
	packet->has_transport = !(ip.frag_off & bpf_htons(IP_OFFSET_MASK));
	packet->dont_fragment = ip.frag_off & bpf_htons(IP_DF);
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
	bool before_fragment = true;
	__u8 protocol;

	for (int i = 0; i < MAX_EXTENSION_HEADERS; i++) {
		switch (key->protocol) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case IPPROTO_AH:
			if (!read_header(packet, packet->transport, ipv6_opt_hdr, &extension))
				goto cut_short;
			protocol = key->protocol;
			packet->transport += protocol == IPPROTO_AH ? (extension.hdrlen + 2) * 4
								    : (extension.hdrlen + 1) * 8;
			key->protocol = extension.nexthdr;
			/* As ip6_find_1stfragopt() has it. */
			if (protocol == IPPROTO_AH)
				before_fragment = false;
			if (before_fragment)
				packet->network = packet->transport;
			if (protocol == IPPROTO_ROUTING)
				before_fragment = false;
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

static __always_inline bool read_ipv6(struct packet *packet, __u32 offset, struct flow_key *key)
{
	struct ipv6hdr ip;

	if (!read_header(packet, offset, ipv6hdr, &ip))
		return false;
	if (ip.version_class >> 4 != 6)
		return false;
	packet->transport = offset + sizeof(ip);
	packet->network = packet->transport;
	packet->has_transport = true;
	key->protocol = ip.nexthdr;
	copy_address(key->src, ip.saddr);
	copy_address(key->dst, ip.daddr);
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
}

/* Leaves the client's port out if it is not to be kept, once nobody needs it any more. */
static __always_inline void settle_ports(struct flow_key *key)
{
	if (flow_detail != DETAIL_CONNECTION)
		key->client_port = 0;
	else if (key->ports)
		key->ports |= CLIENT_PORT_KEPT;
}

#endif
