-- Whether a carried script was sent to its terminal: what was not cannot have been refused there.
ALTER TABLE carried_script ADD COLUMN sent BIGINT NOT NULL DEFAULT 0 CHECK (sent IN (0, 1));
-- Terminals that hold scripts were sent them: those of before count as sent.
UPDATE carried_script SET sent = 1 WHERE terminal IN (SELECT terminal FROM script_holder);
-- In which order they were asked for, the scripts of one card together: of more than a terminal has room for it carries the newest.
ALTER TABLE carried_script ADD COLUMN given BIGINT NOT NULL DEFAULT 0;
