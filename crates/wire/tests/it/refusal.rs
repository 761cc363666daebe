//! Each way in which a body can be wrong is told, with what and where.

use kubezonnet_wire::{DecodeError, Limits, decode, encode};

use crate::body::Body;
use crate::support::{counters, empty, in_order, small, sockets};

/// The small batch: five flows, three addresses of each family, five shapes; tests/golden/small.hex
/// shows its columns.
fn body() -> Body {
    Body::of(&small())
}

#[track_caller]
fn check(refused: Result<kubezonnet_wire::DecodedBatch, DecodeError>, reason: &str, message: &str) {
    let error = refused.unwrap_err();
    assert_eq!((error.reason(), &*error.to_string()), (reason, message));
}

#[test]
fn the_small_batch_itself_is_right() {
    assert_eq!(body().decode().unwrap().into_batch(), small());
}

#[test]
fn a_body_that_is_not_protobuf_is_malformed() {
    let cases: [(&[u8], &str); 7] = [
        (
            &[0x80],
            "malformed body: tag at byte 0: a varint is cut short",
        ),
        (
            &[0xff; 12],
            "malformed body: tag at byte 0: a varint does not fit in 64 bits",
        ),
        (
            &[0x08],
            "malformed body: value at byte 1: a varint is cut short",
        ),
        (
            &[0x00, 0x01],
            "malformed body: tag at byte 0: no field has this number",
        ),
        (
            &[0x08, 0x01, 0x0b],
            "malformed body: tag at byte 3: the wire type is none in use",
        ),
        (
            &[0x12, 0x05, b'n'],
            "malformed body: value at byte 2: it is longer than what is left of the body",
        ),
        (
            &[
                0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
            ],
            "malformed body: value at byte 11: it is longer than what is left of the body",
        ),
    ];
    for (bytes, message) in cases {
        check(decode(bytes, &Limits::default()), "malformed", message);
    }
}

#[test]
fn a_field_in_another_form_than_the_schema_has_is_malformed() {
    let mut twice = encode(&empty());
    twice.extend([0x20, 0x02]);
    check(
        decode(&twice, &Limits::default()),
        "malformed",
        "malformed body: sequence at byte 39: comes a second time",
    );
    check(
        Body::of(&empty()).uint(2, 1).decode(),
        "malformed",
        "malformed body: node at byte 3: is not length-delimited",
    );
    check(
        Body::of(&empty()).bytes(4, b"").decode(),
        "malformed",
        "malformed body: sequence at byte 30: is not a varint",
    );
    check(
        Body::of(&empty()).bytes(2, &[0xff]).decode(),
        "malformed",
        "malformed body: node at byte 4: is not UTF-8",
    );
    check(
        Body::of(&empty()).bytes(10, &[10, 0, 0]).decode(),
        "malformed",
        "malformed body: ipv4 at byte 40: is not a multiple of 4 bytes",
    );
    check(
        Body::of(&empty()).bytes(35, &[1, 0x80]).decode(),
        "malformed",
        "malformed body: bytes at byte 41: its last varint is cut short",
    );
    let mut too_large = [0xff; 11];
    too_large[10] = 1;
    check(
        body()
            .bytes(35, &[&[1, 1, 1, 1][..], &too_large].concat())
            .decode(),
        "malformed",
        "malformed body: bytes at byte 183: a varint does not fit in 64 bits",
    );
}

#[test]
fn another_version_is_not_supported() {
    let message = |found| {
        format!(
            "format version {found} is not supported, only 1: upgrade the server before the agents"
        )
    };
    check(
        body().uint(1, 2).decode(),
        "unsupported_version",
        &message(2),
    );
    check(
        body().without(1).decode(),
        "unsupported_version",
        &message(0),
    );
    check(
        decode(&[], &Limits::default()),
        "unsupported_version",
        &message(0),
    );
}

