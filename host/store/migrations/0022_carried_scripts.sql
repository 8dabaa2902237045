-- Issuer scripts that terminals carry to cards (DATA.md 12): no holder has to travel to the station for them.

-- The highest receipt counter that is proven of a card, by whoever told of it: a script is signed for one counter (SPEC.md 13.1), and its card
-- is not there to be asked. A payment that its card has undone has another receipt after it.
CREATE TABLE card_counter (
    card           TEXT   NOT NULL PRIMARY KEY REFERENCES card,
    counter        BIGINT NOT NULL CHECK (counter BETWEEN 1 AND 4294967295)
);
INSERT INTO card_counter (card, counter)
    SELECT card, max(counter) FROM (SELECT card, card_counter + reversed AS counter FROM told_payment WHERE card_counter IS NOT NULL
        UNION ALL SELECT card, counter FROM card_receipt) AS known
    GROUP BY card;

-- A receipt that a terminal's journal has brought was not read back from its card: those before it may still be there alone.
ALTER TABLE card_receipt ADD COLUMN brought BIGINT NOT NULL DEFAULT 0 CHECK (brought IN (0, 1));

-- Which terminal is to carry a script, and the status word of its card if that has refused it there.
CREATE TABLE carried_script (
    body_hash      BYTEA  NOT NULL PRIMARY KEY REFERENCES card_script,
    terminal       TEXT   NOT NULL REFERENCES terminal,
    refused        BIGINT CHECK (refused BETWEEN 0 AND 65535)
);
CREATE INDEX carried_script_at ON carried_script (terminal);

-- Terminals that were sent scripts, and not since then told that there are none.
CREATE TABLE script_holder (
    terminal       TEXT   NOT NULL PRIMARY KEY REFERENCES terminal
);
