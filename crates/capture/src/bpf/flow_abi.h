/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the programs and the agent share: the keys and values of the maps, and the codes in them.
 *
 * This is the only definition. The Rust side reads the same layout in abi.rs, where a test holds it
 * against the types generated from the compiled object. All integers are in host byte order,
 * addresses are in network byte order.
 */
#ifndef KUBEZONNET_FLOW_ABI_H
#define KUBEZONNET_FLOW_ABI_H

/* Where the packet was seen. */
enum flow_hook {
	HOOK_POSTROUTING = 0,
	HOOK_LOCAL_IN = 1,
	HOOKS = 2,
};

/* What an interface leads to. The agent tells; what it has not told yet is CLASS_OTHER. */
enum interface_class {
	CLASS_OTHER = 0,
	CLASS_POD = 1,
	CLASS_UPLINK = 2,
	CLASS_TUNNEL = 3,
	CLASS_HOST = 4, /* also: there is no interface, the packet begins or ends here */
	CLASS_LOOPBACK = 5,
	CLASSES = 6,
};

/* Which address the service port belongs to. */
enum port_side {
	SIDE_NONE = 0,
	SIDE_SOURCE = 1,
	SIDE_DESTINATION = 2,
	SIDE_MASK = 3,
};

/* Set in flow_key.ports beside the side: client_port is kept. */
#define CLIENT_PORT_KEPT 4

/* Why bytes are in a total, without addresses. */
enum total_kind {
	TOTAL_COARSENED = 0, /* flow map and pair map were full */
	TOTAL_LOOPBACK = 1,
	TOTAL_MULTICAST = 2,
	TOTAL_KINDS = 3,
};

/* Why packets were left out. */
enum skip_reason {
	SKIP_LOOPED = 0, /* seen a second time */
	SKIP_OUTSIDE_CIDR = 1,
	SKIP_MALFORMED = 2,
	SKIP_ENCAPSULATED = 3, /* on its way into or out of a tunnel */
	SKIP_REASONS = 4,
};

/* The detail of a flow's ports. */
enum flow_detail {
	DETAIL_SERVICE = 0,    /* the service's port only */
	DETAIL_CONNECTION = 1, /* both ports */
};

/*
 * Who has the socket of a flow, where that is no control group: numbers that the kernel gives to
 * none, for it counts them from 1 to 2^31 - 1.
 */
#define CGROUP_NONE 0		     /* what is forwarded: none of the sockets of this network */
#define CGROUP_ROOT 1		     /* of the hierarchy; the kernel's own sockets are in it, too */
#define CGROUP_UNREADABLE 0xfffffffd /* the kernel keeps no control group with its sockets */
#define CGROUP_UNSEEN 0xfffffffe     /* no socket, and none was seen that has its port */
#define CGROUP_KERNEL 0xffffffff

/* Set in the number of a group that last sent from the port of a packet without a socket: whether
 * it has the port still, the kernel's table of sockets tells. */
#define CGROUP_LEARNT 0x80000000

/*
 * 44 bytes, no padding. IPv4 addresses are IPv4-mapped (::ffff:a.b.c.d). Programs keep it where an
 * address is a multiple of 8, and read its first 40 bytes by words.
 *
 * Maps outlive the agent that made them, and an older one may have to read what a newer one left.
 * So a key only ever grows at its end, counters stay the last 16 bytes of their value, and whatever
 * changes here makes another LAYOUT.
 */
struct flow_key {
	__u8 src[16]; /* read and written by words, too */
	__u8 dst[16];
	__u16 service_port; /* 0 with SIDE_NONE */
	__u16 client_port;  /* 0 unless CLIENT_PORT_KEPT */
	__u8 protocol;
	__u8 ports;	 /* enum port_side, CLIENT_PORT_KEPT */
	__u8 hook;	 /* enum flow_hook */
	__u8 interfaces; /* input class << 4 | output class */
	/*
	 * Of the socket that sent (POSTROUTING) or receives (LOCAL_IN): the lower 32 bits of its
	 * control group's number, which no other group of the hierarchy has as long as this one is
	 * there (kernfs takes them from one idr), or one of the above.
	 */
	__u32 cgroup;
#ifdef LONGER_LAYOUT
	__u32 longer[2]; /* for tests: what an agent of this layout does not know */
#endif
} __attribute__((aligned(4)));

/* 40 bytes; the reserved ones are always 0. */
struct pair_key {
	__u8 src[16];
	__u8 dst[16];
	__u8 hook;
	__u8 interfaces;
	__u8 reserved[6];
};

/* Values of flows, pairs, totals and skipped. */
struct flow_counters {
	__u64 bytes;   /* IP bytes as on the wire */
	__u64 packets; /* segments as on the wire */
};

/* The totals of a generation are one flat array: kind, hook, input class, output class. */
#define TOTALS (TOTAL_KINDS * HOOKS * CLASSES * CLASSES)
#define TOTAL_INDEX(kind, hook, input, output) \
	((((kind) * HOOKS + (hook)) * CLASSES + (input)) * CLASSES + (output))

/* And so are the reasons: reason, hook. */
#define SKIPS (SKIP_REASONS * HOOKS)
#define SKIP_INDEX(reason, hook) ((reason) * HOOKS + (hook))

