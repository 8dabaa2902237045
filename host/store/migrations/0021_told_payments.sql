-- A card's word on an order is its own: another card that names the same order before it does not keep it out (DATA.md 5.6).
ALTER TABLE carried_reversal RENAME TO first_carried_reversal;

CREATE TABLE carried_reversal (
    order_hash     BYTEA  NOT NULL CHECK (length(order_hash) = 32),
    card           TEXT   NOT NULL REFERENCES card,
    PRIMARY KEY (order_hash, card)
);

INSERT INTO carried_reversal (order_hash, card) SELECT order_hash, card FROM first_carried_reversal;

DROP TABLE first_carried_reversal;

CREATE INDEX second_payment_of_entry ON second_payment (terminal, announced);

DROP VIEW unpaid_line;
DROP VIEW standing_payment;

-- All payments that were told of, those in the books (is_apart 0) and those apart from them (1).
CREATE VIEW told_payment AS
    SELECT order_hash, terminal, sequence, announced, person, programme, entitlement, line_type, period, amount, card, card_counter,
           paid_at, reversed, 0 AS is_apart FROM payment
    UNION ALL
    SELECT order_hash, terminal, sequence, announced, person, programme, entitlement, line_type, period, amount, card, card_counter,
           paid_at, reversed, 1 AS is_apart FROM second_payment;

-- A line with one of these is due to nobody.
CREATE VIEW standing_payment AS SELECT * FROM told_payment WHERE reversed = 0;

-- What is payable in cash on an active card and not paid: no recovery (7); methods 1 cash, 2 cash at home; no regular sum (1)
-- of a month after the end of its decision, nor the supplement (6) that came with it.
CREATE VIEW unpaid_line AS
    SELECT line.person, line.programme, line.entitlement, line.line_type, line.period, line.amount, card.number AS card
    FROM payment_line AS line JOIN card ON card.person = line.person AND card.state = 'active'
    WHERE line.method IN (1, 2) AND line.line_type <> 7 AND NOT EXISTS
        (SELECT 1 FROM standing_payment AS payment WHERE payment.person = line.person
         AND payment.programme = line.programme AND payment.entitlement = line.entitlement
         AND payment.line_type = line.line_type AND payment.period = line.period)
    AND NOT EXISTS
        (SELECT 1 FROM entitlement JOIN payment_line AS regular ON regular.person = entitlement.person
         AND regular.programme = entitlement.programme AND regular.entitlement = entitlement.number AND regular.line_type = 1
         WHERE line.line_type IN (1, 6) AND entitlement.person = line.person AND entitlement.programme = line.programme
         AND entitlement.number = line.entitlement AND entitlement.month_to < line.period AND regular.period = line.period);
