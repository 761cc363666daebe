/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a packet is on the wire: how many segments or fragments it becomes, and with how many bytes.
 *
 * A byte is an IP byte: IP header included, link layer left out. Segments (GSO) repeat network and
 * transport header, fragments the network header.
 */
#ifndef KUBEZONNET_WIRE_SIZE_BPF_H
#define KUBEZONNET_WIRE_SIZE_BPF_H

#include "packet.bpf.h"

/* include/linux/skbuff.h */
#define SKB_DST_NOREF_BIT 1UL
#define SKB_GSO_DODGY (1 << 1)	      /* gso_segs comes from outside */
#define SKB_GSO_TCP (1 << 0 | 1 << 4) /* TCP over IPv4, over IPv6 */
#define SKB_GSO_UDP (1 << 16)	      /* the pieces are fragments, from a tap or tun */
#define SKB_GSO_UDP_L4 (1 << 17)
#define GSO_BY_FRAGS 0xffff /* the size differs by segment (SCTP) */

#define IPSKB_FORWARDED 1	 /* include/net/ip.h */
#define DST_METRICS_PTR_MASK 3UL /* include/net/dst.h */
#define RTAX_MTU 2		 /* include/uapi/linux/rtnetlink.h */
#define IP_MAX_MTU 0xffff	 /* include/net/ip.h */
#define IPV6_MIN_MTU 1280	 /* include/uapi/linux/ipv6.h */

#define PMTUDISC_PROBE 3 /* include/uapi/linux/in.h, in6.h; so do those above: INTERFACE, OMIT */

/* include/net/tcp_states.h: TCP_TIME_WAIT, TCP_NEW_SYN_RECV */
#define NO_WHOLE_SOCKET (1 << 6 | 1 << 12)

/* The smallest packet that is looked at for whether it will be fragmented, unless it came so: a
 * path of a smaller MTU than this is none that IPv4 runs on (RFC 1122, 3.3.3, asks for 576). */
#define SMALLEST_FRAGMENTED 512

/* Of IPv6: RFC 8200, 4.5. */
#define FRAGMENT_HEADER 8

/* How many fragments of a list are looked at: a packet of 64 KiB has 45 at an MTU of 1500. */
#define MAX_LISTED_FRAGMENTS 64

/* As jiffies are compared in include/linux/jiffies.h. */
static __always_inline bool is_future(unsigned long jiffies)
{
	return (long)(bpf_jiffies64() - jiffies) < 0;
}

static __always_inline const struct rtable *route_of(const struct sk_buff *skb)
{
	return bpf_rdonly_cast((void *)(skb->_skb_refdst & ~SKB_DST_NOREF_BIT),
			       bpf_core_type_id_kernel(struct rtable));
}

/* dst_metric_raw(dst, RTAX_MTU) */
static __always_inline __u32 mtu_metric(const struct dst_entry *dst)
{
	const struct dst_metrics *metrics =
		bpf_rdonly_cast((void *)(dst->_metrics & ~DST_METRICS_PTR_MASK),
				bpf_core_type_id_kernel(struct dst_metrics));

	return metrics->metrics[RTAX_MTU - 1];
}

/* ip_dst_mtu_maybe_forward() */
static __always_inline __u32 mtu_ipv4(const struct sk_buff *skb, bool forwarded)
{
	const struct rtable *route = route_of(skb);
	const struct net_device *device = route->dst.dev;
	bool locked = BPF_CORE_READ_BITFIELD(route, rt_mtu_locked);
	__u32 mtu;

	if (!forwarded || locked || device->nd_net.net->ipv4.sysctl_ip_fwd_use_pmtu) {
		mtu = BPF_CORE_READ_BITFIELD(route, rt_pmtu);
		if (mtu && is_future(route->dst.expires))
			return mtu;
	}
	mtu = mtu_metric(&route->dst);
	if (mtu)
		return mtu;
	mtu = device->mtu;
	if (locked && route->rt_uses_gateway && mtu > 576)
		return 576;
	return mtu;
}

/* ip6_dst_mtu_maybe_forward() */
static __always_inline __u32 mtu_ipv6(const struct sk_buff *skb)
{
	const struct rtable *route = route_of(skb);
	__u32 mtu = mtu_metric(&route->dst);

	if (mtu)
		return mtu;
	mtu = route->dst.dev->ip6_ptr->cnf.mtu6;
	return mtu ? mtu : IPV6_MIN_MTU;
}

