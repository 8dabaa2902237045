-- Payments that were told for a line that another order has paid, or under a receipt counter that another one has (promise 4): evidence, and
-- not in the books. Most are the work of a thief. But what is told may come in another order than it happened: a payment that was undone
-- after all leaves for `payment` as reversed, and one whose line is unpaid after all as paid.
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
    CHECK (card_counter IS NOT NULL OR announced IS NOT NULL),
    FOREIGN KEY (terminal, announced) REFERENCES journal_entry,
    FOREIGN KEY (person, programme, entitlement, line_type, period) REFERENCES payment_line
);
