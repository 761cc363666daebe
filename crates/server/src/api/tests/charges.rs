//! Costs for charge-back: whole periods, of all time.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use kubezonnet_history::Resolution;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::Api;
use super::money;
use super::seeded::{api, api_of, ask, books, get, had, right, workload};
use crate::history::plain::Plain;
use crate::history::{Answer, AskError, Past, Question, Status};
use crate::testing::cluster;

/// As the plain past, but by days only.
#[derive(Debug)]
struct Days(Plain);

impl Past for Days {
    fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        let mut answer = self.0.ask(question)?;
        answer.resolution = Resolution::Day;
        Ok(answer)
    }

    fn status(&self) -> Status {
        self.0.status()
    }
}

/// Something in each of a hundred hours.
fn hundred_hours() -> Plain {
    let (web, db) = (workload("shop", "web", "a"), workload("shop", "db", "b"));
    let had = (1..=100).map(|hours| had(hours * 60, &web, &db, 1_000_000_007 * hours));
    Plain {
        books: books(),
        had: had.collect(),
    }
}

async fn rows(api: &Api, path: &str) -> Vec<Vec<String>> {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let (status, _, body) = ask(api, request).await;
    assert_eq!(status, StatusCode::OK, "{path}");
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(&body[..]);
    let rows = reader.records().map(Result::unwrap);
    rows.map(|row| row.iter().map(ToOwned::to_owned).collect())
        .collect()
}

#[tokio::test]
async fn periods_follow_each_other_and_sum_to_all_there_is() {
    let api = api(hundred_hours());
    let summary = right(&api, "/api/v1/summary?since=60d").await;
    let total = money(&summary["total"]);

    for (granularity, hours) in [("hour", 1), ("day", 24)] {
        let path = format!("/api/v1/costs.csv?since=60d&granularity={granularity}");
        let rows = rows(&api, &path).await;

        let column = |name: &str| rows[0].iter().position(|each| each == name).unwrap();
        let (from, to) = (column("ChargePeriodStart"), column("ChargePeriodEnd"));
        let (cost, sent) = (column("BilledCost"), column("x_SentBytes"));
        let moment = |text: &str| OffsetDateTime::parse(text, &Rfc3339).unwrap();
        let micros = |text: &str| text.replace('.', "").parse::<u128>().unwrap();
        let number = |row: &Vec<String>| row[sent].parse::<u64>().unwrap();
        assert_eq!(
            rows[1..].iter().map(|row| micros(&row[cost])).sum::<u128>(),
            total
        );
        let bytes = summary["total"]["bytes"].as_u64();
        assert_eq!(
            Some(rows[1..].iter().map(number).sum()),
            bytes,
            "{granularity}"
        );
        let last = &rows.last().unwrap()[to];
        for row in &rows[1..] {
            let length = moment(&row[to]) - moment(&row[from]);
            assert!(length.whole_hours() == hours || row[to] == *last, "{row:?}");
        }
    }
}

#[tokio::test]
async fn all_of_time_is_no_more_work_than_what_is_kept() {
    let api = api(hundred_hours());

    let all = rows(
        &api,
        "/api/v1/costs.csv?from=1970-01-01T00:00:00Z&granularity=hour",
    )
    .await;
    let kept = rows(&api, "/api/v1/costs.csv?since=60d&granularity=hour").await;

    assert_eq!(all, kept);
}

#[tokio::test]
async fn hours_that_are_not_kept_are_not_made_of_days() {
    let days = Days(hundred_hours());
    let api = api_of(&cluster(), Some(Arc::new(days)));

    let (status, refusal) = get(&api, "/api/v1/costs.csv?since=60d&granularity=hour").await;
    let by_day = rows(&api, "/api/v1/costs.csv?since=60d&granularity=day").await;

    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(refusal["field"], "granularity");
    assert!(by_day.len() > 1);
}

#[tokio::test]
async fn a_server_without_any_traffic_has_the_names_of_the_columns_only() {
    let empty = Plain {
        books: books(),
        had: Vec::new(),
    };

    let rows = rows(&api(empty), "/api/v1/costs.csv?since=60d").await;

    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0][0], "ChargePeriodStart");
}
