//! Edges as bytes: those of one source after the other, numbers in as few bytes as they need
//! (LEB128, as everywhere in what is kept).
//!
//! ```text
//! list:  count, then for each run of one source:  source, count, edges…
//! edge:  destination, class and flags, [service], [origin], bytes, packets, [changed]
//! ```

use foldhash::HashMap;
use kubezonnet_model::{FlowCounters, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Class, EdgeKey, Flow, Towards};
use crate::names::Id;

/// Bits of the byte of the class that say what follows.
const HAS_SERVICE: u8 = 0x80;
const HAS_ORIGIN: u8 = 0x40;

const _: () = assert!(Class::COUNT <= HAS_ORIGIN, "a class has the six bits below");

/// What a window adds to edges: those of one source stand together, as far as they came so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EdgeList(pub Vec<(EdgeKey, FlowCounters)>);

impl EdgeList {
    /// Each source with those of its edges that stand together.
    pub(super) fn runs(&self) -> impl Iterator<Item = (Id, &[(EdgeKey, FlowCounters)])> {
        let runs = self
            .0
            .chunk_by(|(one, _), (other, _)| one.source == other.source);
        runs.map(|run| (run[0].0.source, run))
    }
}

/// The edges of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fan(pub HashMap<Towards, Flow>);

impl Serialize for EdgeList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(self.0.len() * 8);
        for (source, run) in self.runs() {
            put(&mut bytes, source.get());
            put(&mut bytes, run.len() as u64);
            for (key, counters) in run {
                put_edge(&mut bytes, &key.towards, *counters);
            }
        }
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for EdgeList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <&[u8]>::deserialize(deserializer)?;
        read_list(bytes).ok_or_else(|| de::Error::custom("edges that are none"))
    }
}

fn read_list(mut bytes: &[u8]) -> Option<EdgeList> {
    let mut list = Vec::new();
    while !bytes.is_empty() {
        let source = take_id(&mut bytes)?;
        for _ in 0..take(&mut bytes)? {
            let (towards, counters) = take_edge(&mut bytes)?;
            list.push((EdgeKey { source, towards }, counters));
        }
    }
    Some(EdgeList(list))
}

impl Fan {
    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 16);
        for (towards, flow) in &self.0 {
            put_edge(&mut bytes, towards, flow.counters);
            put(&mut bytes, flow.changed.0);
        }
        bytes
    }

    /// Of bytes; `None` if they are none.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut fan = HashMap::default();
        while !bytes.is_empty() {
            let (towards, counters) = take_edge(&mut bytes)?;
            let changed = Timestamp(take(&mut bytes)?);
            fan.insert(towards, Flow { counters, changed });
        }
        Some(Self(fan))
    }
}

fn put_edge(bytes: &mut Vec<u8>, towards: &Towards, counters: FlowCounters) {
    put(bytes, towards.destination.get());
    let mut head = towards.class.0;
    if towards.service.is_some() {
        head |= HAS_SERVICE;
    }
    if towards.origin.is_some() {
        head |= HAS_ORIGIN;
    }
    bytes.push(head);
    for id in [towards.service, towards.origin].into_iter().flatten() {
        put(bytes, id.get());
    }
    put(bytes, counters.bytes);
    put(bytes, counters.packets);
}

fn take_edge(bytes: &mut &[u8]) -> Option<(Towards, FlowCounters)> {
    let destination = take_id(bytes)?;
    let head = *bytes.split_off_first()?;
    let class = Class::of_number(head & !(HAS_SERVICE | HAS_ORIGIN))?;
    let mut id_if = |flag: u8| {
        let has = head & flag != 0;
        has.then(|| take_id(bytes))
            .map_or(Some(None), |id| id.map(Some))
    };
    let towards = Towards {
        destination,
        class,
        service: id_if(HAS_SERVICE)?,
        origin: id_if(HAS_ORIGIN)?,
    };
    let counters = FlowCounters {
        bytes: take(bytes)?,
        packets: take(bytes)?,
    };
    Some((towards, counters))
}

fn take_id(bytes: &mut &[u8]) -> Option<Id> {
    Id::new(take(bytes)?)
}

/// Appends a number.
#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
pub(in crate::ledger) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number off the beginning; `None` if there is none whole.
pub(in crate::ledger) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first()?;
        let bits = u64::from(byte & 0x7f);
        if (bits << shift) >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use kubezonnet_model::{Direction, Locality};
    use proptest::prelude::*;

    use super::*;

    fn any_id() -> impl Strategy<Value = Id> {
        any::<u64>().prop_filter_map("ids begin at one", Id::new)
    }

    fn any_edge() -> impl Strategy<Value = (EdgeKey, FlowCounters)> {
        let id = || proptest::option::of(any_id());
        let direction = proptest::sample::select(&Direction::ALL[..]);
        let ids = (0..4_u64, any_id(), id(), id());
        (ids, direction, any::<u64>(), any::<u64>()).prop_map(|(ids, direction, bytes, packets)| {
            let (source, destination, service, origin) = ids;
            let towards = Towards {
                destination,
                class: Class::of(direction, Locality::CrossZone),
                service,
                origin,
            };
            let source = Id::new(source + 1).unwrap();
            let counters = FlowCounters { bytes, packets };
            (EdgeKey { source, towards }, counters)
        })
    }

    proptest! {
        #[test]
        fn edges_come_back_as_they_were(edges in proptest::collection::vec(any_edge(), 0..50)) {
            let list = EdgeList(edges.clone());
            let flow = |counters| Flow { counters, changed: Timestamp(1 << 41) };
            let fan = Fan(edges.iter().map(|(key, counters)| (key.towards, flow(*counters))).collect());

            let bytes = postcard::to_stdvec(&list).unwrap();
            let read: EdgeList = postcard::from_bytes(&bytes).unwrap();

            prop_assert_eq!(read, list);
            prop_assert_eq!(Fan::from_bytes(&fan.to_bytes()), Some(fan));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Some(list) = read_list(&bytes) {
                prop_assert!(list.0.len() <= bytes.len());
            }
            Fan::from_bytes(&bytes);
        }
    }

    #[test]
    fn numbers_take_as_few_bytes_as_they_need_and_no_more_than_they_have() {
        for (number, length) in [(0, 1), (127, 1), (128, 2), (u64::MAX, 10)] {
            let mut bytes = Vec::new();
            put(&mut bytes, number);

            assert_eq!(bytes.len(), length);
            assert_eq!(take(&mut &bytes[..]), Some(number));
        }
        let too_large = [0xff; 9].iter().chain(&[2]).copied().collect::<Vec<u8>>();
        assert_eq!(take(&mut &too_large[..]), None);
        assert_eq!(take(&mut &[0x80][..]), None);
    }
}
