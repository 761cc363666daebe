//! Where the agent stands, as the map `state` holds it (`struct window_state` of `flow_abi.h`); pure.

use std::mem::offset_of;

use crate::abi::Dimensions;
use crate::skeleton::types::window_state;

/// The number of the layout this agent makes maps in.
pub(crate) const LAYOUT: u32 = 2;

/// The first layout that an agent is asked to read.
const FIRST_LAYOUT: u32 = 2;

/// Room for a note.
pub(crate) const NOTE_BYTES: usize = size_of::<window_state>() - offset_of!(window_state, note);

/// What is being done with the generation that is not active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is empty.
    Collecting,
    /// The switch is about to be made, or was made.
    Closing,
    /// It holds a window, and the note the rest of it.
    Closed,
    /// The window is where it should be: it is to be emptied.
    Settled,
}

/// The stages in the order of their codes.
const STAGES: [Stage; 4] = [
    Stage::Collecting,
    Stage::Closing,
    Stage::Closed,
    Stage::Settled,
];

/// Where the agent stands. The fields are those of `struct window_state`, which explains them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) layout: u32,
    pub(crate) stage: Stage,
    pub(crate) generation: u32,
    pub(crate) sequence: u64,
    pub(crate) opened_ns: u64,
    pub(crate) closed_ns: u64,
    pub(crate) namespace_cookie: u64,
    pub(crate) epoch: [u8; 16],
    pub(crate) server: [u8; 16],
    pub(crate) dimensions: Dimensions,
    pub(crate) note: Vec<u8>,
    /// The value as it was read: what a newer layout has besides stays as it is.
    raw: Vec<u8>,
}

impl State {
    /// That of maps that are new: the first window is open since then.
    pub(crate) fn first(
        layout: u32,
        epoch: [u8; 16],
        opened_ns: u64,
        namespace_cookie: u64,
    ) -> Self {
        Self {
            layout,
            stage: Stage::Collecting,
            generation: 0,
            sequence: 1,
            opened_ns,
            closed_ns: 0,
            namespace_cookie,
            epoch,
            server: [0; 16],
            dimensions: Dimensions::OURS,
            note: Vec::new(),
            raw: vec![0; size_of::<window_state>()],
        }
    }

    /// Reads a value of the map; `None` if it is none that any layout has.
    pub(crate) fn decode(raw: &[u8]) -> Option<Self> {
        let u16_at = |at: usize| Some(u16::from_ne_bytes(raw.get(at..at + 2)?.try_into().ok()?));
        let u32_at = |at: usize| Some(u32::from_ne_bytes(raw.get(at..at + 4)?.try_into().ok()?));
        let u64_at = |at: usize| Some(u64::from_ne_bytes(raw.get(at..at + 8)?.try_into().ok()?));
        let id_at = |at: usize| raw.get(at..at + 16)?.try_into().ok();
        let stage = usize::try_from(u32_at(offset_of!(window_state, stage))?).ok()?;
        let length = usize::try_from(u32_at(offset_of!(window_state, note_length))?).ok()?;
        let generation = u32_at(offset_of!(window_state, generation))?;
        let layout = u32_at(offset_of!(window_state, layout))?;
        Some(Self {
            layout: (layout >= FIRST_LAYOUT).then_some(layout)?,
            stage: *STAGES.get(stage)?,
            generation: (generation < 2).then_some(generation)?,
            sequence: u64_at(offset_of!(window_state, sequence))?,
            opened_ns: u64_at(offset_of!(window_state, opened_ns))?,
            closed_ns: u64_at(offset_of!(window_state, closed_ns))?,
            namespace_cookie: u64_at(offset_of!(window_state, namespace_cookie))?,
            epoch: id_at(offset_of!(window_state, epoch))?,
            server: id_at(offset_of!(window_state, server))?,
            dimensions: Dimensions {
                total_kinds: u16_at(offset_of!(window_state, total_kinds))?.into(),
                hooks: u16_at(offset_of!(window_state, hooks))?.into(),
                classes: u16_at(offset_of!(window_state, classes))?.into(),
                skip_reasons: u16_at(offset_of!(window_state, skip_reasons))?.into(),
            },
            note: raw
                .get(offset_of!(window_state, note)..)?
                .get(..length)?
                .to_vec(),
            raw: raw.to_vec(),
        })
    }