/* The socket, if it is a whole one: the others are shorter, and nothing is to be read behind them.
 * One that is not there reads as zeros. */
static __always_inline const struct inet_sock *whole(const struct sock *sk)
{
	if (!sk || 1 << (sk->__sk_common.skc_state & 31) & NO_WHOLE_SOCKET)
		return NULL;
	return bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct inet_sock));
}

/* ip_skb_dst_mtu(): some sockets of the node do not heed what the path says. */
static __always_inline __u32 mtu_for_sender_ipv4(const struct bpf_nf_ctx *ctx, bool forwarded)
{
	const struct inet_sock *sender = whole(state_of(ctx)->sk);

	if (sender && sender->pmtudisc >= PMTUDISC_PROBE)
		return route_of(ctx->skb)->dst.dev->mtu;
	return mtu_ipv4(ctx->skb, forwarded);
}

/* ip6_skb_dst_mtu(), and the size of fragments that the socket asks for (ip6_fragment()). */
static __always_inline __u32 mtu_for_sender_ipv6(const struct sk_buff *skb, __u32 *asked)
{
	const struct inet_sock *sender = whole(untrusted(skb)->sk);
	const struct ipv6_pinfo *info = sender ? sender->pinet6 : NULL;

	if (!info)
		return mtu_ipv6(skb);
	*asked = info->frag_size;
	if (BPF_CORE_READ_BITFIELD(info, pmtudisc) >= PMTUDISC_PROBE)
		return route_of(skb)->dst.dev->mtu;
	return mtu_ipv6(skb);
}

/* How many fragments carry `payload` bytes with room for `room` each; all but the last carry a
 * multiple of 8. */
static __always_inline __u32 fragments_of(__u32 payload, __u32 room)
{
	__u32 each = room & ~7U;

	if (payload <= room || !each)
		return 1;
	return 1 + (payload - room + each - 1) / each;
}

/*
 * A packet that was put together from fragments, or made as several by its sender, may have them
 * still listed. It goes out as they are if each fits (the fast path of ip_do_fragment() and
 * ip6_fragment()). Returns their number, or 0 if they do not serve, and above it the payload of the
 * first. `list` is the address of the second, `payload` the length of all.
 *
 * Global, so that the verifier looks at the loop once, and not for every way that leads here.
 */
__noinline __u64 listed_fragments(unsigned long list, __u32 payload, __u32 room)
{
	const struct sk_buff *fragment =
		bpf_rdonly_cast((void *)list, bpf_core_type_id_kernel(struct sk_buff));
	__u32 number = 1, misfits = 0, odd = 0;

	if (!list)
		return 0;
	/* Without branches on what is found: the verifier would follow each in every round. */
	for (int i = 0; i < MAX_LISTED_FRAGMENTS && fragment; i++) {
		__u32 length = fragment->len;

		fragment = fragment->next;
		payload -= length;
		misfits |= (room - length) >> 31;
		misfits |= odd & 7; /* only the last may have an odd length */
		odd = length;
		number++;
	}
	if (fragment || misfits || payload > room || payload & 7)
		return 0;
	return (__u64)payload << 32 | number;
}

/* The size above which a packet of IPv4 is fragmented, or 0 if one of that length is not. */
static __always_inline __u32 fragment_mtu_ipv4(const struct bpf_nf_ctx *ctx, __u32 length,
					       bool received, bool dont_fragment)
{
	const struct sk_buff *skb = ctx->skb;
	const struct inet_skb_parm *parm =
		bpf_rdonly_cast(skb->cb, bpf_core_type_id_kernel(struct inet_skb_parm));
	__u32 largest = parm->frag_max_size;
	__u32 mtu;

	if (!largest && dont_fragment && !BPF_CORE_READ_BITFIELD(skb, ignore_df))
		return 0;
	mtu = received ? largest : mtu_for_sender_ipv4(ctx, parm->flags & IPSKB_FORWARDED);
	if (largest && largest < mtu)
		mtu = largest;
	/* What was put together is taken apart, whatever its size. */
	return length > mtu || largest ? mtu : 0;
}