#[test]
fn flows_totals_and_skipped_count_together_against_the_limit() {
    let body = encode(&small());

    assert!(decode(&body, &Limits { max_records: 7 }).is_ok());
    check(
        decode(&body, &Limits { max_records: 6 }),
        "too_many_records",
        "7 records are more than the limit of 6",
    );
}

#[test]
fn more_addresses_than_records_and_node_can_have_are_refused_though_no_flow_names_them() {
    let limits = Limits { max_records: 2 };
    let addresses: Vec<u8> = (0..=65_540_u32).flat_map(u32::to_be_bytes).collect();
    let (all_but_one, _) = addresses.split_at(addresses.len() - 4);

    let at_limit = Body::of(&empty()).bytes(10, all_but_one).write();
    let beyond = Body::of(&empty()).bytes(10, &addresses).write();
    let of_both_families = Body::of(&empty())
        .bytes(10, all_but_one)
        .bytes(11, &[0])
        .bytes(12, &[0xfd; 16])
        .write();

    assert_eq!(decode(&at_limit, &limits).unwrap().addresses.len(), 65_540);
    let message = "65541 addresses are more than the limit of 65540";
    check(decode(&beyond, &limits), "dictionary_too_large", message);
    check(
        decode(&of_both_families, &limits),
        "dictionary_too_large",
        message,
    );
}

#[test]
fn more_shapes_than_records_are_refused_though_no_flow_names_them() {
    let shapes = Body::of(&empty())
        .bytes(20, &[1, 2, 3])
        .bytes(21, &[0; 3])
        .bytes(22, &[1; 3])
        .bytes(23, &[1; 3])
        .bytes(24, &[1; 3])
        .write();

    assert!(decode(&shapes, &Limits { max_records: 3 }).is_ok());
    check(
        decode(&shapes, &Limits { max_records: 2 }),
        "dictionary_too_large",
        "3 shapes are more than the limit of 2",
    );
}

#[test]
fn a_code_that_decides_how_bytes_are_booked_must_be_known() {
    let message = |field, code, row| {
        format!(
            "{field} has code {code} in row {row}, which is not known: upgrade the server first"
        )
    };
    let cases = [
        (20, vec![0, 7, 7, 257], "shape_protocol", 257, 3),
        (21, vec![0, 108, 10865, 131_073], "shape_port", 131_073, 3),
        (22, vec![1, 2, 3, 1], "shape_hook", 3, 2),
        (40, vec![4], "total_kind", 4, 0),
        (41, vec![0], "total_hook", 0, 0),
        (50, vec![0], "skipped_reason", 0, 0),
        (51, vec![u64::MAX], "skipped_hook", u64::MAX, 0),
    ];
    for (number, values, field, code, row) in cases {
        // One shape more than the small batch needs, or the same rows as it has.
        let mut body = body();
        if number < 30 {
            body = body
                .column(20, &[0, 7, 7, 8])
                .column(21, &[0, 108, 10_865, 0])
                .column(22, &[1, 2, 1, 1])
                .column(23, &[1, 2, 2, 1])
                .column(24, &[2, 4, 1, 2]);
        }
        let refused = body.column(number, &values).decode();
        check(refused, "unknown_code", &message(field, code, row));
    }
}

#[test]
fn a_header_that_cannot_be_is_inconsistent() {
    let cases = [
        (
            body().bytes(3, &[0; 15]),
            "inconsistent body: epoch is not 16 bytes",
        ),
        (
            body().without(3),
            "inconsistent body: epoch is not 16 bytes",
        ),
        (
            body().without(4),
            "inconsistent body: sequence is 0, it counts from 1",
        ),
        (
            body().without(2),
            "inconsistent body: node: a node name must have 1 to 253 bytes and no control \
             characters, got \"\"",
        ),
        (
            body().bytes(2, b"a\nb"),
            "inconsistent body: node: a node name must have 1 to 253 bytes and no control \
             characters, got \"a\\nb\"",
        ),
    ];
    for (body, message) in cases {
        check(body.decode(), "inconsistent", message);
    }
}