/*
 * The class of an interface is in slot ifindex % INTERFACE_SLOTS. A slot has room for two: on a
 * node that has made thousands of interfaces, a pod's new one meets an old one there (the uplink's,
 * lo's) sooner or later. A slot names its interfaces, so a third one reads CLASS_OTHER, no wrong
 * class.
 */
#define INTERFACE_SLOTS 8192

struct interface_slot {
	__u32 ifindex[2];
	__u32 class[2];
};

/*
 * A flow that is hot on one CPU, in front of the flow map: adding here takes no shared memory. One
 * cache line. Empty while bytes are 0. In every layout the key is first, and the holder the word
 * before the counters, which are last.
 */
struct hot_flow {
	struct flow_key key;
	__u32 holder; /* the generation that it belongs to * 2, + HOT_TAKEN */
	struct flow_counters counters;
};

/* In hot_flow.holder while a program works on it; see hot.bpf.h. */
#define HOT_TAKEN 1

/* A power of two; 4 KiB a CPU and generation. */
#define HOT_FLOWS 64

/* What is inside of the UDP datagrams to a port of a node. */
enum tunnel_kind {
	TUNNEL_NONE = 0,
	TUNNEL_VXLAN = 1,
	TUNNEL_GENEVE = 2,
	TUNNEL_WIREGUARD = 3,
	TUNNEL_KINDS = 4,
};

/* How many WireGuard devices a node may have; what one beyond them sends counts as the node's. */
#define WIREGUARD_DEVICES 64

/* The kinds of eight ports are in one 64-bit word, the lowest port's in the lowest byte. */
#define TUNNEL_WORDS 8192

/* A network given with --cidr; IPv4 networks are IPv4-mapped, 96 bits longer. */
struct network_key {
	__u32 prefix_length;
	__u8 address[16];
};

/* Whose a local port is, as was learnt from the sockets that sent from it. 20 bytes, no padding. */
struct local_port {
	__u8 address[16];
	__u16 port; /* 0 for protocols without */
	__u8 protocol;
	__u8 reserved;
};

struct port_holder {
	__u32 cgroup; /* as in flow_key, never CGROUP_NONE or CGROUP_UNSEEN */
	__u32 moment; /* when something was last sent from the port with a full socket */
};

/* How many ports are remembered; those that were not used for longest are forgotten. */
#define LOCAL_PORTS 16384

#define GENERATIONS 2

/* The slots of the program array; see stub.bpf.c. */
enum hook_slot {
	SLOT_POSTROUTING_V4 = 0,
	SLOT_POSTROUTING_V6 = 1,
	SLOT_LOCAL_IN_V4 = 2,
	SLOT_LOCAL_IN_V6 = 3,
	HOOK_SLOTS = 16, /* with room for hooks to come */
};

/* The number of this layout: keys, values, codes and sizes of the maps. 1 was never released, and
 * nobody reads it. */
#ifdef LONGER_LAYOUT
#define LAYOUT 3
#else
#define LAYOUT 2
#endif

/* What is being done with the generation that is not active. */
enum window_stage {
	STAGE_COLLECTING = 0, /* it is empty */
	STAGE_CLOSING = 1,    /* the switch is about to be made, or was made */
	STAGE_CLOSED = 2,     /* it holds a window, and `note` the rest of it */
	STAGE_SETTLED = 3,    /* the window is where it should be: it is to be emptied */
};

/* Room for what of a window is in no map: a batch without flows, whose addresses are 1,024 at most.
 */
#define NOTE_BYTES 32768

/*
 * Where the agent stands. Written as a whole before and after each step, so that one that is killed
 * between two of them, or its successor, knows what to do next. The programs do not read it.
 */
struct window_state {
	__u32 layout;	  /* LAYOUT */
	__u32 stage;	  /* enum window_stage */
	__u32 generation; /* the active one; in STAGE_CLOSING the one that is to be */
	__u32 note_length;
	__u64 sequence;		/* of the window in `stage`; in STAGE_COLLECTING of the open one */
	__u64 opened_ns;	/* CLOCK_MONOTONIC where that window begins */
	__u64 closed_ns;	/* and where it ends; 0 in STAGE_COLLECTING */
	__u64 namespace_cookie; /* of the network namespace that the hooks are in */
	__u8 epoch[16];
	__u8 server[16]; /* that acknowledged last; all 0 if none has, or it did not say who it is
			  */
	/* How many of each there are in this layout: the dimensions of totals and skipped. */
	__u16 total_kinds;
	__u16 hooks;
	__u16 classes;
	__u16 skip_reasons;
	__u8 reserved[168]; /* what comes later takes its room here */
	__u8 note[NOTE_BYTES];
};

#ifndef LONGER_LAYOUT
_Static_assert(sizeof(struct flow_key) == 44, "flow_key has padding");
_Static_assert(sizeof(struct hot_flow) == 64, "hot_flow is not a cache line");
#endif
_Static_assert(sizeof(struct local_port) == 20, "local_port has padding");
_Static_assert(sizeof(struct port_holder) == 8, "port_holder has padding");
_Static_assert(sizeof(struct window_state) == 256 + NOTE_BYTES, "window_state has padding");
_Static_assert(sizeof(struct pair_key) == 40, "pair_key has padding");
_Static_assert(sizeof(struct flow_counters) == 16, "flow_counters has padding");
_Static_assert(sizeof(struct network_key) == 20, "network_key has padding");

#endif
