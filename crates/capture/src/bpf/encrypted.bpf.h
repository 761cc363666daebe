/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tunnels that encrypt: from outside nobody sees whose packet is in a datagram.
 *
 * What goes through a WireGuard device counts there, for the addresses inside, with what WireGuard
 * puts around each segment and fragment on its wire; the datagrams that hold it are left out. What
 * WireGuard says by itself (handshakes, keepalives) counts as the node's.
 *
 * IPsec without a device counts outside, as ESP between the nodes, and is left out inside.
 */
#ifndef KUBEZONNET_ENCRYPTED_BPF_H
#define KUBEZONNET_ENCRYPTED_BPF_H

#include "tunnel.bpf.h"

/* drivers/net/wireguard/messages.h: struct message_data is type, receiver and counter, then what is
 * encrypted, padded, with its tag. The type is a little-endian word; here as two big-endian ones.
 */
#define WIREGUARD_DATA 0x0400
#define WIREGUARD_HEADER 16
#define WIREGUARD_TAG 16
#define WIREGUARD_PADDING 16

/* What every datagram has around it at the least: an IPv4 header and that of UDP. */
#define DATAGRAM_HEADERS (sizeof(struct iphdr) + sizeof(struct udphdr))

/* include/net/xfrm.h */
#define XFRM_GRO 32

/* Key: interface index, value: 1. The WireGuard devices whose ports are in tunnel_ports. Written by
 * the agent with them; room for twice as many, as new ones come before old ones go. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * WIREGUARD_DEVICES);
	__type(key, __u32);
	__type(value, __u32);
} wireguard_devices SEC(".maps");

static __always_inline bool is_wireguard(__u32 ifindex)
{
	return bpf_map_lookup_elem(&wireguard_devices, &ifindex);
}

/* calculate_skb_padding() of drivers/net/wireguard/send.c */
static __always_inline __u32 wireguard_padding(__u32 length, __u32 mtu)
{
	__u32 padded;

	if (mtu && length > mtu)
		length %= mtu;
	padded = (length + WIREGUARD_PADDING - 1) & ~(WIREGUARD_PADDING - 1U);
	if (mtu && padded > mtu)
		padded = mtu;
	return padded - length;
}

/* Charges what WireGuard puts around each segment or fragment, over IPv4. Over IPv6 the datagrams
 * have 20 bytes more, which stay with the nodes (leave_out_encrypted()). */
static __always_inline void add_wireguard(const struct packet *packet, struct flow_counters *size,
					  __u32 mtu)
{
	__u64 but_last = size->packets - 1;
	__u32 last = size->bytes - but_last * packet->piece;

	size->bytes += size->packets * (DATAGRAM_HEADERS + WIREGUARD_HEADER + WIREGUARD_TAG) +
		       but_last * wireguard_padding(packet->piece, mtu) +
		       wireguard_padding(last, mtu);
}

/*
 * A packet on its way into a tunnel, or out of one. False if it is left out, because the tunnel's
 * outer packet counts. Through WireGuard it counts here, as one that uses the uplink; and so does
 * what comes out of any tunnel and leaves by the uplink as it is.
 */
static __noinline int counts_inside(struct bpf_nf_ctx *ctx, const struct packet *packet,
				    struct flow_key *key, struct flow_counters *size, bool ipv6)
{
	__u32 input = key->interfaces >> 4, output = key->interfaces & 0xf;
	/* A device that is not there has the index 0, which is none of WireGuard's. */
	bool from = input == CLASS_TUNNEL && is_wireguard(state_of(ctx)->in->ifindex);
	const struct sk_buff *skb = ctx->skb;

	if (output == CLASS_TUNNEL) {
		if (!is_wireguard(state_of(ctx)->out->ifindex))
			return false;
		add_wireguard(packet, size, ipv6 ? mtu_ipv6(skb) : mtu_ipv4(skb, false));
		output = CLASS_UPLINK;
	} else if (output == CLASS_UPLINK) {
		/* It leaves as it is, and as such it counts. */
	} else if (from) {
		/* The sender has padded it by the MTU of its end. */
		add_wireguard(packet, size, state_of(ctx)->in->mtu);
	} else {
		return false;
	}
	if (from)
		input = CLASS_UPLINK;
	key->interfaces = input << 4 | output;
	return true;
}

/* Whether the packet is a datagram that the node's own WireGuard has sent, or is to get. */
static __always_inline bool may_be_wireguards(__u32 hook, __u32 input, struct packet *packet,
					      __u8 protocol)
{
	struct udphdr udp;

	if (protocol != IPPROTO_UDP || !packet->has_transport)
		return false;
	if (hook == HOOK_POSTROUTING && input != CLASS_HOST)
		return false;
	if (!read_header(packet, packet->transport, udphdr, &udp))
		return false;
	return tunnel_of_port(bpf_ntohs(hook == HOOK_LOCAL_IN ? udp.dest : udp.source)) ==
	       TUNNEL_WIREGUARD;
}

/*
 * Of a datagram with a packet in it that was counted inside: takes off `size` what was charged
 * there, and returns that as left out. What remains is the node's: nothing over IPv4, unless the
 * datagram is fragmented; 20 bytes over IPv6.
 */
static __noinline int leave_out_encrypted(struct packet *packet, struct flow_counters *size,
					  struct flow_counters *left_out)
{
	__u32 payload = packet->transport + sizeof(struct udphdr);
	__u16 type, reserved;

	if (packet->length <= payload + WIREGUARD_HEADER + WIREGUARD_TAG)
		return false;
	if (!read_pair(packet, payload, &type, &reserved) || type != WIREGUARD_DATA || reserved)
		return false;
	left_out->bytes = packet->length - payload + DATAGRAM_HEADERS;
	left_out->packets = 1;
	size->bytes -= left_out->bytes;
	size->packets -= left_out->packets;
	return true;
}

/* Whether IPsec without a device takes the packet next: it comes here again as ESP, which counts.
 * What goes into a tunnel that is encrypted so comes by here as the tunnel's outer packet first. */
static __always_inline bool is_to_be_encrypted(const struct sk_buff *skb, __u32 hook)
{
	return hook == HOOK_POSTROUTING && bpf_core_field_exists(struct dst_entry, xfrm) &&
	       route_of(skb)->dst.xfrm;
}

/*
 * Whether IPsec without a device has decrypted the packet, and it came by at LOCAL_IN as ESP, which
 * counted. Where the receiving device has put several together (XFRM_GRO) they are decrypted before
 * any hook, and only this pass there is. What leaves again counts as it leaves.
 */
static __always_inline bool was_encrypted(const struct sk_buff *skb, __u32 input, __u32 output)
{
	const struct skb_ext *extensions;
	const struct sec_path *path;
	__u32 id;

	if (input == CLASS_HOST || output == CLASS_UPLINK ||
	    !bpf_core_enum_value_exists(enum skb_ext_id, SKB_EXT_SEC_PATH))
		return false;
	id = bpf_core_enum_value(enum skb_ext_id, SKB_EXT_SEC_PATH);
	if (!(skb->active_extensions >> id & 1))
		return false;
	extensions = untrusted(skb)->extensions;
	path = bpf_rdonly_cast((void *)extensions + extensions->offset[id] * 8,
			       bpf_core_type_id_kernel(struct sec_path));
	return !path->olen || !(path->ovec[0].flags & XFRM_GRO);
}

#endif
