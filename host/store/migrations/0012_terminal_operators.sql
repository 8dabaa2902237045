-- Who may work at a terminal (DATA.md 11): of a PIN only what it is compared with. The newest list of a terminal is what it was
-- sent, or is to be.
CREATE TABLE terminal_operator (
    terminal       TEXT   NOT NULL REFERENCES terminal,
    number         BIGINT NOT NULL CHECK (number BETWEEN 1 AND 9999),
    name           TEXT   NOT NULL CHECK (length(name) BETWEEN 1 AND 20),
    folded         TEXT   NOT NULL,
    roles          BIGINT NOT NULL CHECK (roles BETWEEN 1 AND 3),
    salt           BYTEA  NOT NULL CHECK (length(salt) = 16),
    derived        BYTEA  NOT NULL CHECK (length(derived) = 32),
    PRIMARY KEY (terminal, number),
    UNIQUE (terminal, folded)
);

CREATE TABLE terminal_operator_list (
    number         BIGINT NOT NULL PRIMARY KEY CHECK (number >= 1),
    terminal       TEXT   NOT NULL REFERENCES terminal,
    object         BYTEA  NOT NULL,
    signed_at      TEXT   NOT NULL
);
