-- Payments by hand (DATA.md 5.7): no card has signed them, so they have no receipt counter. And the most that a list lets be paid so for
-- one line, NULL for none.
DROP VIEW unpaid_line;
DROP INDEX payment_once;

ALTER TABLE payment_list ADD COLUMN by_hand_up_to BIGINT CHECK (by_hand_up_to > 0);

ALTER TABLE payment RENAME TO card_payment;

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
    card_counter   BIGINT CHECK (card_counter >= 1),
    paid_at        TEXT   NOT NULL,
    reversed       BIGINT NOT NULL DEFAULT 0 CHECK (reversed IN (0, 1)),
    UNIQUE (terminal, announced),
    UNIQUE (card, card_counter),
    -- What is paid by hand only the terminal's journal tells.
    CHECK (card_counter IS NOT NULL OR announced IS NOT NULL),
    FOREIGN KEY (terminal, announced) REFERENCES journal_entry,
    FOREIGN KEY (person, programme, entitlement, line_type, period) REFERENCES payment_line
);

INSERT INTO payment (order_hash, terminal, sequence, announced, person, programme, entitlement, line_type, period, amount, card,
                     card_counter, paid_at, reversed)
    SELECT order_hash, terminal, sequence, announced, person, programme, entitlement, line_type, period, amount, card,
           card_counter, paid_at, reversed FROM card_payment;

DROP TABLE card_payment;

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
