-- The ledger of issuance and payment.
-- Portable between SQLite and PostgreSQL: BIGINT, TEXT and BYTEA only. Facts are inserted, hardly ever updated; what changes is
-- a guarded state column. Times are RFC 3339 in UTC; dates yyyymmdd with 00 for an unknown month or day; months yyyymm; money is
-- whole Vietnamese dong (VND).

-- A person under a random reference that stays over replaced cards and renewed identity numbers.
CREATE TABLE person (
    reference      BYTEA  NOT NULL PRIMARY KEY CHECK (length(reference) = 16),
    position       BIGINT NOT NULL UNIQUE,
    personal_id    TEXT   NOT NULL UNIQUE,
    full_name      TEXT   NOT NULL,
    birth_date     TEXT   NOT NULL CHECK (length(birth_date) = 8),
    sex            BIGINT NOT NULL CHECK (sex IN (1, 2, 3)),
    province       TEXT   NOT NULL CHECK (length(province) = 2),
    commune        TEXT   NOT NULL CHECK (length(commune) = 5),
    pay_point      TEXT,
    social_insurance_number TEXT,
    health_insurance_code   TEXT,
    registered_at  TEXT   NOT NULL
);

-- One decision that entitles a person to a programme. The number is what cards and terminals see of it (SPEC.md, line key).
CREATE TABLE entitlement (
    person         BYTEA  NOT NULL REFERENCES person,
    programme      TEXT   NOT NULL CHECK (length(programme) = 4),
    number         BIGINT NOT NULL CHECK (number BETWEEN 1 AND 65535),
    sub_code       TEXT,
    decision       TEXT   NOT NULL,
    decision_date  TEXT,
    decided_by     TEXT,
    month_from     TEXT   NOT NULL CHECK (length(month_from) = 6),
    month_to       TEXT            CHECK (length(month_to) = 6),
    active         BIGINT NOT NULL CHECK (active IN (0, 1)),
    monthly_amount BIGINT NOT NULL CHECK (monthly_amount >= 0),
    PRIMARY KEY (person, programme, number),
    UNIQUE (person, number),
    UNIQUE (person, programme, decision)
);

CREATE TABLE representative (
    person         BYTEA  NOT NULL REFERENCES person,
    personal_id    TEXT   NOT NULL,
    full_name      TEXT   NOT NULL,
    relation       TEXT   NOT NULL CHECK (length(relation) = 2),
    document       TEXT,
    valid_to       TEXT   NOT NULL CHECK (length(valid_to) = 8),
    PRIMARY KEY (person, personal_id)
);

-- An approved list as it was taken in. The same file twice changes nothing, because its hash is the key.
CREATE TABLE import (
    file_hash      BYTEA  NOT NULL PRIMARY KEY CHECK (length(file_hash) = 32),
    file_name      TEXT   NOT NULL,
    lines          BIGINT NOT NULL,
    imported_at    TEXT   NOT NULL
);

-- What is due: one sum under a key that never changes.
CREATE TABLE payment_line (
    person         BYTEA  NOT NULL,
    programme      TEXT   NOT NULL,
    entitlement    BIGINT NOT NULL,
    line_type      BIGINT NOT NULL CHECK (line_type BETWEEN 1 AND 7),
    period         TEXT   NOT NULL CHECK (length(period) = 6),
    amount         BIGINT NOT NULL CHECK (amount > 0 AND amount <= 999999999999),
    method         BIGINT NOT NULL CHECK (method BETWEEN 1 AND 5),
    import         BYTEA  NOT NULL REFERENCES import,
    file_line      BIGINT NOT NULL,
    PRIMARY KEY (person, programme, entitlement, line_type, period),
    FOREIGN KEY (person, programme, entitlement) REFERENCES entitlement
);
-- One (person, programme, line type, period) is due once; arrears (2) are keyed by their decision besides.
CREATE UNIQUE INDEX payment_line_due_once ON payment_line (person, programme, line_type, period) WHERE line_type <> 2;

