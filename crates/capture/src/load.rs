//! Opens the compiled programs, sets them up as configured, and loads them into the kernel.

use std::mem::offset_of;
use std::os::fd::AsFd;

use libbpf_rs::{
    MapCore, MapHandle, MapType, Object, ObjectBuilder, OpenMapMut, OpenObject, ProgramMut,
};

use crate::skeleton::{OBJECT, types::rodata};
use crate::state::LAYOUT;
use crate::{CaptureError, Config, FlowDetail, abi};

/// The array of programs, which belongs to no set of maps.
pub(crate) const PROGRAMS: &str = "programs";

/// An object that is not loaded yet.
pub(crate) struct Opened(OpenObject);

/// An object whose programs and maps are in the kernel.
pub(crate) struct Loaded(Object);

/// What has to be equal for a program to be loaded with a map that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    kind: MapType,
    key_bytes: u32,
    value_bytes: u32,
    max_entries: u32,
}

impl Shape {
    /// That of a map in the kernel.
    pub(crate) fn of(map: &MapHandle) -> Self {
        Self {
            kind: map.map_type(),
            key_bytes: map.key_size(),
            value_bytes: map.value_size(),
            max_entries: map.max_entries(),
        }
    }
}

impl Opened {
    /// Opens the object and sets what is set before load.
    pub(crate) fn new(config: &Config) -> Result<Self, CaptureError> {
        // libbpf says on its own why the kernel refused; the verifier's reasons are long.
        libbpf_rs::set_print(Some((libbpf_rs::PrintLevel::Warn, |_, text| {
            tracing::debug!(target: "libbpf", "{}", text.trim_end());
        })));
        let mut open = ObjectBuilder::default()
            .open_memory(object().0)
            .map_err(CaptureError::Load)?;
        let pairs = max_pairs(config.max_flows);
        for mut map in open.maps_mut() {
            let entries = match name(&map).as_str() {
                "flows_0" | "flows_1" => config.max_flows,
                "pairs_0" | "pairs_1" => pairs,
                settings if settings.ends_with(".rodata") => {
                    set_up(&mut map, config);
                    continue;
                }
                _ => continue,
            };
            map.set_max_entries(entries).map_err(CaptureError::Load)?;
        }
        Ok(Self(open))
    }

    /// The names of the maps of a set, and what each has to be like.
    pub(crate) fn maps(&self) -> Vec<(String, Shape)> {
        let all = self.0.maps();
        let shapes = all.map(|map| {
            let shape = Shape {
                kind: map.map_type(),
                key_bytes: map.key_size(),
                value_bytes: map.value_size(),
                max_entries: map.max_entries(),
            };
            (map.name().to_string_lossy().into_owned(), shape)
        });
        shapes.filter(|(name, _)| belongs_to_set(name)).collect()
    }

    /// Lets the programs use a map that is there already.
    pub(crate) fn reuse(&mut self, wanted: &str, with: &MapHandle) -> Result<(), CaptureError> {
        let mut maps = self.0.maps_mut();
        let mut map = maps
            .find(|map| name(map) == wanted)
            .expect("only maps of this object are asked for");
        map.reuse_fd(with.as_fd()).map_err(CaptureError::Load)
    }

    /// Loads all of it.
    pub(crate) fn load(self) -> Result<Loaded, CaptureError> {
        self.0.load().map(Loaded).map_err(CaptureError::Load)
    }
}

impl Loaded {
    /// Takes hold of a map, so that it outlives the object.
    pub(crate) fn map(&self, name: &str) -> Result<MapHandle, CaptureError> {
        let mut maps = self.0.maps();
        let map = maps
            .find(|map| map.name() == name)
            .expect("only maps of this object are asked for");
        MapHandle::try_from(&map).map_err(CaptureError::Load)
    }

    /// The names of the maps of a set.
    pub(crate) fn map_names(&self) -> Vec<String> {
        let names = self.0.maps();
        let names = names.map(|map| map.name().to_string_lossy().into_owned());
        names.filter(|name| belongs_to_set(name)).collect()
    }

    /// A program.
    pub(crate) fn program(&self, name: &str) -> ProgramMut<'_> {
        let mut programs = self.0.progs_mut();
        programs
            .find(|program| program.name() == name)
            .expect("only programs of this object are asked for")
    }
}

/// Maps with a dot in their name are the object's own data, like its settings.
fn belongs_to_set(name: &str) -> bool {
    name != PROGRAMS && !name.contains('.')
}

fn name(map: &OpenMapMut<'_>) -> String {
    map.name().to_string_lossy().into_owned()
}

fn set_up(map: &mut OpenMapMut<'_>, config: &Config) {
    let settings = map
        .initial_value_mut()
        .expect("the programs have settings, so they have a value");
    let mut set = |at: usize, value: &[u8]| settings[at..][..value.len()].copy_from_slice(value);
    let detail = match config.detail {
        FlowDetail::Service => abi::DETAIL_SERVICE,
        FlowDetail::Connection => abi::DETAIL_CONNECTION,
    };
    let is_limited = u8::from(!config.networks.is_empty());
    let ports = &config.ephemeral_ports;
    set(offset_of!(rodata, flow_detail), &[detail]);
    set(offset_of!(rodata, limited_to_networks), &[is_limited]);
    let [first, last] = [ports.start(), ports.end()].map(|port| port.to_ne_bytes());
    set(offset_of!(rodata, ephemeral_first), &first);
    set(offset_of!(rodata, ephemeral_last), &last);
}

/// The map of address pairs has an eighth of the flow map's room.
fn max_pairs(max_flows: u32) -> u32 {
    (max_flows / 8).max(1)
}

/// The object that is loaded, and the number of its layout.
fn object() -> (&'static [u8], u32) {
    #[cfg(feature = "longer-layout")]
    if std::env::var("KUBEZONNET_LAYOUT").is_ok_and(|layout| layout == "longer") {
        return (crate::skeleton::LONGER_OBJECT, LAYOUT + 1);
    }
    (OBJECT, LAYOUT)
}

/// The number of the layout of the maps that are made.
pub(crate) fn layout() -> u32 {
    object().1
}
