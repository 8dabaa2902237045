-- Claims stay fast at any number of persons and cards.

CREATE INDEX card_of_person ON card (person);
CREATE INDEX card_of_officer ON card (batch, claimed_by, state);

-- Where the search for the batch's next person begins: nobody before this position waits, unless returned since. It saves
-- looking at everybody who has a card; who is before it is found when nobody is after it.
ALTER TABLE batch ADD COLUMN next_position BIGINT NOT NULL DEFAULT 0;
