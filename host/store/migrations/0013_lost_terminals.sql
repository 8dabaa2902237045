-- Terminals that were declared lost or destroyed: they get nothing any more, and another terminal may pay the lines on their lists to
-- the same cards, which pay none twice (DATA.md 3.4). What such a terminal has paid comes home through its cards, or with its journal.
CREATE TABLE lost_terminal (
    terminal       TEXT   NOT NULL PRIMARY KEY REFERENCES terminal,
    declared_at    TEXT   NOT NULL,
    declared_by    TEXT   NOT NULL REFERENCES operator
);
