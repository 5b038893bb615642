-- Conduits that `enforce --watch` watches: a row goes with the mode of its conduit. `until` is its end by time run.
CREATE TABLE watches(
    conduit TEXT PRIMARY KEY,
    v INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
