//! Paths that packets take besides the plain one, each shown to be really taken: by what the
//! uplinks carried, by what the kernel says of its fragments, or by what tunnels and links count.

mod big_tcp;
mod bridge;
mod fragments;
mod hosts;
mod multicast;
mod node_port;
mod overlay;
mod wire;
