-- Every certificate that the gateway's own CA was about to issue. The serial number is here, durably, before the certificate leaves;
-- `issued` is 0 for one that nobody got, because the gateway stopped between its record and its row. `subject` is NULL for the
-- gateway's own leaf. `revoked` is when it was taken back.
CREATE TABLE certificates(
    serial TEXT PRIMARY KEY,
    v INTEGER NOT NULL,
    subject TEXT,
    spki TEXT NOT NULL,
    role TEXT,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    issued INTEGER NOT NULL CHECK(issued IN (0, 1)),
    revoked INTEGER,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The CA itself, as PEM: its certificate with what leads to its root, its newest list (CRL), the gateway's own leaf.
CREATE TABLE authority(
    part TEXT PRIMARY KEY CHECK(part IN ('chain', 'list', 'leaf')),
    v INTEGER NOT NULL,
    pem TEXT NOT NULL,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