/* The same of IPv6. */
static __always_inline __u32 fragment_mtu_ipv6(const struct sk_buff *skb, __u32 length,
					       bool received)
{
	const struct inet6_skb_parm *parm =
		bpf_rdonly_cast(skb->cb, bpf_core_type_id_kernel(struct inet6_skb_parm));
	__u32 largest = parm->frag_max_size;
	__u32 mtu, asked = 0;

	if (!largest && length <= IPV6_MIN_MTU)
		return 0;
	mtu = received ? largest : mtu_for_sender_ipv6(skb, &asked);
	/* What is not larger than the largest fragment that came goes out as it is. */
	if (length <= (largest ? largest : mtu))
		return 0;
	if (largest && largest < mtu)
		mtu = largest < IPV6_MIN_MTU ? IPV6_MIN_MTU : largest;
	return asked && asked < mtu ? asked : mtu;
}

/* What fragment_mtu() is to know of a packet. */
#define IS_IPV6 1
#define IS_RECEIVED 2
#define HAS_DONT_FRAGMENT 4

/* The size above which a packet of that length is fragmented, or 0 if it is not. Global, as
 * listed_fragments() is. */
__noinline __u32 fragment_mtu(struct bpf_nf_ctx *ctx, __u32 length, __u32 what)
{
	__u32 mtu = what & IS_IPV6 ? fragment_mtu_ipv6(ctx->skb, length, what & IS_RECEIVED)
				   : fragment_mtu_ipv4(ctx, length, what & IS_RECEIVED,
						       what & HAS_DONT_FRAGMENT);

	return mtu > IP_MAX_MTU ? IP_MAX_MTU : mtu;
}

/* How many bytes of payload a fragment has room for, if a packet of that length is fragmented; else
 * 0. Each fragment has the network header, and over IPv6 8 bytes more. */
static __always_inline __u32 fragment_room(const struct packet *packet, __u32 length, bool ipv6,
					   bool received)
{
	__u32 headers = packet->network + (ipv6 ? FRAGMENT_HEADER : 0);
	__u32 mtu = fragment_mtu(packet->ctx, length,
				 (ipv6 ? IS_IPV6 : 0) | (received ? IS_RECEIVED : 0) |
					 (packet->dont_fragment ? HAS_DONT_FRAGMENT : 0));

	return mtu > headers ? mtu - headers : 0;
}

/* The bytes that so many fragments have more than the one packet they are of. */
static __always_inline __u64 fragments_overhead(const struct packet *packet, __u32 number,
						bool ipv6)
{
	if (number < 2)
		return 0;
	return (__u64)(number - 1) * packet->network + (ipv6 ? (__u64)number * FRAGMENT_HEADER : 0);
}

/*
 * Charges the headers of the fragments the packet becomes after this hook, or came as.
 *
 * Connection tracking puts fragments together before the hook and the stack takes the packet apart
 * again behind it: by the path's MTU, and into pieces no larger than the largest that came
 * (frag_max_size). What is received by the node itself comes to LOCAL_IN put together.
 */
static __always_inline void add_fragments(struct packet *packet, struct flow_counters *size,
					  bool ipv6, bool received)
{
	const struct skb_shared_info *shared =
		bpf_rdonly_cast(packet->skb->head + packet->skb->end,
				bpf_core_type_id_kernel(struct skb_shared_info));
	__u32 room = fragment_room(packet, packet->length, ipv6, received);
	__u32 payload = packet->length - packet->network;
	unsigned long list = 0;
	__u32 number;
	__u64 listed;

	if (!room)
		return;
	/* By a helper, for the address is to be a number like any other. */
	bpf_core_read(&list, sizeof(list), &shared->frag_list);
	listed = listed_fragments(list, payload, room);
	number = listed;
	packet->piece = listed >> 32;
	if (!number) {
		number = fragments_of(payload, room);
		packet->piece = room & ~7U;
	}
	packet->piece += packet->network + (ipv6 ? FRAGMENT_HEADER : 0);
	size->bytes += fragments_overhead(packet, number, ipv6);
	/* What was put together and goes out as one piece still has the fragment header. */
	if (ipv6 && number == 1)
		size->bytes += FRAGMENT_HEADER;
	size->packets = number;
}

/* The same where each segment of a GSO packet is larger than the path takes, as in an overlay whose
 * MTU is set too high: the stack cuts first, then fragments (ip_finish_output_gso()). */
