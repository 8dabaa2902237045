-- A terminal may leave several orders open (DATA.md 5.3): one row each.
DROP VIEW line_held;

ALTER TABLE open_intent RENAME TO one_open_intent;

CREATE TABLE open_intent (
    terminal       TEXT   NOT NULL REFERENCES terminal,
    sequence       BIGINT NOT NULL,
    person         BYTEA  NOT NULL,
    programme      TEXT   NOT NULL,
    entitlement    BIGINT NOT NULL,
    line_type      BIGINT NOT NULL,
    period         TEXT   NOT NULL,
    PRIMARY KEY (terminal, sequence)
);

INSERT INTO open_intent (terminal, sequence, person, programme, entitlement, line_type, period)
    SELECT terminal, sequence, person, programme, entitlement, line_type, period FROM one_open_intent;

DROP TABLE one_open_intent;

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
