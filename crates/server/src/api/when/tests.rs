use super::*;

/// 2026-11-21T12:34:56Z.
const NOW: Timestamp = Timestamp(1_795_264_496_000);

fn of(since: Option<&str>, from: Option<&str>, to: Option<&str>) -> Result<[String; 2], String> {
    let own = |text: Option<&str>| text.map(ToOwned::to_owned);
    let asked = Asked {
        since: own(since),
        from: own(from),
        to: own(to),
        ..Asked::default()
    };
    let range = super::asked(&asked, NOW).map_err(|refusal| refusal.problem.field.unwrap())?;
    Ok([range.start, range.end].map(text))
}

#[test]
fn a_range_is_told_by_how_far_back_or_by_its_ends() {
    let now = "2026-11-21T12:34:56Z";
    let cases = [
        ((None, None, None), ["2026-11-21T11:34:56Z", now]),
        ((Some("90m"), None, None), ["2026-11-21T11:04:56Z", now]),
        ((Some("7d"), None, None), ["2026-11-14T12:34:56Z", now]),
        ((Some("4w"), None, None), ["2026-10-24T12:34:56Z", now]),
        ((Some("month"), None, None), ["2026-11-01T00:00:00Z", now]),
        ((Some("999999w"), None, None), ["1970-01-01T00:00:00Z", now]),
        (
            (None, Some("2026-11-01T01:00:00+01:00"), None),
            ["2026-11-01T00:00:00Z", now],
        ),
        (
            (
                None,
                Some("1960-01-01T00:00:00Z"),
                Some("2026-11-02T00:00:00Z"),
            ),
            ["1970-01-01T00:00:00Z", "2026-11-02T00:00:00Z"],
        ),
        // What is yet to come has nothing in it.
        (
            (
                None,
                Some("2026-11-01T00:00:00Z"),
                Some("2030-01-01T00:00:00Z"),
            ),
            ["2026-11-01T00:00:00Z", now],
        ),
    ];
    for ((since, from, to), expected) in cases {
        let range = of(since, from, to);

        assert_eq!(
            range,
            Ok(expected.map(ToOwned::to_owned)),
            "{since:?} {from:?} {to:?}"
        );
    }
}

#[test]
fn what_is_no_range_is_refused_by_the_name_of_what_is_wrong() {
    let first = Some("2026-11-01T00:00:00Z");
    let cases = [
        ((Some("1h"), first, None), "since"),
        ((None, None, first), "from"),
        ((None, first, first), "from"),
        ((None, Some("2026-12-01T00:00:00Z"), None), "from"),
        ((None, Some("2026-11-01"), None), "from"),
        ((None, first, Some("tomorrow")), "to"),
    ];
    for ((since, from, to), field) in cases {
        assert_eq!(
            of(since, from, to),
            Err(field.to_owned()),
            "{since:?} {from:?} {to:?}"
        );
    }
    for bad in [
        "0h", "-1h", "1", "h", "1 h", "1s", "01h", "1.5h", "1000000m", "Month", "1h30m", "٣h",
    ] {
        assert_eq!(of(Some(bad), None, None), Err("since".to_owned()), "{bad}");
    }
}

#[test]
fn a_month_is_of_the_calendar() {
    let moment = |text| super::moment("from", text).ok().unwrap();
    let cases = [
        (
            "2026-11-21T12:34:56Z",
            "2026-11-01T00:00:00Z",
            "2026-12-01T00:00:00Z",
        ),
        (
            "2026-12-31T23:59:59Z",
            "2026-12-01T00:00:00Z",
            "2027-01-01T00:00:00Z",
        ),
        (
            "2028-02-29T00:00:00Z",
            "2028-02-01T00:00:00Z",
            "2028-03-01T00:00:00Z",
        ),
    ];
    for (within, first, next) in cases {
        let within = moment(within);

        assert_eq!(
            [month_of(within), month_after(within)].map(text),
            [first, next]
        );
    }
}
