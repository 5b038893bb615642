-- A subject may be registered and not active yet.
CREATE TABLE lives_2(
    subject TEXT PRIMARY KEY,
    v INTEGER NOT NULL,
    life TEXT NOT NULL CHECK(life IN ('registered', 'active', 'suspended', 'revoked')),
    seq INTEGER NOT NULL,
    wall INTEGER NOT NULL,
    ran INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO lives_2 SELECT subject, v, life, seq, wall, ran FROM lives;
DROP TABLE lives;
ALTER TABLE lives_2 RENAME TO lives;

-- Public keys by the SHA-256 of their SubjectPublicKeyInfo. A key that is spent shows nobody any more, for ever.
CREATE TABLE keys(
    spki TEXT PRIMARY KEY,
    v INTEGER NOT NULL,
    subject TEXT NOT NULL,
    spent INTEGER NOT NULL CHECK(spent IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_of ON keys(subject);

-- Addresses that show a subject; `mac` is empty where any hardware address will do.
CREATE TABLE addresses(
    ip TEXT NOT NULL,
    mac TEXT NOT NULL,
    v INTEGER NOT NULL,
    subject TEXT NOT NULL,
    PRIMARY KEY(ip, mac)
) STRICT, WITHOUT ROWID;
CREATE INDEX addresses_of ON addresses(subject);