    /// The value for the map.
    ///
    /// # Panics
    ///
    /// If the note is longer than [`NOTE_BYTES`].
    pub(crate) fn encode(&mut self) -> &[u8] {
        let stage = (0_u32..).zip(STAGES).find(|(_, each)| *each == self.stage);
        let (stage, _) = stage.expect("the list has every stage");
        let length = u32::try_from(self.note.len()).expect("a note is short");
        let dimension = |count: usize| u16::try_from(count).expect("there are a few of each");
        let Dimensions {
            total_kinds,
            hooks,
            classes,
            skip_reasons,
        } = self.dimensions;
        let raw = &mut self.raw;
        let mut set = |at: usize, bytes: &[u8]| raw[at..][..bytes.len()].copy_from_slice(bytes);
        for (at, number) in [
            (offset_of!(window_state, layout), self.layout),
            (offset_of!(window_state, stage), stage),
            (offset_of!(window_state, generation), self.generation),
            (offset_of!(window_state, note_length), length),
        ] {
            set(at, &number.to_ne_bytes());
        }
        for (at, number) in [
            (offset_of!(window_state, sequence), self.sequence),
            (offset_of!(window_state, opened_ns), self.opened_ns),
            (offset_of!(window_state, closed_ns), self.closed_ns),
            (
                offset_of!(window_state, namespace_cookie),
                self.namespace_cookie,
            ),
        ] {
            set(at, &number.to_ne_bytes());
        }
        for (at, count) in [
            (offset_of!(window_state, total_kinds), total_kinds),
            (offset_of!(window_state, hooks), hooks),
            (offset_of!(window_state, classes), classes),
            (offset_of!(window_state, skip_reasons), skip_reasons),
        ] {
            set(at, &dimension(count).to_ne_bytes());
        }
        set(offset_of!(window_state, epoch), &self.epoch);
        set(offset_of!(window_state, server), &self.server);
        set(offset_of!(window_state, note), &self.note);
        &self.raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = include_str!("bpf/flow_abi.h");

    fn state() -> State {
        State {
            stage: Stage::Closed,
            generation: 1,
            sequence: 7,
            closed_ns: 30,
            server: [9; 16],
            note: b"note".to_vec(),
            ..State::first(LAYOUT, [3; 16], 20, 11)
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut written = state();

        let read = State::decode(written.encode()).unwrap();

        assert_eq!(read, written);
    }

    #[test]
    fn what_a_newer_layout_has_besides_stays_as_it_is() {
        let mut raw = state().encode().to_vec();
        let room = offset_of!(window_state, reserved);
        raw[room] = 42;
        raw.extend([43; 8]);

        let mut read = State::decode(&raw).unwrap();
        read.note.clear();
        read.sequence += 1;

        let written = read.encode();
        assert_eq!(
            (written[room], &written[raw.len() - 8..]),
            (42, &[43; 8][..])
        );
    }

    #[test]
    fn what_is_no_state_is_refused() {
        let good = state().encode().to_vec();
        let with = |at: usize, byte: u8| {
            let mut raw = good.clone();
            raw[at..at + 4].copy_from_slice(&[byte; 4]);
            State::decode(&raw)
        };

        assert_eq!(State::decode(&good[..100]), None);
        assert_eq!(with(offset_of!(window_state, layout), 0), None);
        assert_eq!(with(offset_of!(window_state, stage), 9), None);
        assert_eq!(with(offset_of!(window_state, generation), 2), None);
        assert_eq!(with(offset_of!(window_state, note_length), 0x7f), None);
    }

    #[test]
    fn the_numbers_are_those_of_the_header() {
        for (code, stage) in STAGES.iter().enumerate() {
            let line = format!("STAGE_{} = {code},", format!("{stage:?}").to_uppercase());
            assert!(HEADER.contains(&line), "{line}");
        }
        assert!(HEADER.contains(&format!("#define NOTE_BYTES {NOTE_BYTES}\n")));
        assert!(HEADER.contains(&format!("#define LAYOUT {LAYOUT}\n")));
    }
}
