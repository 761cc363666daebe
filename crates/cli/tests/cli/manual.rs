//! The pages of the manual are those that the program writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::program::run;

/// The pages in a directory, by name.
fn pages(directory: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let page = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read_to_string(entry.path()).unwrap())
    };
    entries.map(page).collect()
}

#[test]
fn the_manual_is_what_the_program_says_of_itself() {
    let folder = tempfile::tempdir().unwrap();

    let ended = run(&["man", folder.path().to_str().unwrap()]);

    assert_eq!(ended.status, 0, "{}", ended.err);
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/man");
    let (written, kept) = (pages(folder.path()), pages(&kept));
    assert_eq!(
        written.keys().collect::<Vec<_>>(),
        kept.keys().collect::<Vec<_>>(),
        "pages: make man writes them"
    );
    for (name, text) in written {
        assert!(
            text == kept[&name],
            "docs/man/{name} is of another time: make man writes it"
        );
    }
}

#[test]
fn where_the_manual_cannot_be_written_it_is_named() {
    let ended = run(&["man", "/dev/null/nowhere"]);

    assert_eq!(ended.status, 64);
    assert!(ended.err.contains("/dev/null/nowhere"), "{}", ended.err);
}