-- Who may act here, each with a token of which only the SHA-256 is kept. Names are never used again.
CREATE TABLE operator (
    name           TEXT   NOT NULL PRIMARY KEY,
    roles          BIGINT NOT NULL CHECK (roles BETWEEN 0 AND 15),
    token_hash     BYTEA  NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    active         BIGINT NOT NULL CHECK (active IN (0, 1)),
    added_at       TEXT   NOT NULL
);

-- Who did what, each line with the hash of the one before. No personal data: cards and persons by number and reference only.
CREATE TABLE operation (
    position       BIGINT NOT NULL PRIMARY KEY CHECK (position >= 1),
    at             TEXT   NOT NULL,
    operator       TEXT   NOT NULL,
    action         TEXT   NOT NULL,
    subject        TEXT   NOT NULL,
    previous_hash  BYTEA  NOT NULL UNIQUE CHECK (length(previous_hash) = 32),
    hash           BYTEA  NOT NULL UNIQUE CHECK (length(hash) = 32)
);

-- Who is to get a card: drafted by one officer, approved by another.
CREATE TABLE batch (
    number         BIGINT NOT NULL PRIMARY KEY CHECK (number >= 1),
    title          TEXT   NOT NULL,
    state          TEXT   NOT NULL CHECK (state IN ('drafted', 'approved', 'closed')),
    drafted_by     TEXT   NOT NULL REFERENCES operator,
    drafted_at     TEXT   NOT NULL,
    approved_by    TEXT   REFERENCES operator,
    approved_at    TEXT,
    expires_on     TEXT   NOT NULL CHECK (length(expires_on) = 8),
    quota          BIGINT NOT NULL CHECK (quota >= 1),
    CHECK (state <> 'approved' OR approved_by IS NOT NULL),
    CHECK (approved_by IS NULL OR approved_by <> drafted_by)
);

CREATE TABLE batch_person (
    batch          BIGINT NOT NULL REFERENCES batch,
    person         BYTEA  NOT NULL REFERENCES person,
    PRIMARY KEY (batch, person)
);
CREATE INDEX batch_person_of ON batch_person (person);

CREATE TABLE delivery (
    name           TEXT   NOT NULL PRIMARY KEY,
    key_version    BIGINT NOT NULL,
    check_values   BYTEA  NOT NULL CHECK (length(check_values) = 9),
    registered_at  TEXT   NOT NULL
);

CREATE TABLE blank (
    chip_serial    TEXT   NOT NULL PRIMARY KEY CHECK (length(chip_serial) = 20),
    delivery       TEXT   NOT NULL REFERENCES delivery,
    state          TEXT   NOT NULL CHECK (state IN ('blank', 'assigned', 'spoilt'))
);

-- A card: one person on one chip under one number. Keys that are unique over all cards ever made.
CREATE TABLE card (
    number         TEXT   NOT NULL PRIMARY KEY CHECK (length(number) = 16),
    person         BYTEA  NOT NULL REFERENCES person,
    chip_serial    TEXT   NOT NULL UNIQUE REFERENCES blank,
    version        BIGINT NOT NULL,
    state          TEXT   NOT NULL CHECK (state IN
                   ('planned', 'keys-replaced', 'keys-generated', 'cso-released', 'active', 'blocked', 'abandoned')),
    agreement_key  BYTEA  UNIQUE CHECK (length(agreement_key) = 65),
    signing_key    BYTEA  UNIQUE CHECK (length(signing_key) = 65),
    cso            BYTEA,
    planned_at     TEXT   NOT NULL,
    batch          BIGINT NOT NULL REFERENCES batch,
    claimed_by     TEXT   NOT NULL REFERENCES operator,
    CHECK (state IN ('planned', 'keys-replaced', 'abandoned') OR signing_key IS NOT NULL),
    CHECK (state NOT IN ('cso-released', 'active', 'blocked') OR cso IS NOT NULL)
);
-- Never two live cards for one person (promise 1 of the design).
CREATE UNIQUE INDEX card_one_live_per_person ON card (person) WHERE state NOT IN ('blocked', 'abandoned');

