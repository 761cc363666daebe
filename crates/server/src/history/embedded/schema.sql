-- The past. Times are milliseconds since 1970-01-01T00:00:00Z.
CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
-- Price books that were in force, as their own text.
CREATE TABLE books (version INTEGER PRIMARY KEY, book TEXT NOT NULL) STRICT;
-- Who was at an end, and Services, as JSON.
CREATE TABLE sides (id INTEGER PRIMARY KEY, side TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE services (id INTEGER PRIMARY KEY, service TEXT NOT NULL UNIQUE) STRICT;
-- What went from one side to another; a service, or a book, of 0 is none. Nothing has it after the end of the
-- hour in which it was last seen.
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    source INTEGER NOT NULL,
    destination INTEGER NOT NULL,
    class INTEGER NOT NULL,
    service INTEGER NOT NULL,
    book INTEGER NOT NULL,
    last INTEGER NOT NULL,
    UNIQUE (source, destination, class, service, book)
) STRICT;
-- What series had. Parts of the same stretch add up; each is of a level, of which sixteen make one of the
-- next.
CREATE TABLE chunks (
    resolution INTEGER NOT NULL,
    start INTEGER NOT NULL,
    level INTEGER NOT NULL,
    part INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (resolution, start, level, part)
) STRICT;
