-- Orders of which a card has shown its receipt of a script of the issuer (SPEC 13.7), each card's word for its own orders. One counts as
-- soon as a journal says that the money was not handed over, whichever of the two comes home first (DATA.md 5.5).
ALTER TABLE undone_by_issuer RENAME TO first_undone_by_issuer;

CREATE TABLE undone_by_issuer (
    order_hash     BYTEA  NOT NULL CHECK (length(order_hash) = 32),
    card           TEXT   NOT NULL REFERENCES card,
    counter        BIGINT NOT NULL,
    PRIMARY KEY (order_hash, card),
    FOREIGN KEY (card, counter) REFERENCES card_receipt
);

INSERT INTO undone_by_issuer (order_hash, card, counter) SELECT order_hash, card, counter FROM first_undone_by_issuer;

-- What is undone by the terminal's own journal alone stays here.
DELETE FROM undone_order WHERE order_hash IN (SELECT order_hash FROM undone_by_issuer);

DROP TABLE first_undone_by_issuer;
