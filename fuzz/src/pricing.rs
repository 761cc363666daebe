//! What an operator says of prices, and of what may be spent.

use kubezonnet_pricing::{Account, Budgets, Cloud, Overrides, PriceBook, PriceTable};

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

/// The text of the file of budgets. What is taken is read as it was written.
pub fn budgets_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(budgets) = Budgets::parse(text) else {
        return;
    };
    let is_team = |account: &Account| matches!(account, Account::Team(_));
    let mut limits = budgets.limits();
    assert_eq!(
        budgets.has_teams(),
        limits.any(|(account, _)| is_team(account))
    );
    for (account, limit) in budgets.limits() {
        assert!(!account.name().is_empty());
        // To the last of its nine digits, and rounded nowhere.
        assert_eq!(limit.floor(9), limit.round(9));
        assert!(limit.floor(0) < 10_u128.pow(15));
    }
}
