use std::collections::BTreeSet;
use std::path::PathBuf;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;

const VENDORED: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/dashboard/vendor/README.md"
));

async fn get_from(path: &str, tag: Option<&HeaderValue>) -> Response {
    let mut request = Request::get(path);
    if let Some(tag) = tag {
        request = request.header(header::IF_NONE_MATCH, tag);
    }
    let request = request.body(Body::empty()).unwrap();
    routes::<()>()
        .with_state(())
        .oneshot(request)
        .await
        .unwrap()
}

async fn text(response: Response) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// All files below the directory, by their names as they are asked for.
fn on_disk() -> BTreeSet<String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("dashboard");
    let mut found = BTreeSet::new();
    for directory in [root.clone(), root.join("vendor")] {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.strip_prefix(&root).unwrap();
                found.insert(name.to_str().unwrap().to_owned());
            }
        }
    }
    found
}

#[tokio::test]
async fn the_page_and_all_its_files_are_served_with_their_types_and_a_strict_policy() {
    let cases = [
        ("/", "text/html; charset=utf-8"),
        ("/dashboard/app.js", "text/javascript; charset=utf-8"),
        ("/dashboard/style.css", "text/css; charset=utf-8"),
        ("/dashboard/icon.svg", "image/svg+xml"),
        (
            "/dashboard/vendor/uplot.js",
            "text/javascript; charset=utf-8",
        ),
        (
            "/dashboard/vendor/uplot.LICENSE",
            "text/plain; charset=utf-8",
        ),
    ];
    for (path, content_type) in cases {
        let response = get_from(path, None).await;

        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let headers = response.headers();
        assert_eq!(headers[header::CONTENT_TYPE], content_type, "{path}");
        assert_eq!(
            headers[header::CONTENT_SECURITY_POLICY],
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
    }
}

#[tokio::test]
async fn who_has_a_file_gets_it_only_when_it_is_another() {
    let first = get_from("/dashboard/app.js", None).await;
    let tag = first.headers()[header::ETAG].clone();
    let weak = HeaderValue::from_str(&format!("W/{}", tag.to_str().unwrap())).unwrap();
    let other = get_from("/", None).await.headers()[header::ETAG].clone();

    for held in [&tag, &weak] {
        let again = get_from("/dashboard/app.js", Some(held)).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.headers()[header::ETAG], tag);
        assert_eq!(text(again).await, "");
    }
    let anew = get_from("/dashboard/app.js", Some(&other)).await;
    assert_eq!(anew.status(), StatusCode::OK);
    assert_eq!(text(anew).await, text(first).await);
}

#[tokio::test]
async fn what_is_not_listed_is_not_served() {
    for path in [
        "/dashboard/",
        "/dashboard/other.js",
        "/dashboard/../src/lib.rs",
        "/dashboard/%2e%2e/src/lib.rs",
    ] {
        assert_eq!(
            get_from(path, None).await.status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[test]
fn every_file_is_listed_and_in_order() {
    let listed: Vec<&str> = FILES.iter().map(|file| file.name).collect();

    assert!(listed.is_sorted());
    let mut all: BTreeSet<String> = listed.iter().map(|&name| name.to_owned()).collect();
    all.insert(PAGE.name.to_owned());
    assert_eq!(all, on_disk());
}

#[test]
fn libraries_are_what_their_list_says() {
    let rows = VENDORED.lines().filter(|line| line.starts_with("| `"));
    let mut listed = BTreeSet::new();
    for row in rows {
        let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`'));
        let name = cells.nth(1).unwrap();
        let sum = cells.nth(2).unwrap();
        let path = format!("vendor/{name}");
        let file = FILES.iter().find(|file| file.name == path).unwrap();
        assert_eq!(hex(digest(&SHA256, file.content).as_ref()), sum, "{name}");
        listed.insert(path);
    }

    listed.insert("vendor/README.md".to_owned());
    let there = on_disk()
        .into_iter()
        .filter(|name| name.starts_with("vendor/"));
    assert_eq!(listed, there.collect());
}

#[test]
fn nothing_of_ours_names_another_server_to_load_from_or_needs_inline_code() {
    let ours = FILES
        .iter()
        .filter(|file| !file.name.starts_with("vendor/"));
    for file in ours.chain([&PAGE]) {
        // What is within the page is loaded from nowhere.
        let text = std::str::from_utf8(file.content)
            .unwrap()
            .replace("url(#", "");
        for forbidden in [
            "src=\"http",
            "href=\"http",
            "url(",
            "@import",
            "<style",
            "innerHTML",
        ] {
            assert!(!text.contains(forbidden), "{} has {forbidden}", file.name);
        }
    }
}
