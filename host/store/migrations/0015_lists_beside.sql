-- Several lists in force at one terminal (DATA.md 3.4): the last day on which a list is paid, and the earlier lists that stay beside it.
DROP VIEW line_held;

ALTER TABLE payment_list ADD COLUMN last_day TEXT;

CREATE TABLE kept_list (
    list           BIGINT NOT NULL REFERENCES payment_list,
    kept           BIGINT NOT NULL REFERENCES payment_list,
    PRIMARY KEY (list, kept),
    CHECK (kept < list)
);

-- Lines that a terminal may still pay, as far as the ledger can know: on a list that its journal does not yet show as replaced
-- by a later one that has neither the line nor keeps its list, or in an order that it left open.
CREATE VIEW line_held AS
    SELECT payment_list.terminal, list_line.card, list_line.person, list_line.programme, list_line.entitlement,
           list_line.line_type, list_line.period
    FROM list_line JOIN payment_list ON payment_list.number = list_line.list
    LEFT JOIN list_in_force ON list_in_force.terminal = payment_list.terminal
    LEFT JOIN kept_list ON kept_list.list = list_in_force.list AND kept_list.kept = list_line.list
    LEFT JOIN open_intent ON open_intent.terminal = payment_list.terminal AND open_intent.person = list_line.person
        AND open_intent.programme = list_line.programme AND open_intent.entitlement = list_line.entitlement
        AND open_intent.line_type = list_line.line_type AND open_intent.period = list_line.period
    WHERE list_in_force.list IS NULL OR list_line.list >= list_in_force.list OR kept_list.kept IS NOT NULL
        OR open_intent.terminal IS NOT NULL;
