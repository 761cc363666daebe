//! The fields of the schema, by number and name, as the reader looks for them.

/// One field of `proto/flow_batch.proto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    /// Its number on the wire.
    pub(crate) number: u32,
    /// Its name in the schema, for messages.
    pub(crate) name: &'static str,
}

macro_rules! fields {
    ($($constant:ident = $number:literal $name:literal,)*) => {
        $(pub(crate) const $constant: Field = Field { number: $number, name: $name };)*

        /// Every field, in order of number.
        #[cfg(test)]
        pub(crate) const ALL: &[Field] = &[$($constant,)*];
    };
}

fields! {
    FORMAT_VERSION = 1 "format_version",
    NODE = 2 "node",
    EPOCH = 3 "epoch",
    SEQUENCE = 4 "sequence",
    WINDOW_NANOS = 5 "window_nanos",
    HOOKS = 6 "hooks",
    ENDS = 7 "ends",
    IPV4 = 10 "ipv4",
    IPV6_SHARED = 11 "ipv6_shared",
    IPV6_REST = 12 "ipv6_rest",
    NODE_ADDRESS = 13 "node_address",
    POD_UID = 14 "pod_uid",
    SHAPE_PROTOCOL = 20 "shape_protocol",
    SHAPE_PORT = 21 "shape_port",
    SHAPE_HOOK = 22 "shape_hook",
    SHAPE_INPUT = 23 "shape_input",
    SHAPE_OUTPUT = 24 "shape_output",
    SOURCE = 30 "source",
    SOURCE_FLOWS = 31 "source_flows",
    DESTINATION = 32 "destination",
    SHAPE = 33 "shape",
    CLIENT_PORT = 34 "client_port",
    BYTES = 35 "bytes",
    PACKETS = 36 "packets",
    TOTAL_KIND = 40 "total_kind",
    TOTAL_HOOK = 41 "total_hook",
    TOTAL_INPUT = 42 "total_input",
    TOTAL_OUTPUT = 43 "total_output",
    TOTAL_BYTES = 44 "total_bytes",
    TOTAL_PACKETS = 45 "total_packets",
    SKIPPED_REASON = 50 "skipped_reason",
    SKIPPED_HOOK = 51 "skipped_hook",
    SKIPPED_BYTES = 52 "skipped_bytes",
    SKIPPED_PACKETS = 53 "skipped_packets",
    SHAPE_SOCKET = 60 "shape_socket",
    UPLINK_SEEN_BYTES = 70 "uplink_seen_bytes",
    UPLINK_SEEN_PACKETS = 71 "uplink_seen_packets",
    UPLINK_SENT_BYTES = 72 "uplink_sent_bytes",
    UPLINK_SENT_PACKETS = 73 "uplink_sent_packets",
}

/// The highest number of a field that the reader looks for.
pub(crate) const LAST: u32 = UPLINK_SENT_PACKETS.number;

/// Numbers kept for further parts of a flow's key. Where one is present, flows that look the same
/// to this reader are not the same to the writer, so that equal keys are no mistake.
pub(crate) const KEY_PARTS_TO_COME: std::ops::RangeInclusive<u32> = 61..=69;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_looks_for_exactly_the_fields_of_the_schema() {
        let schema = protox::compile(["flow_batch.proto"], ["proto"]).unwrap();

        let declared: Vec<_> = schema.file[0].message_type[0]
            .field
            .iter()
            .map(|field| (field.number().unsigned_abs(), field.name().to_owned()))
            .collect();

        let known: Vec<_> = ALL
            .iter()
            .map(|field| (field.number, field.name.to_owned()))
            .collect();
        assert_eq!(known, declared);
    }
}
