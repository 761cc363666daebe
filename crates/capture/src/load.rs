//! Loads the compiled programs into the kernel, set up as configured.

use std::mem::MaybeUninit;

use libbpf_rs::OpenObject;
use libbpf_rs::skel::{OpenSkel, SkelBuilder};

use crate::skeleton::{CaptureSkel, CaptureSkelBuilder};
use crate::{CaptureError, Config, FlowDetail, abi};

/// Opens the object, sets what is set before load, and loads it.
pub(crate) fn load<'object>(
    config: &Config,
    storage: &'object mut MaybeUninit<OpenObject>,
) -> Result<CaptureSkel<'object>, CaptureError> {
    // libbpf says on its own why the kernel refused; the verifier's reasons are long.
    libbpf_rs::set_print(Some((libbpf_rs::PrintLevel::Warn, |_, text| {
        tracing::debug!(target: "libbpf", "{}", text.trim_end());
    })));
    let mut open = CaptureSkelBuilder::default()
        .open(storage)
        .map_err(CaptureError::Load)?;
    let pairs = max_pairs(config.max_flows);
    for (map, entries) in [
        (&mut open.maps.flows_0, config.max_flows),
        (&mut open.maps.flows_1, config.max_flows),
        (&mut open.maps.pairs_0, pairs),
        (&mut open.maps.pairs_1, pairs),
    ] {
        map.set_max_entries(entries).map_err(CaptureError::Load)?;
    }
    let settings = open
        .maps
        .rodata_data
        .as_deref_mut()
        .expect("the programs have settings, so rodata is there");
    settings.flow_detail = match config.detail {
        FlowDetail::Service => abi::DETAIL_SERVICE,
        FlowDetail::Connection => abi::DETAIL_CONNECTION,
    };
    settings.limited_to_networks = u8::from(!config.networks.is_empty());
    settings.ephemeral_first = *config.ephemeral_ports.start();
    settings.ephemeral_last = *config.ephemeral_ports.end();
    open.load().map_err(CaptureError::Load)
}

/// The map of address pairs has an eighth of the flow map's room.
fn max_pairs(max_flows: u32) -> u32 {
    (max_flows / 8).max(1)
}
