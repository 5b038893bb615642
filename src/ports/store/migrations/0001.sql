-- Numbers of one value each: time run, the clock's floor, the last record whose rows are known to be here.
CREATE TABLE meta(
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Subjects whose life was changed. `seq` is the order's record in the journal.
CREATE TABLE lives(
    subject TEXT PRIMARY KEY,
    v INTEGER NOT NULL,
    life TEXT NOT NULL CHECK(life IN ('active', 'suspended', 'revoked')),
    seq INTEGER NOT NULL,
    wall INTEGER NOT NULL,
    ran INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Local overrides of a conduit's mode. An override that has ended keeps its row, with the number of the order that ended it.
CREATE TABLE modes(
    conduit TEXT PRIMARY KEY,
    v INTEGER NOT NULL,
    mode TEXT CHECK(mode IN ('observe', 'enforce')),
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The activated policies, the newest in force; a few older ones are kept.
CREATE TABLE policies(
    seq INTEGER PRIMARY KEY,
    v INTEGER NOT NULL,
    hash TEXT NOT NULL,
    text TEXT NOT NULL,
    wall INTEGER NOT NULL,
    ran INTEGER NOT NULL
) STRICT;
