-- The candidate policy that is judged beside the one in force: one row at most. `text` is NULL once it was ended by an order or
-- by its own activation; `until` is its end by time run.
CREATE TABLE shadow(
    id INTEGER PRIMARY KEY CHECK(id = 1),
    v INTEGER NOT NULL,
    name TEXT NOT NULL,
    text TEXT,
    hash TEXT NOT NULL,
    until INTEGER NOT NULL,
    seq INTEGER NOT NULL
) STRICT;
