-- Cards after they were issued: their versions, what the issuer signed for them, and what they said of themselves.

-- Every card security object that was signed for a card; the card carries the newest that is confirmed. The data groups stay
-- until the card is known to have them: they are personal data, and their salts cannot be had twice. `change` is the newest
-- change of the holder's record that the version takes in (table outdated_card).
CREATE TABLE card_version (
    card           TEXT   NOT NULL REFERENCES card,
    version        BIGINT NOT NULL CHECK (version BETWEEN 1 AND 65535),
    cso            BYTEA  NOT NULL,
    data_groups    BYTEA,
    change         BIGINT NOT NULL,
    released_at    TEXT   NOT NULL,
    confirmed_at   TEXT,
    PRIMARY KEY (card, version),
    CHECK (confirmed_at IS NULL OR data_groups IS NULL)
);

-- Scripts for one card and one of its receipt counters (SPEC.md 13.1), stored before they are sent. Outcome: executed, as a
-- receipt of the card says; passed by, when the card's counter has left it behind; NULL, not known yet.
CREATE TABLE card_script (
    body_hash      BYTEA  NOT NULL PRIMARY KEY CHECK (length(body_hash) = 32),
    card           TEXT   NOT NULL REFERENCES card,
    counter        BIGINT NOT NULL CHECK (counter BETWEEN 0 AND 4294967294),
    action         BIGINT NOT NULL CHECK (action BETWEEN 1 AND 9),
    object         BYTEA  NOT NULL,
    signed_at      TEXT   NOT NULL,
    outcome        TEXT            CHECK (outcome IN ('executed', 'passed-by'))
);
CREATE INDEX card_script_of ON card_script (card, counter);

-- Receipts that were read back from their card at the station, with what each is for (SPEC.md 9.9).
CREATE TABLE card_receipt (
    card           TEXT   NOT NULL REFERENCES card,
    counter        BIGINT NOT NULL CHECK (counter BETWEEN 1 AND 4294967295),
    kind           BIGINT NOT NULL CHECK (kind BETWEEN 1 AND 4),
    object_hash    BYTEA  NOT NULL CHECK (length(object_hash) = 32),
    receipt        BYTEA  NOT NULL,
    object         BYTEA  NOT NULL,
    read_at        TEXT   NOT NULL,
    PRIMARY KEY (card, counter)
);
