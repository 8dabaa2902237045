-- Payments that were told of a line that another payment stands for, or under a receipt counter that another one has (promise 4): evidence,
-- and not in the books. What is told may come in another order than it happened, so what stands, what is undone and what is second is found
-- anew for the line with each word (`src/bookings.rs`).
CREATE TABLE second_payment (
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
    CHECK (card_counter IS NOT NULL OR announced IS NOT NULL),
    FOREIGN KEY (terminal, announced) REFERENCES journal_entry,
    FOREIGN KEY (person, programme, entitlement, line_type, period) REFERENCES payment_line
);
CREATE INDEX second_payment_line ON second_payment (person, programme, entitlement, line_type, period);
CREATE INDEX payment_of_line ON payment (person, programme, entitlement, line_type, period);

-- Orders that are undone by all that has to be told (DATA.md 5.5): by journal and card, by the issuer's script and card, by hand by the clerk.
CREATE TABLE undone_order (
    order_hash     BYTEA  NOT NULL PRIMARY KEY CHECK (length(order_hash) = 32)
);
INSERT INTO undone_order (order_hash) SELECT order_hash FROM payment WHERE reversed = 1;

-- A line with one of these is due to nobody.
CREATE VIEW standing_payment AS
    SELECT person, programme, entitlement, line_type, period, card_counter FROM payment WHERE reversed = 0
    UNION ALL SELECT person, programme, entitlement, line_type, period, card_counter FROM second_payment WHERE reversed = 0;

DROP VIEW unpaid_line;

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

-- Is this act on this subject written down already?
CREATE INDEX operation_of_subject ON operation (subject);
