-- What the server keeps. Times are milliseconds since 1970, counters are 64 bits without sign kept
-- as SQLite's 64 bits with sign.

-- id: 16 random bytes that name this store. folded: the last row of the journal that is in the
-- tables. next_id: the number of the next name. probe: written to see whether there is room.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- Every change that may not be in the tables below yet, in order. No id is ever used again.
CREATE TABLE journal (
    id     INTEGER PRIMARY KEY,
    change BLOB NOT NULL
);

-- What ids stand for. No id is ever given again: next_id in meta.
CREATE TABLE names (
    id  INTEGER PRIMARY KEY,
    key BLOB NOT NULL
);

-- folded: the last row of the journal that is in this row, which can be later than in meta.
CREATE TABLE series (
    id      INTEGER PRIMARY KEY, -- of a subject
    changed INTEGER NOT NULL,
    folded  INTEGER NOT NULL,
    traffic BLOB NOT NULL
);

-- The edges of one source.
CREATE TABLE edges (
    source INTEGER PRIMARY KEY, -- of a side
    folded INTEGER NOT NULL,
    fan    BLOB NOT NULL
);

-- seen: hook, input, output. books: disposition. unknown: reason. host: owner. pending. folded: what
-- was folded, of which bytes is the number.
CREATE TABLE totals (
    family  TEXT NOT NULL,
    a       TEXT NOT NULL,
    b       TEXT NOT NULL,
    c       TEXT NOT NULL,
    bytes   INTEGER NOT NULL,
    packets INTEGER NOT NULL,
    PRIMARY KEY (family, a, b, c)
) WITHOUT ROWID;

CREATE TABLE agents (
    node   TEXT PRIMARY KEY,
    folded INTEGER NOT NULL,
    state  BLOB NOT NULL
) WITHOUT ROWID;

-- Groups of records that wait.
CREATE TABLE waiting (
    id    INTEGER PRIMARY KEY,
    state BLOB NOT NULL
);
