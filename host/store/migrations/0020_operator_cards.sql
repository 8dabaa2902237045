-- An operator of a terminal has either a PIN or a card (DATA.md 11.1). No card is two operators of one terminal.
ALTER TABLE terminal_operator RENAME TO pin_operator;

CREATE TABLE terminal_operator (
    terminal       TEXT   NOT NULL REFERENCES terminal,
    number         BIGINT NOT NULL CHECK (number BETWEEN 1 AND 9999),
    name           TEXT   NOT NULL CHECK (length(name) BETWEEN 1 AND 20),
    folded         TEXT   NOT NULL,
    roles          BIGINT NOT NULL CHECK (roles BETWEEN 1 AND 3),
    salt           BYTEA  CHECK (length(salt) = 16),
    derived        BYTEA  CHECK (length(derived) = 32),
    card           TEXT   REFERENCES card,
    PRIMARY KEY (terminal, number),
    UNIQUE (terminal, folded),
    UNIQUE (terminal, card),
    CHECK ((salt IS NULL) = (derived IS NULL)),
    CHECK ((salt IS NULL) <> (card IS NULL))
);

INSERT INTO terminal_operator (terminal, number, name, folded, roles, salt, derived)
    SELECT terminal, number, name, folded, roles, salt, derived FROM pin_operator;

DROP TABLE pin_operator;
