/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's types that the programs read, cut to the fields they read. Offsets are relocated at
 * load time against the running kernel's BTF (preserve_access_index), so order and size here do
 * not matter.
 */
#ifndef KUBEZONNET_KERNEL_BPF_H
#define KUBEZONNET_KERNEL_BPF_H

#include <stdbool.h>
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* include/net/netns/ipv4.h */
struct netns_ipv4 {
	__u8 sysctl_ip_fwd_use_pmtu;
};

/* include/net/net_namespace.h */
struct net {
	struct netns_ipv4 ipv4;
};

typedef struct {
	struct net *net;
} possible_net_t;

/* include/linux/ipv6.h */
struct ipv6_devconf {
	__s32 mtu6;
};

/* include/net/if_inet6.h */
struct inet6_dev {
	struct ipv6_devconf cnf;
};

/* include/linux/netdevice.h */
struct net_device {
	int ifindex;
	unsigned int mtu;
	struct inet6_dev *ip6_ptr;
	possible_net_t nd_net;
};

/* include/linux/skbuff.h */
enum skb_ext_id {
	SKB_EXT_SEC_PATH = 1,
};

struct skb_ext {
	__u8 offset[1]; /* of each extension, in units of 8 bytes */
};

/* include/net/xfrm.h */
struct xfrm_offload {
	__u32 flags;
};

struct sec_path {
	int olen;
	struct xfrm_offload ovec[1];
};

/* include/linux/skbuff.h */
struct sk_buff {
	struct sk_buff *next;
	struct sock *sk;
	unsigned int len;
	unsigned int data_len;
	unsigned long _skb_refdst;
	int skb_iif;
	__u8 pkt_type : 3;
	__u8 ignore_df : 1;
	__u8 encapsulation : 1;
	__u8 active_extensions;
	__u16 inner_transport_header;
	char cb[48];
	__u16 network_header;
	unsigned int end;
	unsigned char *head;
	unsigned char *data;
	struct skb_ext *extensions;
};

/* include/linux/skbuff.h */
struct skb_shared_info {
	unsigned short gso_size;
	unsigned short gso_segs;
	unsigned int gso_type;
	struct sk_buff *frag_list;
};

/* include/linux/kernfs.h */
struct kernfs_node {
	__u64 id;
};

/* include/linux/cgroup-defs.h */
struct cgroup {
	struct kernfs_node *kn;
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

/* include/net/sock.h */
struct sock_common {
	__u16 skc_num; /* the local port; of a raw socket the protocol */
	volatile unsigned char skc_state;
	struct sock *skc_listener; /* of a request socket */
};

struct sock {
	struct sock_common __sk_common;
	__u8 sk_kern_sock : 1;
	struct sock_cgroup_data sk_cgrp_data;
};

/* include/linux/ipv6.h */
struct ipv6_pinfo {
	__u8 pmtudisc;
	__u32 frag_size;
};

/* include/net/inet_sock.h */
struct inet_sock {
	struct ipv6_pinfo *pinet6;
	__u8 pmtudisc;
};

/* include/linux/netfilter.h */
struct nf_hook_state {
	struct net_device *in;
	struct net_device *out;
	struct sock *sk;
};

/* include/net/netfilter/nf_bpf_link.h */
struct bpf_nf_ctx {
	const struct nf_hook_state *state;
	struct sk_buff *skb;
};

/* include/net/dst.h */
struct dst_metrics {
	__u32 metrics[17];
};

/* include/net/dst.h */
struct dst_entry {
	struct net_device *dev;
	unsigned long _metrics;
	unsigned long expires;
	struct xfrm_state *xfrm;
};

/* include/net/route.h */
struct rtable {
	struct dst_entry dst;
	unsigned int rt_flags;
	__u8 rt_uses_gateway;
	__u32 rt_mtu_locked : 1;
	__u32 rt_pmtu : 31;
};

/* include/net/ip.h: what IPv4 keeps in sk_buff.cb */
struct inet_skb_parm {
	__u16 flags;
	__u16 frag_max_size;
};

/* include/linux/ipv6.h: what IPv6 keeps in sk_buff.cb */
struct inet6_skb_parm {
	__u16 flags;
	__u16 frag_max_size;
};

#pragma clang attribute pop

/*
 * Headers as they are in a packet. Their layout is the protocol's, so nothing is relocated; the
 * names are the kernel's, by which bpf_rdonly_cast knows how far a read may go.
 */

/* RFC 791, 3.1 */
struct iphdr {
	__u8 version_ihl; /* version << 4 | header length in 32-bit words */
	__u8 tos;
	__be16 tot_len;
	__be16 id;
	__be16 frag_off;
	__u8 ttl;
	__u8 protocol;
	__be16 check;
	__be32 saddr;
	__be32 daddr;
};

/* RFC 8200, 3 */
struct ipv6hdr {
	__u8 version_class; /* version << 4 | high bits of the traffic class */
	__u8 class_flow[3];
	__be16 payload_len;
	__u8 nexthdr;
	__u8 hop_limit;
	__u64 saddr[2];
	__u64 daddr[2];
};

/* RFC 8200, 4.2 */
struct ipv6_opt_hdr {
	__u8 nexthdr;
	__u8 hdrlen; /* in 8 bytes beyond the first 8; AH: in 4 bytes beyond the first 8 */
};

/* RFC 8200, 4.5 */
struct frag_hdr {
	__u8 nexthdr;
	__u8 reserved;
	__be16 frag_off;
	__be32 identification;
};

/* RFC 768, and the first four bytes of TCP, SCTP, DCCP and UDP-Lite */
struct udphdr {
	__be16 source;
	__be16 dest;
	__be16 len;
	__be16 check;
};

/* RFC 9293, 3.1 */
struct tcphdr {
	__be16 source;
	__be16 dest;
	__be32 seq;
	__be32 ack_seq;
	__u8 doff_reserved; /* header length in 32-bit words << 4 */
	__u8 flags;
	__be16 window;
	__be16 check;
	__be16 urg_ptr;
};

#endif
