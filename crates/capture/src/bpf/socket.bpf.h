/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose socket a packet of the node's own network is of: the control group that the socket was made
 * in. Forwarded packets have none and do not come here.
 *
 * A packet that is sent has its socket with it, and one that is received has it where the stack has
 * looked for it early. Not every socket is a full one: between SYN and the last ACK of a handshake
 * there is a request, which leads to its listener; after the end there is one that only waits; and
 * what the kernel answers by itself (resets, the last ACK) has a socket that is the kernel's. For
 * these, and for what has none, the programs remember which group last sent from a local port, and
 * when. That is a guess where no socket is at hand: it is marked as one, and not made once nothing
 * was sent from there for LEARNT_FOR. The agent holds it against the kernel's table of sockets, and
 * looks up there what is not told at all (the first SYN to a listener, datagrams that were never
 * answered).
 */
#ifndef KUBEZONNET_SOCKET_BPF_H
#define KUBEZONNET_SOCKET_BPF_H

#include "maps.bpf.h"
#include "packet.bpf.h"

#define IPPROTO_ICMP 1
#define IPPROTO_ICMPV6 58

/* include/net/tcp_states.h */
#define TCP_TIME_WAIT 6
#define TCP_NEW_SYN_RECV 12

/* How long a port is believed to be who sent from it last, in units of moment(): 3 to 4 seconds. A
 * socket that waits for longer than that is found by the agent. */
#define LEARNT_FOR 3

/* Key: local_port, value: port_holder. Written by the programs, by any packet that is sent with a
 * full socket. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, LOCAL_PORTS);
	__type(key, struct local_port);
	__type(value, struct port_holder);
} local_ports SEC(".maps");

/* The node's end of the flow. */
static __always_inline void local_end(const struct flow_key *key, struct local_port *local)
{
	bool sent = key->hook == HOOK_POSTROUTING;
	bool serves = key->ports == (sent ? SIDE_SOURCE : SIDE_DESTINATION);

	copy_address(local->address, (const __u64 *)(sent ? key->src : key->dst));
	local->port = serves ? key->service_port : key->client_port;
	local->protocol = key->protocol;
}

/* A clock that goes on by one every 2^30 ns. */
static __always_inline __u32 moment(void)
{
	return bpf_ktime_get_ns() >> 30;
}

static __always_inline void learn(const struct local_port *local, __u32 cgroup)
{
	struct port_holder holder = { .cgroup = cgroup, .moment = moment() };
	struct port_holder *known = bpf_map_lookup_elem(&local_ports, local);

	if (known && known->cgroup == cgroup) {
		/* Seldom: CPUs share it. */
		if (known->moment != holder.moment)
			known->moment = holder.moment;
		return;
	}
	/* If there is no room at this moment, the next packet tries again. */
	bpf_map_update_elem(&local_ports, local, &holder, BPF_ANY);
}

/* By what was learnt of late, marked as that; else `otherwise`. */
static __always_inline __u32 learnt(const struct local_port *local, __u32 otherwise)
{
	const struct port_holder *known = bpf_map_lookup_elem(&local_ports, local);

	if (!known || moment() - known->moment > LEARNT_FOR)
		return otherwise;
	return known->cgroup & CGROUP_LEARNT ? known->cgroup : known->cgroup | CGROUP_LEARNT;
}

/* The same for a connection that has ended and whose socket only waits: it sent from there itself.
 */
static __always_inline __u32 left_by(const struct local_port *local, __u32 otherwise)
{
	const struct port_holder *known = bpf_map_lookup_elem(&local_ports, local);

	return known ? known->cgroup : otherwise;
}

/* A full socket's control group; all groups have a number that is not 0. */
static __always_inline __u32 cgroup_of(const struct sock *sk)
{
	__u32 cgroup = 0;

	/* Only where kernels keep it: CONFIG_SOCK_CGROUP_DATA. */
	if (bpf_core_field_exists(struct sock_cgroup_data, cgroup))
		cgroup = sk->sk_cgrp_data.cgroup->kn->id;
	return cgroup ?: CGROUP_UNREADABLE;
}

/* The control group of a packet that the node sends or receives; `outer` where it is the outer one
 * of a tunnel, and what is inside need not be the node's. */
static __noinline int socket_of(struct bpf_nf_ctx *ctx, const struct flow_key *key, bool outer)
{
	bool echo = key->protocol == IPPROTO_ICMP || key->protocol == IPPROTO_ICMPV6;
	__u32 otherwise = outer ? CGROUP_NONE : CGROUP_UNSEEN;
	const struct sock *sk = untrusted(ctx->skb)->sk;
	struct local_port local __attribute__((aligned(8))) = {};
	__u32 cgroup;

	/* Most of what comes by here without a socket is a pod's, on its way into a tunnel. */
	if (outer && !sk && key->hook == HOOK_POSTROUTING)
		return CGROUP_NONE;
	local_end(key, &local);
	if (sk && sk->__sk_common.skc_state == TCP_NEW_SYN_RECV)
		/* One of a union, whose type the verifier takes for another one's. */
		sk = bpf_rdonly_cast(sk->__sk_common.skc_listener,
				     bpf_core_type_id_kernel(struct sock));
	if (!sk)
		return echo ? CGROUP_KERNEL : (int)learnt(&local, otherwise);
	if (sk->__sk_common.skc_state == TCP_TIME_WAIT)
		return left_by(&local, otherwise);
	cgroup = cgroup_of(sk);
	if (BPF_CORE_READ_BITFIELD(sk, sk_kern_sock)) {
		if (!local.port)
			return CGROUP_KERNEL;
		/* A socket for answers of the kernel, which has no port: whose port it is. */
		if (sk->__sk_common.skc_num != local.port)
			return learnt(&local, CGROUP_KERNEL);
		/* In another group, the kernel has made it for somebody (MPTCP). */
		if (cgroup == CGROUP_ROOT)
			cgroup = CGROUP_KERNEL;
	}
	if (key->hook == HOOK_POSTROUTING && !echo)
		learn(&local, cgroup);
	return cgroup;
}

#endif
