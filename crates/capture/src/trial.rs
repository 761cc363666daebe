//! Runs the programs on crafted packets, without a hook and without traffic.

#![expect(
    unsafe_code,
    reason = "libbpf-rs does not ask one program for what the verifier did"
)]

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use kubezonnet_model::{Family, Hook, InterfaceClass};
use libbpf_rs::{MapHandle, ProgramInput};

use crate::capture::fill_slots;
use crate::hook::{HOOKS, HookPoint};
use crate::load::{Loaded, Opened, PROGRAMS};
use crate::set::Set;
use crate::told::Told;
use crate::{CaptureError, Config, Drained};

/// `sizeof(struct nf_hook_state)` on a 64-bit machine: two bytes, padding, five pointers.
const HOOK_STATE_BYTES: usize = 48;

/// Loaded programs that are attached nowhere (`BPF_PROG_TEST_RUN`).
///
/// To the programs a packet run through [`Self::run`] seems to leave by interface 1 (the kernel gives
/// the loopback interface for every hook here); what class that has is told to [`Self::load`].
pub struct Trial {
    loaded: Loaded,
    set: Set,
    /// Only held: without a holder the kernel empties its slots.
    _programs: MapHandle,
}

impl Trial {
    /// Loads the programs, with the class that interface 1 is to have.
    ///
    /// # Errors
    ///
    /// [`CaptureError`] where the kernel refuses.
    pub fn load(config: &Config, interface: InterfaceClass) -> Result<Self, CaptureError> {
        let loaded = Opened::new(config)?.load()?;
        let set = Set::new(&loaded, 0)?;
        let mut told = Told::of(&|name| loaded.map(name))?;
        told.add_networks(&config.networks)?;
        told.set_tunnel_ports(&config.tunnel_ports)?;
        told.set_interfaces(&BTreeMap::from([(1, interface)]))?;
        let programs = loaded.map(PROGRAMS)?;
        fill_slots(&loaded, &programs)?;
        Ok(Self {
            loaded,
            set,
            _programs: programs,
        })
    }

    /// Runs the stub of a hook, and so its program, on a packet, from its IP header on, and tells the mean time a run
    /// took and what the program said (`NF_ACCEPT` is 1).
    ///
    /// # Errors
    ///
    /// What the kernel says to the packet: it wants at least 20 bytes.
    pub fn run(
        &self,
        hook: Hook,
        family: Family,
        packet: &[u8],
        repeat: u32,
    ) -> Result<(u32, Duration), libbpf_rs::Error> {
        let point = HookPoint::new(hook, family);
        let mut state = [0; HOOK_STATE_BYTES];
        state[..2].copy_from_slice(&point.state());
        let frame = with_link_layer(family, packet);
        let input = ProgramInput {
            context_in: Some(&mut state),
            data_in: Some(&frame),
            repeat,
            ..ProgramInput::default()
        };
        let output = self.loaded.program(point.stub()).test_run(input)?;
        Ok((output.return_value, output.duration))
    }

    /// As [`crate::Capture::close_window`], and empties what it returns.
    ///
    /// # Errors
    ///
    /// [`CaptureError`].
    pub fn take(&mut self) -> Result<Drained, CaptureError> {
        let drained = self.set.close(Instant::now())?;
        self.set.clear()?;
        Ok(drained)
    }

    /// How many instructions the verifier looked at before it took each program
    /// (`bpf_prog_info.verified_insns`). Kernels give up at a million.
    ///
    /// # Errors
    ///
    /// What the kernel says to the question.
    pub fn verified_instructions(&self) -> io::Result<Vec<(Hook, Family, u32)>> {
        let of = |point: &HookPoint| {
            let program = self.loaded.program(point.program());
            let program = program.as_fd().as_raw_fd();
            let mut info = libbpf_sys::bpf_prog_info::default();
            let mut size = INFO_BYTES;
            // SAFETY: `info` has room for `size` bytes, and both outlive the call.
            let result = unsafe {
                libbpf_sys::bpf_prog_get_info_by_fd(program, &raw mut info, &raw mut size)
            };
            if result < 0 {
                return Err(io::Error::from_raw_os_error(-result));
            }
            Ok((point.hook, point.family, info.verified_insns))
        };
        HOOKS.iter().map(of).collect()
    }
}

/// `sizeof(struct bpf_prog_info)`, as libbpf knows it.
#[expect(clippy::cast_possible_truncation, reason = "the struct is small")]
const INFO_BYTES: u32 = size_of::<libbpf_sys::bpf_prog_info>() as u32;

/// The kernel takes an Ethernet frame, and tells the family by its type.
fn with_link_layer(family: Family, packet: &[u8]) -> Vec<u8> {
    let kind: [u8; 2] = match family {
        Family::Ipv4 => [0x08, 0x00],
        Family::Ipv6 => [0x86, 0xdd],
    };
    let mut frame = vec![0; 12];
    frame.extend(kind);
    frame.extend(packet);
    frame
}
