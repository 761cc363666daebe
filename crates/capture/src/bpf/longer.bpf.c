/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The object of a layout that is newer than the agent's own, for tests only (cargo feature
 * "longer-layout"): the flow's key is longer, and flows that are one to an older agent are several.
 */
#define LONGER_LAYOUT

/* Only what follows packet.bpf.h calls it. */
#define read_ports read_ports_of_packet
#include "packet.bpf.h"
#undef read_ports

static __always_inline void read_ports(struct packet *packet, struct flow_key *key)
{
	read_ports_of_packet(packet, key);
	key->longer[0] = packet->length & 7;
}

#include "capture.bpf.c"