-- What was about to be done to a chip, written before it was done.
CREATE TABLE issuance_journal (
    card           TEXT   NOT NULL REFERENCES card,
    position       BIGINT NOT NULL,
    step           TEXT   NOT NULL,
    note           BYTEA,
    reader         TEXT   NOT NULL,
    written_at     TEXT   NOT NULL,
    PRIMARY KEY (card, position)
);

-- Every object an issuer's key signed, as a chain (SPEC.md 4.1, tags 8A and 8B).
CREATE TABLE issuer_log (
    issuer         TEXT   NOT NULL,
    sequence       BIGINT NOT NULL CHECK (sequence >= 1),
    kind           TEXT   NOT NULL,
    body_hash      BYTEA  NOT NULL UNIQUE CHECK (length(body_hash) = 32),
    previous_hash  BYTEA  NOT NULL CHECK (length(previous_hash) = 32),
    object         BYTEA  NOT NULL,
    signed_at      TEXT   NOT NULL,
    PRIMARY KEY (issuer, sequence),
    UNIQUE (issuer, previous_hash)
);

-- Certificates we issued or trust, by holder reference (CHR).
CREATE TABLE certificate (
    holder         TEXT   NOT NULL PRIMARY KEY,
    authority      TEXT   NOT NULL,
    object         BYTEA  NOT NULL,
    stored_at      TEXT   NOT NULL
);

CREATE TABLE block (
    card           TEXT   NOT NULL PRIMARY KEY REFERENCES card,
    reason         BIGINT NOT NULL CHECK (reason BETWEEN 1 AND 6),
    blocked_at     TEXT   NOT NULL
);

-- Who is to get a card: persons without a live one, unless a card was blocked because its holder died (4) or is entitled to
-- nothing any more (5), or the name is longer than a card holds (DATA.md 1; a list warns of it).
CREATE VIEW waiting_person AS
    SELECT person.reference, person.position FROM person WHERE length(person.full_name) <= 64 AND NOT EXISTS
        (SELECT 1 FROM card LEFT JOIN block ON block.card = card.number WHERE card.person = person.reference
         AND (card.state NOT IN ('blocked', 'abandoned') OR block.reason IN (4, 5)));

-- Who may get a card under a batch still: an approval is used up by one card, unless that was given up (6).
CREATE VIEW open_batch_person AS
    SELECT batch_person.batch, batch_person.person FROM batch_person WHERE NOT EXISTS
        (SELECT 1 FROM card LEFT JOIN block ON block.card = card.number
         WHERE card.batch = batch_person.batch AND card.person = batch_person.person
         AND card.state <> 'abandoned' AND (block.reason IS NULL OR block.reason <> 6));

CREATE TABLE block_list (
    number         BIGINT NOT NULL PRIMARY KEY CHECK (number >= 1),
    issuer         TEXT   NOT NULL,
    sequence       BIGINT NOT NULL,
    cards          BYTEA  NOT NULL,
    FOREIGN KEY (issuer, sequence) REFERENCES issuer_log
);

-- A terminal's name is for ever bound to its two keys; new keys mean a new name.
CREATE TABLE terminal (
    name           TEXT   NOT NULL PRIMARY KEY CHECK (length(name) = 10),
    agreement_key  BYTEA  NOT NULL UNIQUE CHECK (length(agreement_key) = 65),
    journal_key    BYTEA  NOT NULL UNIQUE CHECK (length(journal_key) = 65),
    registered_at  TEXT   NOT NULL
);

CREATE TABLE payment_list (
    number         BIGINT NOT NULL PRIMARY KEY CHECK (number >= 1),
    list_id        TEXT   NOT NULL UNIQUE,
    terminal       TEXT   NOT NULL REFERENCES terminal,
    root           BYTEA  NOT NULL CHECK (length(root) = 32),
    issuer         TEXT   NOT NULL,
    sequence       BIGINT NOT NULL,
    FOREIGN KEY (issuer, sequence) REFERENCES issuer_log
);

CREATE TABLE list_line (
    list           BIGINT NOT NULL REFERENCES payment_list,
    line           BIGINT NOT NULL,
    card           TEXT   NOT NULL REFERENCES card,
    person         BYTEA  NOT NULL,
    programme      TEXT   NOT NULL,
    entitlement    BIGINT NOT NULL,
    line_type      BIGINT NOT NULL,
    period         TEXT   NOT NULL,
    content        BYTEA  NOT NULL,
    PRIMARY KEY (list, line),
    UNIQUE (list, person, programme, entitlement, line_type, period),
    FOREIGN KEY (person, programme, entitlement, line_type, period) REFERENCES payment_line
);

