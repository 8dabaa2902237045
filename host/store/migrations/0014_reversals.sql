-- What a terminal's journal says of the money of each payment (DATA.md 5.5): 1 handed over, 0 not. Handed over is the last word.
CREATE TABLE hand_over (
    terminal       TEXT   NOT NULL REFERENCES terminal,
    intent         BIGINT NOT NULL,
    handed         BIGINT NOT NULL CHECK (handed IN (0, 1)),
    PRIMARY KEY (terminal, intent)
);

-- Reversals that a terminal's journal announced: of which payment, and the hash that the card's receipt names.
CREATE TABLE reversal (
    terminal       TEXT   NOT NULL REFERENCES terminal,
    sequence       BIGINT NOT NULL,
    intent         BIGINT NOT NULL,
    order_hash     BYTEA  NOT NULL CHECK (length(order_hash) = 32),
    hash           BYTEA  NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (terminal, sequence),
    FOREIGN KEY (terminal, sequence) REFERENCES journal_entry
);