#[test]
fn columns_of_one_table_have_one_length() {
    let tables: [(&[u32], usize); 5] = [
        (&[20, 21, 22, 23, 24], 5),
        (&[30, 31], 4),
        (&[35, 36, 32, 33, 34], 5),
        (&[40, 41, 42, 43, 44, 45], 1),
        (&[50, 51, 52, 53], 1),
    ];
    for (columns, rows) in tables {
        for column in columns {
            for wrong in [rows + 1, rows - 1] {
                let refused = body().column(*column, &vec![1; wrong]).decode();
                // A client port column of no rows is none.
                if *column == 34 && wrong == 0 {
                    continue;
                }
                let error = refused.unwrap_err();
                assert!(
                    matches!(error, DecodeError::UnequalColumns { .. }),
                    "column {column} with {wrong} rows: {error}"
                );
                assert_eq!(error.reason(), "inconsistent");
            }
        }
    }
}

#[test]
fn addresses_ascend_and_have_all_their_bytes() {
    let cases = [
        (
            body().bytes(10, &[10, 0, 0, 1, 10, 0, 0, 1]),
            "inconsistent body: ipv4 in row 1: is not greater than the one before",
        ),
        (
            body().column(11, &[1, 4, 4]),
            "inconsistent body: ipv6_shared in row 0: shares more than it can with the one before",
        ),
        (
            body().column(11, &[0, 16, 16]),
            "inconsistent body: ipv6_shared in row 1: shares more than it can with the one before",
        ),
        (
            body().column(11, &[0, 15]).bytes(12, &[9; 17]),
            "inconsistent body: ipv6_shared in row 1: is not greater than the one before",
        ),
        (
            body().column(11, &[0]).bytes(12, &[1; 15]),
            "inconsistent body: ipv6_rest is shorter than its addresses need",
        ),
        (
            body().column(11, &[0, 0, 0]).bytes(12, &[1; 2]),
            "inconsistent body: ipv6_rest is shorter than its addresses need",
        ),
        (
            body().column(11, &[0]).bytes(12, &[1; 17]),
            "inconsistent body: ipv6_rest is longer than its addresses need",
        ),
        (
            body().column(13, &[0, 0]),
            "inconsistent body: node_address in row 1: the same address comes twice",
        ),
        (
            body().column(13, &[6]),
            "inconsistent body: node_address in row 0: there is no address at this position",
        ),
        (
            body().column(13, &[1, u64::MAX]),
            "inconsistent body: node_address in row 1: there is no address at this position",
        ),
        (
            body().column(13, &[0, 1, 1, 1, 1, 1, 1]),
            "inconsistent body: node_address in row 6: there are fewer addresses",
        ),
    ];
    for (body, message) in cases {
        check(body.decode(), "inconsistent", message);
    }
}

#[test]
fn shapes_ascend_and_make_sense() {
    let same = body()
        .column(20, &[0, 7, 7, 7, 59])
        .column(21, &[0, 108, 108, 10_865, 0])
        .column(22, &[1, 2, 2, 1, 1])
        .column(23, &[1, 2, 2, 2, 1])
        .column(24, &[2, 4, 4, 1, 2]);
    check(
        same.decode(),
        "inconsistent",
        "inconsistent body: shape_protocol in row 2: the shape is not greater than the one before",
    );
    check(
        body().column(20, &[0, 7, 7, 7, 6]).decode(),
        "inconsistent",
        "inconsistent body: shape_protocol in row 4: the shape is not greater than the one before",
    );
    check(
        body().column(21, &[1, 108, 10_865, 10_866, 0]).decode(),
        "inconsistent",
        "inconsistent body: shape_port in row 0: there is a port without a protocol",
    );
}