CREATE TABLE journal_entry (
    terminal       TEXT   NOT NULL REFERENCES terminal,
    sequence       BIGINT NOT NULL CHECK (sequence >= 1),
    hash           BYTEA  NOT NULL UNIQUE CHECK (length(hash) = 32),
    entry          BYTEA  NOT NULL,
    ingested_at    TEXT   NOT NULL,
    PRIMARY KEY (terminal, sequence)
);

CREATE TABLE acknowledgement (
    terminal       TEXT   NOT NULL REFERENCES terminal,
    sequence       BIGINT NOT NULL,
    head           BYTEA  NOT NULL CHECK (length(head) = 32),
    object         BYTEA  NOT NULL,
    signed_at      TEXT   NOT NULL,
    PRIMARY KEY (terminal, sequence)
);

-- Money that left, by the order that its card carried out. The partial index is promise 4 (once) at ingestion. `sequence` is the
-- Intent's as the order names it; `announced` is the same once the terminal's journal has told of the payment, NULL as long as
-- only the card has (SPEC.md 9.9).
CREATE TABLE payment (
    order_hash     BYTEA  NOT NULL PRIMARY KEY CHECK (length(order_hash) = 32),
    terminal       TEXT   NOT NULL REFERENCES terminal,
    sequence       BIGINT NOT NULL,
    announced      BIGINT CHECK (announced = sequence),
    person         BYTEA  NOT NULL,
    programme      TEXT   NOT NULL,
    entitlement    BIGINT NOT NULL,
    line_type      BIGINT NOT NULL,
    period         TEXT   NOT NULL,
    amount         BIGINT NOT NULL CHECK (amount > 0),
    card           TEXT   NOT NULL REFERENCES card,
    card_counter   BIGINT NOT NULL CHECK (card_counter >= 1),
    paid_at        TEXT   NOT NULL,
    reversed       BIGINT NOT NULL DEFAULT 0 CHECK (reversed IN (0, 1)),
    UNIQUE (terminal, announced),
    UNIQUE (card, card_counter),
    FOREIGN KEY (terminal, announced) REFERENCES journal_entry,
    FOREIGN KEY (person, programme, entitlement, line_type, period) REFERENCES payment_line
);
CREATE UNIQUE INDEX payment_once ON payment (person, programme, entitlement, line_type, period) WHERE reversed = 0;

-- What is payable in cash on an active card and not paid: no recovery (7); methods 1 cash, 2 cash at home; no regular sum (1)
-- of a month after the end of its decision, nor the supplement (6) that came with it.
CREATE VIEW unpaid_line AS
    SELECT line.person, line.programme, line.entitlement, line.line_type, line.period, line.amount, card.number AS card
    FROM payment_line AS line JOIN card ON card.person = line.person AND card.state = 'active'
    WHERE line.method IN (1, 2) AND line.line_type <> 7 AND NOT EXISTS
        (SELECT 1 FROM payment WHERE payment.reversed = 0 AND payment.person = line.person
         AND payment.programme = line.programme AND payment.entitlement = line.entitlement
         AND payment.line_type = line.line_type AND payment.period = line.period)
    AND NOT EXISTS
        (SELECT 1 FROM entitlement JOIN payment_line AS regular ON regular.person = entitlement.person
         AND regular.programme = entitlement.programme AND regular.entitlement = entitlement.number AND regular.line_type = 1
         WHERE line.line_type IN (1, 6) AND entitlement.person = line.person AND entitlement.programme = line.programme
         AND entitlement.number = line.entitlement AND entitlement.month_to < line.period AND regular.period = line.period);

-- Last number drawn of each series (card numbers). Numbers may be skipped, never drawn twice.
CREATE TABLE series (
    name           TEXT   NOT NULL PRIMARY KEY,
    last           BIGINT NOT NULL
);
