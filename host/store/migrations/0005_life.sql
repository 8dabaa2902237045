-- What becomes of cards and blanks after issuance, and of persons.

-- A blank taken out of the stock without ever becoming a card.
CREATE TABLE blank_written_off (
    chip_serial    TEXT   NOT NULL PRIMARY KEY REFERENCES blank,
    reason         TEXT   NOT NULL CHECK (reason IN ('spoilt', 'returned', 'missing')),
    operator       TEXT   NOT NULL,
    at             TEXT   NOT NULL
);

-- Where an issued card is: issued is not handed over. Facts in order; the newest says where it is now.
CREATE TABLE handover (
    card           TEXT   NOT NULL REFERENCES card,
    position       BIGINT NOT NULL CHECK (position >= 1),
    event          TEXT   NOT NULL CHECK (event IN ('dispatched', 'handed-to-holder', 'handed-to-representative', 'undelivered')),
    place          TEXT,
    operator       TEXT   NOT NULL,
    at             TEXT   NOT NULL,
    PRIMARY KEY (card, position)
);

-- Who died. Such a person gets no card.
CREATE TABLE death (
    person         BYTEA  NOT NULL PRIMARY KEY REFERENCES person,
    died_on        TEXT   NOT NULL CHECK (length(died_on) = 8),
    operator       TEXT   NOT NULL,
    at             TEXT   NOT NULL
);

-- Personal identification numbers that a person had before, and records of one person under two numbers. A number never comes
-- to stand for somebody else.
CREATE TABLE former_personal_id (
    personal_id    TEXT   NOT NULL PRIMARY KEY,
    person         BYTEA  NOT NULL REFERENCES person,
    operator       TEXT   NOT NULL,
    at             TEXT   NOT NULL
);

-- Records that turned out to be one person with another record. They get no card.
CREATE TABLE merged_person (
    person         BYTEA  NOT NULL PRIMARY KEY REFERENCES person,
    into_person    BYTEA  NOT NULL REFERENCES person,
    operator       TEXT   NOT NULL,
    at             TEXT   NOT NULL
);

-- Social security numbers ever given. At most one of a person is in force.
CREATE TABLE social_security_number (
    number         TEXT   NOT NULL PRIMARY KEY,
    person         BYTEA  NOT NULL REFERENCES person,
    assigned_at    TEXT   NOT NULL,
    retired_at     TEXT
);
CREATE UNIQUE INDEX social_security_number_in_force ON social_security_number (person) WHERE retired_at IS NULL;

-- What an administrator has set.
CREATE TABLE setting (
    name           TEXT   NOT NULL PRIMARY KEY,
    value          TEXT   NOT NULL
);

-- The newest list that a terminal's committed journal shows as loaded, and the order that it left open, if any: what tells
-- whether a line may go to another card or terminal (DATA.md 3.4).
CREATE TABLE list_in_force (
    terminal       TEXT   NOT NULL PRIMARY KEY REFERENCES terminal,
    list           BIGINT NOT NULL
);

CREATE TABLE open_intent (
    terminal       TEXT   NOT NULL PRIMARY KEY REFERENCES terminal,
    sequence       BIGINT NOT NULL,
    person         BYTEA  NOT NULL,
    programme      TEXT   NOT NULL,
    entitlement    BIGINT NOT NULL,
    line_type      BIGINT NOT NULL,
    period         TEXT   NOT NULL
);

-- Lines that a terminal may still pay, as far as the ledger can know: on a list that its journal does not yet show as replaced
-- by a later one without them, or in an order that it left open.
CREATE VIEW line_held AS
    SELECT payment_list.terminal, list_line.card, list_line.person, list_line.programme, list_line.entitlement,
           list_line.line_type, list_line.period
    FROM list_line JOIN payment_list ON payment_list.number = list_line.list
    LEFT JOIN list_in_force ON list_in_force.terminal = payment_list.terminal
    LEFT JOIN open_intent ON open_intent.terminal = payment_list.terminal AND open_intent.person = list_line.person
        AND open_intent.programme = list_line.programme AND open_intent.entitlement = list_line.entitlement
        AND open_intent.line_type = list_line.line_type AND open_intent.period = list_line.period
    WHERE list_in_force.list IS NULL OR list_line.list >= list_in_force.list OR open_intent.terminal IS NOT NULL;

DROP VIEW waiting_person;

-- Who is to get a card: living persons, each once, without a live one, unless a card was blocked because its holder died (4) or is entitled
-- to nothing any more (5), or the name is longer than a card holds.
CREATE VIEW waiting_person AS
    SELECT person.reference, person.position FROM person
    WHERE length(person.full_name) <= 64
    AND NOT EXISTS (SELECT 1 FROM death WHERE death.person = person.reference)
    AND NOT EXISTS (SELECT 1 FROM merged_person WHERE merged_person.person = person.reference) AND NOT EXISTS
        (SELECT 1 FROM card LEFT JOIN block ON block.card = card.number WHERE card.person = person.reference
         AND (card.state NOT IN ('blocked', 'abandoned') OR block.reason IN (4, 5)));
