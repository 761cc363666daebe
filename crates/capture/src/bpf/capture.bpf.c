/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The object that is loaded: all hooks over one set of maps.
 */
#include "account.bpf.h"

#include "postrouting.bpf.c"
#include "local_in.bpf.c"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