static __noinline int add_fragments_of_segments(const struct packet *packet, __u32 header,
						__u32 segment, struct flow_counters *size,
						bool ipv6)
{
	__u32 segments = size->packets;
	__u32 room = fragment_room(packet, header + segment, ipv6, false);
	__u32 full, last;

	if (!room)
		return 0;
	last = packet->length - packet->not_on_wire - header - (segments - 1) * segment;
	full = fragments_of(header + segment - packet->network, room);
	last = fragments_of(header + last - packet->network, room);
	size->bytes += (segments - 1) * fragments_overhead(packet, full, ipv6) +
		       fragments_overhead(packet, last, ipv6);
	size->packets = (__u64)(segments - 1) * full + last;
	return 0;
}

/* The length of the transport header at `offset`, which every segment of a GSO packet carries. */
static __always_inline __u32 segment_header_length(struct packet *packet, __u32 offset,
						   __u8 protocol)
{
	struct tcphdr tcp;

	switch (protocol) {
	case IPPROTO_TCP:
		if (!read_header(packet, offset, tcphdr, &tcp))
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
 * The length of all headers that every segment carries. What a pod sends in a tunnel of its own is
 * not looked into, but it is cut by its inner headers.
 */
static __always_inline __u32 segment_headers(struct packet *packet, __u8 protocol, __u32 gso_type)
{
	struct sk_buff *skb = packet->skb;
	__u32 offset = packet->transport;

	if (BPF_CORE_READ_BITFIELD(skb, encapsulation) &&
	    skb->inner_transport_header > skb->network_header) {
		offset = skb->inner_transport_header - skb->network_header;
		if (gso_type & SKB_GSO_TCP)
			protocol = IPPROTO_TCP;
		else if (gso_type & SKB_GSO_UDP_L4)
			protocol = IPPROTO_UDP;
	}
	offset -= packet->not_on_wire;
	if (gso_type & SKB_GSO_UDP)
		return offset;
	return offset + segment_header_length(packet, offset + packet->not_on_wire, protocol);
}

/* Charges the headers of the segments a GSO packet becomes, as qdisc_pkt_len_init() reckons. */
static __always_inline void add_segments(struct packet *packet, __u8 protocol,
					 const struct skb_shared_info *shared,
					 struct flow_counters *size, bool ipv6, bool received)
{
	__u32 segment = shared->gso_size;
	__u32 segments = shared->gso_segs;
	__u32 header = segment_headers(packet, protocol, shared->gso_type);

	size->bytes -= packet->not_on_wire;
	if ((!segments || shared->gso_type & SKB_GSO_DODGY) && segment != GSO_BY_FRAGS &&
	    size->bytes > header)
		segments = (size->bytes - header + segment - 1) / segment;
	if (segments < 2)
		return;
	size->bytes += (__u64)(segments - 1) * header;
	size->packets = segments;
	packet->piece = header + segment;
	/* udp6_ufo_fragment() */
	if (ipv6 && shared->gso_type & SKB_GSO_UDP) {
		size->bytes += (__u64)segments * FRAGMENT_HEADER;
		packet->piece += FRAGMENT_HEADER;
	}
	if (!received && segment != GSO_BY_FRAGS && header + segment > SMALLEST_FRAGMENTED)
		add_fragments_of_segments(packet, header, segment, size, ipv6);
}

/* Whether the packet came in fragments, which may have been small ones. */
static __always_inline bool was_put_together(const struct sk_buff *skb, bool ipv6)
{
	const struct inet6_skb_parm *parm6;
	const struct inet_skb_parm *parm;

	if (ipv6) {
		parm6 = bpf_rdonly_cast(skb->cb, bpf_core_type_id_kernel(struct inet6_skb_parm));
		return parm6->frag_max_size;
	}
	parm = bpf_rdonly_cast(skb->cb, bpf_core_type_id_kernel(struct inet_skb_parm));
	return parm->frag_max_size;
}

/* What the packet is on the wire. */
static __always_inline void size_on_wire(struct packet *packet, __u8 protocol, bool ipv6,
					 bool received, struct flow_counters *size)
{
	struct sk_buff *skb = packet->skb;
	const struct skb_shared_info *shared = bpf_rdonly_cast(
		skb->head + skb->end, bpf_core_type_id_kernel(struct skb_shared_info));

	size->bytes = packet->length;
	size->packets = 1;
	if (shared->gso_size)
		add_segments(packet, protocol, shared, size, ipv6, received);
	else if (packet->length > SMALLEST_FRAGMENTED || was_put_together(skb, ipv6))
		add_fragments(packet, size, ipv6, received);
}

#endif
