-- What lists change and what was accepted with them.

-- Whether a list may change what the ledger holds ('delta') or only add to it, and who imported it with its warnings.
ALTER TABLE import ADD COLUMN kind TEXT NOT NULL DEFAULT 'plain' CHECK (kind IN ('plain', 'delta'));
ALTER TABLE import ADD COLUMN accepted_by TEXT NOT NULL DEFAULT '';

-- The newest month for which a list told the monthly amount; why the decision ended.
ALTER TABLE entitlement ADD COLUMN amount_month TEXT CHECK (length(amount_month) = 6);
ALTER TABLE entitlement ADD COLUMN end_reason TEXT;

-- A warning that was accepted with a list. Where and what kind, not the value: that is personal, and the file has it.
CREATE TABLE import_warning (
    import         BYTEA  NOT NULL REFERENCES import,
    position       BIGINT NOT NULL CHECK (position >= 1),
    file_line      BIGINT NOT NULL CHECK (file_line >= 0),
    column_name    TEXT   NOT NULL,
    code           TEXT   NOT NULL,
    PRIMARY KEY (import, position)
);

-- Live cards whose holder's data changed after the card was made, under the number of the newest change.
CREATE TABLE outdated_card (
    card           TEXT   NOT NULL PRIMARY KEY REFERENCES card,
    change         BIGINT NOT NULL
);
