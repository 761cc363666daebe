-- What the server keeps. Times are milliseconds since 1970, counters are 64 bits without sign kept
-- as SQLite's 64 bits with sign.

-- id: 16 random bytes that name this store. folded: the last row of the journal that is in the
-- tables. probe: written to see whether there is room.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- Every change that may not be in the tables below yet, in order. No id is ever used again.
CREATE TABLE journal (
    id     INTEGER PRIMARY KEY,
    change BLOB NOT NULL
);

-- folded: the last row of the journal that is in this row, which can be later than in meta.
CREATE TABLE series (
    kind      TEXT NOT NULL, -- pod or node
    namespace TEXT NOT NULL, -- empty for nodes
    name      TEXT NOT NULL,
    address   TEXT NOT NULL,
    changed   INTEGER NOT NULL,
    folded    INTEGER NOT NULL,
    traffic   BLOB NOT NULL,
    PRIMARY KEY (kind, namespace, name)
) WITHOUT ROWID;

-- seen: hook, input, output. books: disposition. unknown: reason. zones: from, to. pending.
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
