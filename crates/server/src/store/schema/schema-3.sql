-- What was spent in a month, up to the change that meta has as folded. id: the month and the currency,
-- as 2026-11 USD.
CREATE TABLE spent (
    id    TEXT PRIMARY KEY,
    state BLOB NOT NULL
) WITHOUT ROWID;
