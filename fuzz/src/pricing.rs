//! What an operator says of prices.

use kubezonnet_pricing::{Cloud, Overrides, PriceBook, PriceTable};

/// The file's text. What is taken makes a book with or without a table or is refused, and a book is read
/// as it was written.
pub fn pricing_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    // A book's own text comes from the database.
    let _ = PriceBook::from_text(text);
    let Ok(overrides) = Overrides::parse(text) else {
        return;
    };
    let table = PriceTable::of(Cloud::Aws);
    for table in [None, Some(&table)] {
        if let Ok(book) = PriceBook::new(table, &overrides, true) {
            let again = PriceBook::from_text(&book.to_text());
            assert_eq!(again.as_ref(), Ok(&book));
        }
    }
}
