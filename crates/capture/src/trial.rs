//! Runs the programs on crafted packets, without a hook and without traffic.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::time::Duration;

use kubezonnet_model::{Family, Hook, InterfaceClass};
use libbpf_rs::{OpenObject, ProgramInput};

use crate::hook::{HOOKS, HookPoint};
use crate::load::load;
use crate::maps::Maps;
use crate::skeleton::CaptureSkel;
use crate::{CaptureError, Config, Drained};

/// `sizeof(struct nf_hook_state)` on a 64-bit machine: two bytes, padding, five pointers.
const HOOK_STATE_BYTES: usize = 48;

/// Loaded programs that are attached nowhere (`BPF_PROG_TEST_RUN`).
///
/// To the programs a packet run through [`Self::run`] seems to leave by interface 1 (the kernel gives
/// the loopback interface for every hook here); what class that has is told to [`Self::load`].
pub struct Trial<'object> {
    skeleton: CaptureSkel<'object>,
    maps: Maps,
}

impl<'object> Trial<'object> {
    /// Loads the programs, with the class that interface 1 is to have.
    ///
    /// # Errors
    ///
    /// [`CaptureError`] where the kernel refuses.
    pub fn load(
        config: &Config,
        interface: InterfaceClass,
        storage: &'object mut MaybeUninit<OpenObject>,
    ) -> Result<Self, CaptureError> {
        let skeleton = load(config, storage)?;
        let mut maps = Maps::of(&skeleton)?;
        maps.set_networks(&config.networks)?;
        maps.set_tunnel_ports(&config.tunnel_ports)?;
        maps.set_interfaces(&BTreeMap::from([(1, interface)]))?;
        Ok(Self { skeleton, maps })
    }

    /// Runs the program of a hook on a packet, from its IP header on, and tells the mean time a run
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
        let output = point.program(&self.skeleton).test_run(input)?;
        Ok((output.return_value, output.duration))
    }

    /// As [`crate::Capture::close_window`], and empties what it returns.
    ///
    /// # Errors
    ///
    /// [`CaptureError`].
    pub fn take(&mut self) -> Result<Drained, CaptureError> {
        let drained = self.maps.close()?;
        self.maps.clear_closed()?;
        Ok(drained)
    }

    /// The instructions of each program, as the verifier counted them out.
    pub fn instructions(&self) -> Vec<(&'static str, Family, usize)> {
        let of = |point: &HookPoint| {
            let program = point.program(&self.skeleton);
            (point.hook.as_str(), point.family, program.insn_cnt())
        };
        HOOKS.iter().map(of).collect()
    }
}

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