#[test]
fn sockets_name_pods_that_are_there() {
    let body = || Body::of(&in_order(sockets()));
    let mut pods = [[0x0a; 16], [0x0a; 16]].concat();

    check(
        body().bytes(14, &pods).decode(),
        "inconsistent",
        "inconsistent body: pod_uid in row 1: is not greater than the one before",
    );
    pods.truncate(16);
    check(
        body().bytes(14, &pods).decode(),
        "inconsistent",
        "inconsistent body: shape_socket in row 6: there is no pod at this position",
    );
    check(
        body().column(60, &[0, 1, 2, 3, 4, 16, u64::MAX]).decode(),
        "inconsistent",
        "inconsistent body: shape_socket in row 6: there is no pod at this position",
    );
    check(
        body().column(60, &[0]).decode(),
        "inconsistent",
        "inconsistent body: shape_socket has 1 rows where shape_protocol has 7",
    );
    check(
        body().column(60, &[0, 1, 2, 3, 4, 16, 16]).decode(),
        "inconsistent",
        "inconsistent body: shape_protocol in row 6: the shape is not greater than the one before",
    );
    pods.truncate(15);
    let error = body().bytes(14, &pods).decode().unwrap_err();
    assert_eq!(error.reason(), "malformed");
    let problem = "is not a multiple of 16 bytes";
    assert!(error.to_string().ends_with(problem), "{error}");
}

#[test]
fn flows_name_addresses_and_shapes_that_are_there() {
    let cases = [
        (
            body().column(30, &[1, 1, 1, 9]),
            "source in row 3: there is no address at this position",
        ),
        (
            body().column(30, &[1, 0, 1, 1]),
            "source in row 1: the same address comes twice",
        ),
        (
            body().column(31, &[2, 0, 1, 1]),
            "source_flows in row 1: is 0, or more than flows are left",
        ),
        (
            body().column(31, &[2, 1, 1, u64::MAX]),
            "source_flows in row 3: is 0, or more than flows are left",
        ),
        (
            body().column(32, &[2, 0, 1, 1, 4]),
            "destination in row 3: source and destination are of different families",
        ),
        (
            body().column(32, &[3, 0, 1, 5, 3]),
            "destination in row 0: source and destination are of different families",
        ),
        (
            body().column(32, &[2, u64::MAX, 1, 5, 3]),
            "destination in row 1: there is no address at this position",
        ),
        (
            body().column(33, &[0, 2, 3, 4, 5]),
            "shape in row 4: there is no shape at this position",
        ),
        (
            body().column(33, &[2, 0, 3, 4, 1]),
            "shape in row 1: flows of one pair are not in ascending order",
        ),
        (
            body().column(33, &[2, 2, 3, 4, 1]),
            "shape in row 1: the same flow comes twice",
        ),
        (
            body().column(34, &[0, 0, 0, 0, 65_537]),
            "client_port in row 4: there is no port with this number",
        ),
        (
            body().column(34, &[1, 0, 0, 0, 0]),
            "client_port in row 0: there is a port without a protocol",
        ),
    ];
    for (body, message) in cases {
        check(
            body.decode(),
            "inconsistent",
            &format!("inconsistent body: {message}"),
        );
    }
    check(
        body()
            .column(31, &[2, 1, 1])
            .column(30, &[1, 1, 1])
            .decode(),
        "inconsistent",
        "inconsistent body: source_flows has 4 rows where destination has 5",
    );
}

#[test]
fn counters_that_together_pass_64_bits_are_refused() {
    let mut bytes = small();
    bytes.records[4].counters = counters(u64::MAX, 1);
    let mut packets = small();
    packets.skipped[0].counters = counters(1, u64::MAX);

    for (batch, counter) in [(bytes, "bytes"), (packets, "packets")] {
        check(
            decode(&encode(&batch), &Limits::default()),
            "inconsistent",
            &format!("inconsistent body: the sum of all {counter} does not fit in 64 bits"),
        );
    }
}
