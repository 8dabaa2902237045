-- Payments that a card has undone by a script of the issuer (SPEC 13.7). Their terminal does not know of it, so its journal goes on to tell of them.
CREATE TABLE undone_by_issuer (
    order_hash     BYTEA  NOT NULL PRIMARY KEY REFERENCES payment,
    card           TEXT   NOT NULL REFERENCES card,
    counter        BIGINT NOT NULL,
    FOREIGN KEY (card, counter) REFERENCES card_receipt
);

-- Orders that a card has shown its reversal of, before their own terminal's journal told of any of it (DATA.md 5.6): should the card tell of
-- the payment, too, it is not booked.
CREATE TABLE carried_reversal (
    order_hash     BYTEA  NOT NULL PRIMARY KEY CHECK (length(order_hash) = 32),
    card           TEXT   NOT NULL REFERENCES card
);
